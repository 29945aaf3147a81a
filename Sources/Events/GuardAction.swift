// SPDX-License-Identifier: Apache-2.0

/// What a guard did to one process before the kernel had to, or would have done, or came of it.
///
/// Shape: docs/schema/oomwitness.v1.schema.json, `guard_action`. The victim, its badness and the candidates are as in
/// `oom_kill`, so that one stream tells of both.
package struct GuardAction: Hashable, Sendable {
  package enum Outcome: String, CaseIterable, Sendable {
    /// The signal was sent.
    case sent
    /// It would have been: a dry run.
    case wouldSend = "would_send"
    /// The kernel refused to send it.
    case failed
    /// The process has ended.
    case exited
    /// Memory came back before it ended, and it lives.
    case spared
    /// It was killed and has not ended; somebody else may be taken.
    case survived
    /// There was nobody who may be taken.
    case nobody
  }

  package enum Signal: String, CaseIterable, Sendable { case SIGTERM, SIGKILL }

  /// What was crossed.
  package struct Threshold: Hashable, Sendable {
    package enum Cause: String, CaseIterable, Sendable {
      case memory
      case stallFull = "stall_full"
      case stallSome = "stall_some"
    }
    package var cause: Cause
    /// At or below these SIGTERM is sent, or SIGKILL, whichever this is about.
    package var availablePages: Pages?
    package var swapFreePages: Pages?
    package var stallHundredths: Int64?

    package init(cause: Cause) { self.cause = cause }
  }

  /// Who sent it; nil where we did.
  package struct Sender: Hashable, Sendable {
    package var pid: Int32
    package var comm: KernelName

    package init(pid: Int32, comm: KernelName) {
      self.pid = pid
      self.comm = comm
    }
  }

  /// "oomwitness", or the guard that was seen: "earlyoom", "systemd-oomd", ...
  package var by: String
  package var outcome: Outcome
  package var signal: Signal?
  /// Counts choices in one stream, from 1; all lines of one choice share it. Nil of others' guards.
  package var id: UInt64?
  package var sender: Sender?
  package var scope: Scope?
  /// Whose limit was watched; nil: the system's, or not known.
  package var cgroup: CgroupRef?
  package var threshold: Threshold?
  /// What was read when it was crossed, or last.
  package var reading: GuardReading?
  package var victim: Victim?
  package var badness: VictimBadness?
  /// Pages that patterns added to its points, or took from them.
  package var bonusPages: Pages?
  package var candidates: Candidates?
  /// Members of its group for whom there was no room.
  package var membersLeftOut: Int?
  /// From the reading that crossed the threshold to the signal.
  package var thresholdToSignalMicroseconds: Int64?
  /// From the first signal to its end.
  package var signalToExitMicroseconds: Int64?
  /// What it held resident and swapped when it was chosen, and gave back by its end.
  package var freedBytes: Int64?
  /// Why the signal was refused, in words.
  package var error: String?

  package init(by: String, outcome: Outcome) {
    self.by = by
    self.outcome = outcome
  }

  func encode(into json: inout JSONWriter) {
    json.field("by", by)
    json.field("outcome", outcome.rawValue)
    json.field("signal", signal?.rawValue)
    json.field("action_id", id)
    if let sender {
      json.objectField("sender") {
        $0.field("pid", sender.pid)
        $0.field("comm", hexKey: "comm_hex", sender.comm)
      }
    }
    json.field("scope", scope?.rawValue)
    json.fields(cgroup.map { CgroupRef(path: $0.path, id: $0.id, version: $0.version) })
    if let threshold { json.field("threshold") { threshold.encode(into: &$0) } }
    if let reading { json.field("reading") { reading.encode(into: &$0) } }
    if let victim { json.field("victim") { victim.encode(into: &$0) } }
    if let badness { json.field("badness") { badness.encode(into: &$0) } }
    json.field("bonus_pages", bonusPages)
    if let candidates { json.field("candidates") { candidates.encode(into: &$0) } }
    json.field("members_left_out", membersLeftOut)
    if thresholdToSignalMicroseconds != nil || signalToExitMicroseconds != nil {
      json.objectField("latency") {
        $0.field("threshold_to_signal_us", thresholdToSignalMicroseconds)
        $0.field("signal_to_exit_us", signalToExitMicroseconds)
      }
    }
    json.field("freed_bytes", freedBytes)
    json.field("error", error)
  }
}

/// The last thing that a guard did before a kill of the kernel's.
package struct AfterGuardAction: Hashable, Sendable {
  package var by: String
  package var signal: GuardAction.Signal
  package var pid: Int32
  package var comm: KernelName
  package var milliseconds: Int64

  package init(by: String, signal: GuardAction.Signal, pid: Int32, comm: KernelName, milliseconds: Int64) {
    self.by = by
    self.signal = signal
    self.pid = pid
    self.comm = comm
    self.milliseconds = milliseconds
  }

  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("by", by)
      $0.field("signal", signal.rawValue)
      $0.field("pid", pid)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("milliseconds", milliseconds)
    }
  }
}

extension GuardAction.Threshold {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("cause", cause.rawValue)
      $0.field("available_pages", availablePages)
      $0.field("swap_free_pages", swapFreePages)
      $0.field("stall_percent", hundredths: stallHundredths)
    }
  }
}

extension GuardReading {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("total_pages", totalPages)
      $0.field("available_pages", availablePages)
      $0.field("swap_total_pages", swapTotalPages)
      $0.field("swap_free_pages", swapFreePages)
      $0.field("stall_some_percent", hundredths: someHundredths)
      $0.field("stall_full_percent", hundredths: fullHundredths)
    }
  }
}
