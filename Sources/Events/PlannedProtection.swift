// SPDX-License-Identifier: Apache-2.0

/// What rules would do, and whom the kernel would then kill: for people and programs.
///
/// Shape: docs/protect.md, `plan --output json`; the parts are those of docs/schema/oomwitness.v1.schema.json.
package struct PlannedProtection: Hashable, Sendable {
  /// One process whose oom_score_adj would be another.
  package struct Change: Hashable, Sendable {
    /// As it is now.
    package var row: ScoreRow
    package var adjThen: Int
    /// What /proc/PID/oom_score would show; nil where it shows nothing now.
    package var scoreThen: Int?
    package var rule: String
    package var reason: String?
    package var sharesMemoryWith: Int32?

    package init(row: ScoreRow, adjThen: Int, scoreThen: Int?, rule: String, reason: String?, sharesMemoryWith: Int32?)
    {
      self.row = row
      self.adjThen = adjThen
      self.scoreThen = scoreThen
      self.rule = rule
      self.reason = reason
      self.sharesMemoryWith = sharesMemoryWith
    }
  }

  /// Whose memory would run out, and who would be next there.
  package struct Domain: Hashable, Sendable {
    package enum Left: String, Sendable {
      case enough
      case allProtected = "all_protected"
      case nobodyKillable = "nobody_killable"
    }
    package var before: Forecast
    package var after: Forecast
    package var left: Left

    package init(before: Forecast, after: Forecast, left: Left) {
      self.before = before
      self.after = after
      self.left = left
    }
  }

  package var changes: [Change]
  package var unchanged: Int
  package var domains: [Domain]
  /// Names of rules that are for no process now.
  package var unused: [String]

  package init(changes: [Change], unchanged: Int, domains: [Domain], unused: [String] = []) {
    self.unused = unused
    self.changes = changes
    self.unchanged = unchanged
    self.domains = domains
  }

  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("changes") { json in
        json.array { json in
          for change in changes {
            json.object {
              $0.field("process") { change.row.encode(into: &$0) }
              $0.field("oom_score_adj_then", change.adjThen)
              $0.field("proc_oom_score_then", change.scoreThen)
              $0.field("rule", change.rule)
              $0.field("reason", change.reason)
              $0.field("shares_memory_with", change.sharesMemoryWith)
            }
          }
        }
      }
      $0.field("unchanged", unchanged)
      $0.field("unused_rules") { $0.array { json in for name in unused { json.value(name) } } }
      $0.field("domains") { json in
        json.array { json in
          for domain in domains {
            json.object {
              $0.field("before") { domain.before.encode(into: &$0) }
              $0.field("after") { domain.after.encode(into: &$0) }
              $0.field("left", domain.left.rawValue)
            }
          }
        }
      }
    }
  }
}
