// SPDX-License-Identifier: Apache-2.0

/// What the kernel would do if memory ran out now, in the words of an `oom_kill` where it has them.
///
/// Shape: docs/schema/oomwitness.v1.schema.json, `scope`, `limit`, `victim`, `badness`, `candidates`.
package struct Forecast: Hashable, Sendable {
  package enum Outcome: String, Sendable { case kill, panic, wait, nobody }

  /// One process that would die.
  package struct Death: Hashable, Sendable {
    package var victim: Victim
    package var badness: VictimBadness

    package init(victim: Victim, badness: VictimBadness) {
      self.victim = victim
      self.badness = badness
    }
  }

  package var outcome: Outcome
  package var path: Decision.Path?
  package var scope: Scope
  package var limit: BindingLimit
  /// The chosen one first, then those that die with it.
  package var deaths: [Death] = []
  package var candidates: Candidates?
  /// The best of the others, and how far behind it is.
  package var runnerUp: Candidate?
  package var runnerUpHeadroomPages: Pages?
  /// The most oom_score_adj that would spare the chosen one.
  package var sparingAdj: Int?
  /// The kernel waits for this one, which is dying.
  package var waitsForPID: Int32?
  /// Who would follow, decision by decision.
  package var followUps: [[Death]] = []
  package var explanation: String

  package init(outcome: Outcome, scope: Scope, limit: BindingLimit, explanation: String) {
    self.outcome = outcome
    self.scope = scope
    self.limit = limit
    self.explanation = explanation
  }

  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("outcome", outcome.rawValue)
      $0.field("path", path?.rawValue)
      $0.field("scope", scope.rawValue)
      $0.field("limit") { limit.encode(into: &$0) }
      if let first = deaths.first { first.encodeFields(into: &$0) }
      if let candidates { $0.field("candidates") { candidates.encode(into: &$0) } }
      if deaths.count > 1 { $0.field("with_it") { Forecast.encode(Array(deaths.dropFirst()), into: &$0) } }
      if let runnerUp { $0.field("runner_up") { runnerUp.encode(into: &$0) } }
      $0.field("runner_up_headroom_pages", runnerUpHeadroomPages)
      $0.field("sparing_oom_score_adj", sparingAdj)
      $0.field("waits_for_pid", waitsForPID)
      $0.field("follow_ups") { json in
        json.array { json in
          for deaths in followUps {
            json.object {
              if let first = deaths.first { first.encodeFields(into: &$0) }
              if deaths.count > 1 { $0.field("with_it") { Forecast.encode(Array(deaths.dropFirst()), into: &$0) } }
            }
          }
        }
      }
      $0.field("explanation", explanation)
    }
  }

  private static func encode(_ deaths: [Death], into json: inout JSONWriter) {
    json.array { json in
      for death in deaths { json.object { death.encodeFields(into: &$0) } }
    }
  }
}

extension Forecast.Death {
  fileprivate func encodeFields(into json: inout JSONWriter) {
    json.field("victim") { victim.encode(into: &$0) }
    json.field("badness") { badness.encode(into: &$0) }
  }
}
