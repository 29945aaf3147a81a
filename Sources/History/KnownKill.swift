// SPDX-License-Identifier: Apache-2.0

/// What tells one kill of a boot from the others, whichever stream told it.
///
/// A daemon that starts anew tells the kills of before from the kernel's log, which has no start time, and whose clock runs
/// apart from ours by seconds a day: docs/events.md, "Kills of before".
struct KnownKill {
  /// Of one who changed its name while it was killed, the times must be this near.
  private static let renamedNanoseconds: Int64 = 1_000_000_000
  /// Beside what the clocks may have run apart since the boot.
  private static let slackNanoseconds: Int64 = 2_000_000_000
  /// Ten thousandths of the time since boot: nine seconds a day.
  private static let driftDivisor: Int64 = 10_000

  var pid: Int64?
  var tid: Int64?
  var startNanoseconds: Int64?
  var monotonicNanoseconds: Int64?
  var wallNanoseconds: Int64?
  var source: String?
  var comm: String?
  /// Nil where lines of several boots may be among each other.
  var bootID: String?

  init(_ columns: LineColumns) {
    pid = columns.pid
    tid = columns.tid
    startNanoseconds = columns.startWallNanoseconds
    monotonicNanoseconds = columns.monotonicNanoseconds
    wallNanoseconds = columns.wallNanoseconds
    source = columns.source
    comm = columns.comm
    bootID = columns.bootID
  }

  /// The kernel's log told it, and no probe.
  var isFromLog: Bool { source == "log" || source == "kmsg" }

  /// Of one host and boot, and of one process number.
  func isSame(as other: KnownKill) -> Bool {
    if let tid, let otherTID = other.tid, tid != otherTID { return false }
    if let start = startNanoseconds, let otherStart = other.startNanoseconds,
      KnownKill.distance(start, otherStart) > KnownKill.slackNanoseconds
    {
      return false
    }
    guard let apart = apart(other) else { return false }
    if comm != other.comm { return apart <= KnownKill.renamedNanoseconds }
    // Only the log's clock runs apart.
    guard isFromLog != other.isFromLog else { return apart <= KnownKill.slackNanoseconds }
    let sinceBoot = max(0, monotonicNanoseconds ?? 0)
    return apart <= KnownKill.slackNanoseconds + sinceBoot / KnownKill.driftDivisor
  }

  /// Else what is the same as the other would not be seen to be the same as this one, which takes its place.
  func hasAllClocks(of other: KnownKill) -> Bool {
    (monotonicNanoseconds != nil || other.monotonicNanoseconds == nil)
      && (wallNanoseconds != nil || other.wallNanoseconds == nil)
  }

  /// Nil where they have no clock in common.
  private func apart(_ other: KnownKill) -> Int64? {
    if bootID != nil, let moment = monotonicNanoseconds, let otherMoment = other.monotonicNanoseconds {
      return KnownKill.distance(moment, otherMoment)
    }
    if let wall = wallNanoseconds, let otherWall = other.wallNanoseconds {
      return KnownKill.distance(wall, otherWall)
    }
    return nil
  }

  private static func distance(_ one: Int64, _ other: Int64) -> Int64 {
    let (difference, isOver) = one.subtractingReportingOverflow(other)
    return isOver || difference == .min ? .max : abs(difference)
  }
}
