// SPDX-License-Identifier: Apache-2.0
import Events

/// Follows each victim to its end: reaper, exit, memory given back.
struct OutcomeTracker: Sendable {
  /// Victims that are followed at once, and how long each.
  static let victimsMax = 4096
  static let patienceNanoseconds: Int64 = 30_000_000_000
  /// After the exit: how long the end of exit_mmap() and of the reaper are waited for, and the process is remembered.
  static let patienceAfterExitNanoseconds: Int64 = 2_000_000_000

  private struct Followed: Sendable {
    var kill: KillRecord
    var outcome: OOMOutcome
    var isTold = false
    var deadline: Int64
    /// When something was heard of it last.
    var lastNanoseconds: Int64
  }

  struct Told {
    var outcome: OOMOutcome
    var moment: Int64
  }

  private let seesMemoryFreed: Bool
  private let pageSizeBytes: Int64
  private var followed: [Int32: Followed] = [:]

  init(seesMemoryFreed: Bool, pageSizeBytes: Int) {
    self.seesMemoryFreed = seesMemoryFreed
    self.pageSizeBytes = Int64(pageSizeBytes)
  }

  var deadline: Int64? { followed.values.map(\.deadline).min() }

  /// Whether this process was killed a short while ago.
  func isVictim(_ pid: Int32) -> Bool { followed[pid] != nil }

  /// Whether there was room, and the outcome of an earlier process of that pid, which nothing more can be heard of.
  mutating func follow(_ kill: KillRecord) -> (isFollowed: Bool, earlier: Told?) {
    let earlier = followed[kill.pid]
    if let earlier, earlier.kill.startBootNanoseconds == kill.startBootNanoseconds { return (true, nil) }
    guard earlier != nil || followed.count < OutcomeTracker.victimsMax else { return (false, nil) }
    followed[kill.pid] = Followed(
      kill: kill,
      outcome: OOMOutcome(decisionID: kill.decision, pid: kill.pid, comm: kill.comm.name, exited: false),
      deadline: kill.monotonicNanoseconds + OutcomeTracker.patienceNanoseconds,
      lastNanoseconds: kill.monotonicNanoseconds)
    let told = earlier.flatMap { $0.isTold ? nil : Told(outcome: $0.outcome, moment: $0.lastNanoseconds) }
    return (true, told)
  }

  /// What is to be told now: all that was waited for is known.
  mutating func receive(_ record: OutcomeRecord) -> Told? {
    // The reaper names a thread.
    let pid = record.pid ?? followed.first { $0.value.kill.tid == record.tid || $0.key == record.tid }?.key
    guard let pid, var victim = followed[pid], !victim.isTold else { return nil }
    victim.lastNanoseconds = record.monotonicNanoseconds
    let microseconds = (record.monotonicNanoseconds - victim.kill.monotonicNanoseconds) / 1000
    switch record.stage {
    case .reapStart:
      victim.outcome.reaper = victim.outcome.reaper ?? .started
      victim.outcome.reaperStartMicroseconds = victim.outcome.reaperStartMicroseconds ?? microseconds
    case .reapFinish:
      victim.outcome.reaper = .finished
      victim.outcome.reaperEndMicroseconds = microseconds
    case .reapSkip:
      victim.outcome.reaper = .skipped
      victim.outcome.reaperEndMicroseconds = microseconds
    case .exit:
      victim.outcome.exited = true
      victim.outcome.exitMicroseconds = microseconds
      victim.deadline = record.monotonicNanoseconds + OutcomeTracker.patienceAfterExitNanoseconds
    case .memoryFreed:
      victim.outcome.memoryFreedMicroseconds = microseconds
      victim.outcome.freedBytes = victim.kill.heldPages * pageSizeBytes
    }
    if victim.outcome.exited, !seesMemoryFreed || victim.outcome.memoryFreedMicroseconds != nil {
      victim.isTold = true
    }
    followed[pid] = victim
    return victim.isTold ? Told(outcome: victim.outcome, moment: record.monotonicNanoseconds) : nil
  }

  /// Stops following those that were waited for long enough.
  mutating func expire(now: Int64) -> [Told] {
    take { $0.deadline <= now }.map { Told(outcome: $0.outcome, moment: $0.deadline) }
  }

  /// Stops following all of them; what is known is told as of the last that was heard.
  mutating func finish() -> [Told] {
    take { _ in true }.map { Told(outcome: $0.outcome, moment: $0.lastNanoseconds) }
  }

  /// Those that are not told yet, in the order of their deadlines.
  private mutating func take(where isOver: (Followed) -> Bool) -> [Followed] {
    let over = followed.values.filter(isOver).sorted { ($0.deadline, $0.kill.pid) < ($1.deadline, $1.kill.pid) }
    for victim in over { followed[victim.kill.pid] = nil }
    return over.filter { !$0.isTold }
  }
}

extension KillRecord {
  /// What it held resident and swapped, in pages.
  fileprivate var heldPages: Pages { parts.residentPages + parts.swapPages }
}
