// SPDX-License-Identifier: Apache-2.0

/// What a limit should be, and why: the answer to one `LimitEvidence`.
///
/// Shape: docs/schema/limits.v1.schema.json. Made by Policy's LimitAdvice.
package struct AdvisedLimit: Hashable, Sendable {
  package enum Verdict: String, CaseIterable, Sendable {
    /// It was killed at its limit, or comes too near to it.
    case raise
    /// It holds more than it has ever come near to.
    case lower
    /// It has no limit, and should have this one.
    case set
    /// As it is it will do.
    case keep
    /// It grows whatever it is given: a higher limit only postpones the kill.
    case leak
    /// Nothing tells what it needs.
    case unknown
  }

  package enum Confidence: String, CaseIterable, Sendable { case low, medium, high }

  /// What runs there, by the names of its programs: what the headroom follows.
  package enum LoadKind: String, CaseIterable, Sendable { case jvm, database, web, batch, unknown }

  package var evidence: LimitEvidence
  package var verdict: Verdict
  package var load: LoadKind
  /// Over what it needed, in hundredths of that.
  package var headroomPercent: Int64
  /// What it needed, as far as is known.
  package var neededBytes: Int64?
  /// The hard limit; nil where nothing can be said.
  package var limitBytes: Int64?
  /// What to set aside for it: Kubernetes' request, Compose's mem_reservation.
  package var requestBytes: Int64?
  /// Where the kernel should begin to slow it down; nil where that would do harm or no good. Kernel: memory.high.
  package var highBytes: Int64?
  package var oomScoreAdj: Int?
  package var confidence: Confidence
  /// Why the confidence is no other.
  package var confidenceReason: String
  /// Sentences that name the numbers; safe for a terminal.
  package var reasons: [String]

  package init(
    _ evidence: LimitEvidence, verdict: Verdict, load: LoadKind, headroomPercent: Int64, confidence: Confidence,
    because confidenceReason: String
  ) {
    (self.evidence, self.verdict, self.load, self.headroomPercent) = (evidence, verdict, load, headroomPercent)
    (self.confidence, self.confidenceReason, self.reasons) = (confidence, confidenceReason, [])
  }

  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("subject") { evidence.subject.encode(into: &$0) }
      $0.field("verdict", verdict.rawValue)
      $0.objectField("recommended") {
        $0.field("limit_bytes", limitBytes)
        $0.field("request_bytes", requestBytes)
        $0.field("high_bytes", highBytes)
        $0.field("oom_score_adj", oomScoreAdj)
      }
      $0.field("load", load.rawValue)
      $0.field("headroom_percent", headroomPercent)
      $0.field("needed_bytes", neededBytes)
      $0.field("confidence", confidence.rawValue)
      $0.field("confidence_reason", confidenceReason)
      $0.field("reasons") { json in
        json.array { json in
          for reason in reasons { json.value(reason) }
        }
      }
      $0.field("evidence") { evidence.encode(into: &$0) }
    }
  }
}

extension LimitEvidence {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("limit_bytes", limitBytes?.bytes)
      if limitBytes == .unlimited { $0.field("is_unlimited", true) }
      $0.field("request_bytes", requestBytes)
      $0.field("usage_bytes", usageBytes)
      $0.field("working_set_bytes", workingSetBytes)
      $0.field("peak_bytes", peakBytes)
      $0.field("swap_limit_bytes", swapLimitBytes?.bytes)
      $0.field("age_seconds", ageSeconds)
      $0.field("host_bytes", hostBytes)
      if !programs.isEmpty {
        $0.field("programs") { json in
          json.array { json in
            for program in programs { json.value(program) }
          }
        }
      }
      $0.field("image", image)
      switch jvmHeap {
      case .bytes(let bytes)?: $0.field("jvm_heap_bytes", bytes)
      case .hundredthsOfPercent(let hundredths)?: $0.field("jvm_heap_percent", hundredths: Int64(hundredths))
      case nil: break
      }
      $0.objectField("kills") {
        $0.field("logged", kills.logged)
        $0.field("counted", kills.counted)
        $0.field("ended", kills.ended)
        $0.field("most_limit_bytes", kills.mostLimitBytes)
        $0.field("most_victim_bytes", kills.mostVictimBytes)
      }
      if let growth {
        $0.objectField("growth") {
          $0.field("program", hexKey: "program_hex", growth.program)
          $0.field("first_bytes", growth.firstBytes)
          $0.field("last_bytes", growth.lastBytes)
          $0.field("kills", growth.kills)
        }
      }
      $0.field("replicas", replicas)
      $0.field("restarts", restarts)
    }
  }
}
