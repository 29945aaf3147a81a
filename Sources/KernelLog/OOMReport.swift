// SPDX-License-Identifier: Apache-2.0
import Events

/// What one report has said so far: all lines from "invoked oom-killer" to the last kill, each kept once.
///
/// Kernel: mm/oom_kill.c, dump_header() and __oom_kill_process(), one at a time under oom_lock.
///
/// An object, which one assembler has: as a value it would be copied for each of its lines.
final class OOMReport {
  /// Processes of one group that are kept; a larger group goes on as a decision of its own.
  static let killsMax = 1 << 14

  /// One kill as it was printed.
  struct Kill {
    var line: KilledLine
    var at: LogLine
    /// Printed after the line of the group.
    var isAfterGroupLine: Bool
  }

  /// Whom the kernel chose, before 5.1.
  var sacrifice: SacrificeLine?
  /// The chosen task's cgroup and the limit's, before 5.0.
  var limitPaths: (task: KernelName, limit: KernelName)?
  /// Nil where the report's head was rate-limited away or lost.
  var header: HeaderLine?
  var task: TaskLine?
  var usage: [UsageLine.Counter: UsageLine] = [:]
  var statsPath: KernelName?
  var memInfo = MemInfo()
  var table: TaskTable?
  var constraint: ConstraintLine?
  /// A path in `constraint` may lack its end.
  var isConstraintCut = false
  var groupPath: KernelName?
  var kills: [Kill] = []
  var reaped: [(line: ReaperLine, at: LogLine)] = []
  /// Who printed the head.
  var caller: KernelName?
  /// Records are missing in its middle: the table may lack rows.
  var hasHole = false

  /// Takes a line of the body; false where it may as well be of no report.
  func takeBody(_ joined: LineJoiner.Joined, _ units: LogUnits) -> Bool {
    let text = joined.line.text
    if let paths = CgroupLine.limitPaths(text) {
      if limitPaths == nil { limitPaths = paths }
    } else if let path = CgroupLine.statsPath(text) {
      if statsPath == nil, !joined.isCut { statsPath = path }
    } else if let line = UsageLine(text) {
      if usage[line.counter] == nil { usage[line.counter] = line }
    } else if table != nil, table!.take(text, units) {
      return true
    } else if table == nil, let table = TaskTable(head: text) {
      self.table = table
    } else if task == nil, let header, let line = TaskLine(text), line.isOf(header.comm) {
      task = line
    } else {
      if table == nil { memInfo.take(text) }
      return false
    }
    return true
  }

  /// Whether the first kill line after this report is the one that it announced.
  ///
  /// The two lines name the same process: by the same id, or by the row that has the thread of the one and the process
  /// of the other. A thread without a row is believed where user and hole-free order speak for it.
  func announced(_ kill: KilledLine) -> Bool {
    // A child may be killed in place of the one that was chosen.
    if let sacrifice { return kill.message == nil || kill.message == sacrifice.message }
    if kill.message == nil { return constraint == nil && !hasHole }
    if let constraint {
      guard (constraint.scope == .memcg) == (kill.message == .memcg) else { return false }
      if constraint.chosenTID == kill.tid { return true }
      if let row = table?.row(tid: kill.tid) { return row.pid == constraint.chosenTID }
      return !hasHole && kill.uid == constraint.uid
    }
    return !hasHole && usage.isEmpty == (kill.message != .memcg)
  }

  /// Whether a kill line after the group's line is of that group, and not a report of its own without a head.
  func isMember(_ kill: KilledLine) -> Bool {
    guard groupPath != nil, kills.count < OOMReport.killsMax else { return false }
    if let first = kills.first, first.line.message != kill.message { return false }
    guard let table, !hasHole, table.count == table.rows.count else {
      return kills.filter { $0.line.tid == kill.tid }.count < 2
    }
    return table.row(tid: kill.tid) != nil || isChosenAgain(kill)
  }

  /// The chosen process is printed twice, and the second time another of its threads may stand for it.
  func isChosenAgain(_ kill: KilledLine) -> Bool {
    guard let first = kills.first, !first.isAfterGroupLine else { return false }
    return first.line.totalVMKilobytes == kill.totalVMKilobytes && first.line.uid == kill.uid
      && first.line.oomScoreAdj == kill.oomScoreAdj && table?.row(tid: kill.tid) == nil
  }

  /// cgroup v1 counts memory and swap together, v2 apart; nil where neither line was there.
  var cgroupVersion: Int? { usage[.memoryAndSwap] != nil ? 1 : usage[.swap] != nil ? 2 : nil }
}
