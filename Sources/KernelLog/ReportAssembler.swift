// SPDX-License-Identifier: Apache-2.0
import Events

/// Turns the lines of the kernel's log into events: a state machine that does no I/O and has no clock.
///
/// Every line of the log goes in, in order. A report is told once nothing more can belong to it: since the end of a group
/// is not printed, that is at the next report, at `flush()`, or `holdNanoseconds` after its last kill.
/// Kernel: mm/oom_kill.c, out_of_memory() to __oom_kill_process().
package struct ReportAssembler: ~Copyable {
  /// How long after a kill line the lines of its group are waited for.
  package static let holdNanoseconds: Int64 = 50_000_000
  /// Bytes of a line that is looked at; the kernel prints none that long.
  package static let lineBytesMax = 16 * 1024
  /// Victims whose reaping may still be told.
  static let victimsRememberedMax = 256

  private enum State {
    case idle
    /// A report has begun, and nobody was killed yet.
    case reporting(OOMReport)
    /// Kill lines came, and more may come; the time is the caller's, nil from a file.
    case killing(OOMReport, last: LogLine, receivedNanoseconds: Int64?)
  }

  private let log: LogSource
  private var state = State.idle
  private var joiner = LineJoiner()
  private var lastSequence: UInt64?
  private var told = ToldVictims(limit: ReportAssembler.victimsRememberedMax)
  private let numbers: DecisionNumbers
  /// Lines one after another that may as well be of no report.
  private(set) var ordinaryLines = 0

  /// Reports that began and of which no kill was seen.
  package private(set) var reportsAbandoned: Int64 = 0
  /// Records that were missing between two that came.
  package private(set) var recordsMissed: UInt64 = 0

  /// Kernel: mm/oom_kill.c, dump_header().
  package init(_ log: LogSource, numbers: DecisionNumbers = DecisionNumbers()) {
    self.log = log
    self.numbers = numbers
  }

  /// Nothing is waited for: the next line that matters begins a report.
  var isIdle: Bool {
    guard case .idle = state else { return false }
    return !joiner.isOpen
  }

  /// Lines of kills that came in and are not told yet, as the kernel counts them.
  package var killsWaiting: Int {
    guard case .killing(let report, _, _) = state else { return 0 }
    return report.kills.count
  }

  /// When `advance(toNanoseconds:)` has something to tell, on the clock of `receivedNanoseconds`; nil while nothing waits.
  ///
  /// Source: the caller's CLOCK_MONOTONIC.
  package var nextDeadlineNanoseconds: Int64? {
    guard case .killing(_, _, let received?) = state else { return nil }
    return received &+ ReportAssembler.holdNanoseconds
  }

  /// Takes the next line of the log, and gives the events that are complete by it, in the kernel's order.
  ///
  /// `receivedNanoseconds` is the caller's clock; nil where a whole file is read, so that nothing waits for time.
  /// Kernel: kernel/printk/printk.c, the order of records.
  package mutating func consume(_ line: LogLine, receivedNanoseconds: Int64? = nil) -> [LoggedEvent] {
    noteSequence(line)
    guard line.isFromKernel, line.text.count <= ReportAssembler.lineBytesMax else { return [] }
    var events = isOverdue(by: line) ? close() : []
    guard case .whole(let joined) = joiner.take(line) else { return events }
    events += take(joined, receivedNanoseconds)
    return events
  }

  /// Tells what has waited long enough.
  ///
  /// Source: the caller's CLOCK_MONOTONIC.
  package mutating func advance(toNanoseconds now: Int64) -> [LoggedEvent] {
    guard let deadline = nextDeadlineNanoseconds, now >= deadline else { return [] }
    return close()
  }

  /// Tells what is complete, and forgets what is not: the log has ended.
  ///
  /// Source: the end of the file, or of the program.
  package mutating func flush() -> [LoggedEvent] {
    joiner.reset()
    return close()
  }

  // MARK: Lines

  private mutating func take(_ joined: LineJoiner.Joined, _ received: Int64?) -> [LoggedEvent] {
    let line = joined.line
    let kind = ReportLine(line.text)
    ordinaryLines = kind == .other ? ordinaryLines + 1 : 0
    switch kind {
    case .header(let header):
      let events = close()
      let report = OOMReport()
      report.header = header
      report.caller = line.caller
      state = .reporting(report)
      return events
    case .sacrifice(let sacrifice): return takeSacrifice(sacrifice, line)
    case .killed(let kill): return takeKill(kill, line, received)
    case .group(let path): return takeGroup(path, line, received)
    case .exiting(let exiting): return takeExiting(exiting, line)
    case .noKillable: return takeNoKillable(line)
    case .reaper(let reaper): return takeReaper(reaper, line)
    case .constraint(let constraint):
      updateReport(line) { report in
        guard report.constraint == nil else { return }
        report.constraint = constraint
        report.isConstraintCut = joined.isCut
      }
    case .other:
      let units = log.units
      var isOrdinary = true
      updateReport(line) { isOrdinary = !$0.takeBody(joined, units) }
      if !isOrdinary { ordinaryLines = 0 }
    }
    return []
  }

  /// Changes the report that is being printed, unless another caller printed the line among its own.
  private func updateReport(_ line: LogLine, _ change: (OOMReport) -> Void) {
    guard case .reporting(let report) = state, report.caller == nil || report.caller == line.caller else { return }
    change(report)
  }

  /// The choice, of a report or without a head; a finished decision before it is told.
  private mutating func takeSacrifice(_ sacrifice: SacrificeLine, _ line: LogLine) -> [LoggedEvent] {
    let (events, open) = takeReport()
    let report = open.flatMap { $0.sacrifice == nil ? $0 : nil } ?? OOMReport()
    if open == nil { report.caller = line.caller }
    report.sacrifice = sacrifice
    state = .reporting(report)
    return events
  }

  private mutating func takeKill(_ kill: KilledLine, _ line: LogLine, _ received: Int64?) -> [LoggedEvent] {
    var events: [LoggedEvent] = []
    var report = OOMReport()
    switch state {
    case .reporting(let open) where open.announced(kill): report = open
    case .killing(let open, _, _) where open.isMember(kill): report = open
    default: events = close()
    }
    state = .idle
    var kill = kill
    if kill.message == nil { kill.message = report.sacrifice?.message ?? (report.usage.isEmpty ? nil : .memcg) }
    report.kills.append(OOMReport.Kill(line: kill, at: line, isAfterGroupLine: report.groupPath != nil))
    state = .killing(report, last: line, receivedNanoseconds: received)
    let mayGrow = log.hasGroupKills && report.cgroupVersion != 1
    return mayGrow ? events : events + close()
  }

  private mutating func takeGroup(_ path: KernelName, _ line: LogLine, _ received: Int64?) -> [LoggedEvent] {
    switch state {
    case .killing(let report, _, _) where report.groupPath == nil:
      report.groupPath = path
      state = .killing(report, last: line, receivedNanoseconds: received)
      return []
    case .idle, .reporting, .killing:
      let events = close()
      let report = OOMReport()
      report.groupPath = path
      state = .killing(report, last: line, receivedNanoseconds: received)
      return events
    }
  }

  /// The one that was chosen is gone already. After a kill of a group it is one of its members: no event of its own.
  private mutating func takeExiting(_ exiting: ExitingLine, _ line: LogLine) -> [LoggedEvent] {
    if case .killing(let report, _, _) = state, report.groupPath != nil { return [] }
    var (events, report) = takeReport()
    if report?.constraint.map({ ($0.scope == .memcg) != (exiting.message == .memcg) }) ?? false {
      report = nil
      reportsAbandoned += 1
    }
    let builder = EventBuilder(log, report ?? OOMReport())
    events.append(LoggedEvent(.oomNoKill(builder.noKill(exiting)), at: line))
    return events
  }

  private mutating func takeNoKillable(_ line: LogLine) -> [LoggedEvent] {
    let (events, report) = takeReport()
    let builder = EventBuilder(log, report ?? OOMReport())
    return events + [LoggedEvent(.oomNoKill(builder.noKillable()), at: line)]
  }

  private mutating func takeReaper(_ reaper: ReaperLine, _ line: LogLine) -> [LoggedEvent] {
    if case .killing(let report, _, _) = state,
      report.kills.contains(where: { $0.line.tid == reaper.tid })
    {
      guard report.reaped.count < OOMReport.killsMax else { return [] }
      report.reaped.append((reaper, line))
      return []
    }
    return told.outcome(reaper, line).map { [LoggedEvent(.oomOutcome($0), at: line)] } ?? []
  }

  // MARK: Completion

  /// A hole in the numbers: what the log lost may have been a part of the report.
  private mutating func noteSequence(_ line: LogLine) {
    guard let sequence = line.sequence else { return }
    defer { lastSequence = sequence }
    guard let lastSequence, sequence > lastSequence, sequence - lastSequence > 1 else { return }
    recordsMissed &+= sequence - lastSequence - 1
    joiner.reset()
    switch state {
    case .idle: break
    case .reporting(let report), .killing(let report, _, _): report.hasHole = true
    }
  }

  /// By the log's own clock.
  private func isOverdue(by line: LogLine) -> Bool {
    guard case .killing(_, let last, _) = state else { return false }
    if let now = line.monotonicNanoseconds, let then = last.monotonicNanoseconds {
      return now.subtractingReportingOverflow(then).partialValue > ReportAssembler.holdNanoseconds
    }
    return false
  }

  /// Leaves the state with the report that has begun; a finished one before it is told.
  private mutating func takeReport() -> (events: [LoggedEvent], report: OOMReport?) {
    guard case .reporting(let report) = state else { return (close(), nil) }
    state = .idle
    return ([], report)
  }

  private mutating func close() -> [LoggedEvent] {
    defer { state = .idle }
    switch state {
    case .idle: return []
    case .reporting:
      reportsAbandoned += 1
      return []
    case .killing(let report, _, _):
      guard !report.kills.isEmpty else { return [] }
      var events: [LoggedEvent] = []
      for (kill, printed) in EventBuilder(log, report).kills(decision: numbers.next()) {
        told.add(kill, tids: printed.map(\.line.tid), at: printed[0].at)
        events.append(LoggedEvent(.oomKill(kill), at: printed[0].at))
      }
      for (reaper, line) in report.reaped {
        if let outcome = told.outcome(reaper, line) { events.append(LoggedEvent(.oomOutcome(outcome), at: line)) }
      }
      return events
    }
  }
}
