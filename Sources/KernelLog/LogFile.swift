// SPDX-License-Identifier: Apache-2.0
import Events

/// An OOM event of a log, with the host and the boot that the log says it is of.
package struct LocatedEvent: Sendable {
  package var logged: LoggedEvent
  /// Nil where the log does not say whose it is.
  package var host: KernelName?
  /// As /proc/sys/kernel/random/boot_id has it; the journal alone tells it.
  package var bootID: String?

  package init(_ logged: LoggedEvent, host: KernelName?, bootID: String?) {
    self.logged = logged
    self.host = host
    self.bootID = bootID
  }
}

/// Finds the OOM reports in a log of any form, of any number of hosts and boots, as it comes.
///
/// Each host's lines go to an assembler of their own, so that reports of two hosts, interleaved, stay two.
package struct LogFile: ~Copyable {
  /// Hosts, or boots of one, whose reports are open at once; the one that was quiet longest is closed for the next.
  package static let hostsMax = 64
  /// Lines that are of no report, after which nobody waits for the rest of one: it was cut off. A report of one cgroup has
  /// up to 150 such lines, the trace and the counters; rows of its table do not count.
  static let ordinaryLinesMax = 2000
  /// After a kill the lines of its group, and the reaper's, come at once.
  static let ordinaryLinesAfterKillMax = 32
  /// A clock that goes back by more is another boot's.
  private static let bootGapNanoseconds: Int64 = 1_000_000_000

  /// Whose lines they are.
  private struct Key: Hashable {
    var host: KernelName?
    var bootID: String?
  }

  private enum Form {
    /// The first bytes, as long as they may be those of an export.
    case unknown([UInt8])
    case lines
    case export(JournalExport)
  }

  /// An object: a value would be copied, with all that a report holds, for each line.
  private final class Reading {
    let key: Key
    var assembler: ReportAssembler
    var lastMonotonic: Int64?
    var lastUse: UInt64 = 0

    init(_ key: Key, _ assembler: consuming ReportAssembler) {
      self.key = key
      self.assembler = assembler
    }
  }

  private let log: LogSource
  private var calendar: LogCalendar
  private var known = LogPrefix.Known()
  private let numbers: DecisionNumbers
  private var form = Form.unknown([])
  private var text = LogText()
  private var readings: [Reading] = []
  /// Where the last line's is.
  private var lastPlace = 0
  private var uses: UInt64 = 0
  private var abandonedOfClosed: Int64 = 0

  /// Reports that began and of which no kill was seen, of all hosts.
  package var reportsAbandoned: Int64 {
    readings.reduce(abandonedOfClosed) { $0 + $1.assembler.reportsAbandoned }
  }

  /// `numbers` goes on over several files.
  package init(_ log: LogSource, calendar: LogCalendar, numbers: DecisionNumbers) {
    self.log = log
    self.calendar = calendar
    self.numbers = numbers
  }

  /// Where in a piece a report may begin: whoever reads ahead can ask it, on any thread, and give it to `take`.
  package static func places(in piece: UnsafeBufferPointer<UInt8>) -> [UInt32] { LogText.places(in: piece) }

  /// Takes the next bytes, in pieces of any length; `tell` gets what is complete by them.
  ///
  /// - Parameter places: what `places(in:)` says of the piece; nil: it is looked for here.
  package mutating func take(
    _ piece: UnsafeBufferPointer<UInt8>, places: [UInt32]? = nil, tell: (LocatedEvent) -> Void
  ) {
    switch form {
    case .unknown(let first): takeFirst(first + piece, tell)
    case .lines: takeLines(piece, places, tell)
    case .export(let export): takeExport(piece, export, tell)
    }
  }

  /// Waits until it is known what the log is.
  private mutating func takeFirst(_ bytes: [UInt8], _ tell: (LocatedEvent) -> Void) {
    let beginning = JournalExport.beginning
    guard bytes.starts(with: beginning) || !beginning.starts(with: bytes) else {
      form = .unknown(bytes)
      return
    }
    form = bytes.starts(with: beginning) ? .export(JournalExport()) : .lines
    text = LogText(isJSON: bytes.first == UInt8(ascii: "{"))
    bytes.withUnsafeBufferPointer { take($0, tell: tell) }
  }

  private mutating func takeExport(
    _ piece: UnsafeBufferPointer<UInt8>, _ export: JournalExport, _ tell: (LocatedEvent) -> Void
  ) {
    var export = export
    form = .lines
    guard let other = export.take(piece, tell: { takeEntry($0, tell) }) else {
      form = .export(export)
      return
    }
    other.before.withUnsafeBufferPointer { takeLines($0, nil, tell) }
    takeLines(UnsafeBufferPointer(rebasing: piece[other.rest...]), nil, tell)
  }

  private mutating func takeLines(
    _ piece: UnsafeBufferPointer<UInt8>, _ places: [UInt32]? = nil, _ tell: (LocatedEvent) -> Void
  ) {
    var text = text
    self.text = LogText()
    text.take(piece, places: places, wantsAll: isWaiting) { line in
      take(line, tell)
      return isWaiting
    }
    self.text = text
  }

  /// The log has ended: what is open is told.
  package mutating func end(tell: (LocatedEvent) -> Void) {
    if case .unknown(let first) = form {
      form = .lines
      first.withUnsafeBufferPointer { takeLines($0, nil, tell) }
    }
    if case .export(var export) = form {
      export.end { takeEntry($0, tell) }.withUnsafeBufferPointer { takeLines($0, nil, tell) }
    }
    var text = text
    text.end(wantsAll: isWaiting) { line in
      take(line, tell)
      return false
    }
    readings.sort { $0.lastUse < $1.lastUse }
    for place in readings.indices { flush(place, tell) }
    abandonedOfClosed = reportsAbandoned
    readings = []
  }

  /// A report has begun somewhere, and its other lines are to come.
  private var isWaiting: Bool { readings.contains { !$0.assembler.isIdle } }

  private mutating func take(_ bytes: ArraySlice<UInt8>, _ tell: (LocatedEvent) -> Void) {
    var bytes = bytes.holds(0x1b) ? LogFile.withoutColours(bytes)[...] : bytes
    if bytes.last == 0x0d { bytes = bytes.dropLast() }
    if let record = KmsgRecord(bytes) { return take(LogLine(record), Key(), tell) }
    if let entry = JournalEntry(json: bytes) { return takeEntry(entry, tell) }
    let prefix = LogPrefix(bytes, calendar: &calendar, known: &known)
    let line = LogLine(
      text: Array(bytes[prefix.textStart...]), monotonicNanoseconds: prefix.monotonicNanoseconds,
      wallNanoseconds: prefix.wallNanoseconds, caller: prefix.caller, isFromKernel: prefix.isFromKernel)
    take(line, Key(host: prefix.host), tell)
  }

  private mutating func takeEntry(_ entry: JournalEntry, _ tell: (LocatedEvent) -> Void) {
    take(entry.line, Key(host: entry.host, bootID: entry.bootID), tell)
  }

  private mutating func take(_ line: LogLine, _ key: Key, _ tell: (LocatedEvent) -> Void) {
    guard let place = place(of: key, for: line, tell) else { return }
    lastPlace = place
    if let now = line.monotonicNanoseconds {
      if let last = readings[place].lastMonotonic, now < last - LogFile.bootGapNanoseconds { flush(place, tell) }
      readings[place].lastMonotonic = now
    }
    uses += 1
    readings[place].lastUse = uses
    report(readings[place].assembler.consume(line), place, tell)
    let isAfterKill = readings[place].assembler.killsWaiting > 0
    let patience = isAfterKill ? LogFile.ordinaryLinesAfterKillMax : LogFile.ordinaryLinesMax
    if readings[place].assembler.ordinaryLines > patience { flush(place, tell) }
  }

  /// Where the reading of a host's boot is; a new one for a line that begins a report, nil for another of nobody's.
  private mutating func place(of key: Key, for line: LogLine, _ tell: (LocatedEvent) -> Void) -> Int? {
    if lastPlace < readings.count, readings[lastPlace].key == key { return lastPlace }
    if let place = readings.firstIndex(where: { $0.key == key }) { return place }
    // Most that holds the word begins no report: nothing is opened for it.
    guard line.isFromKernel, ReportLine(line.text) != .other else { return nil }
    if readings.count >= LogFile.hostsMax,
      let oldest = readings.indices.min(by: { readings[$0].lastUse < readings[$1].lastUse })
    {
      flush(oldest, tell)
      abandonedOfClosed += readings.remove(at: oldest).assembler.reportsAbandoned
    }
    readings.append(Reading(key, ReportAssembler(log, numbers: numbers)))
    return readings.count - 1
  }

  private mutating func flush(_ place: Int, _ tell: (LocatedEvent) -> Void) {
    report(readings[place].assembler.flush(), place, tell)
  }

  private func report(_ events: [LoggedEvent], _ place: Int, _ tell: (LocatedEvent) -> Void) {
    let key = readings[place].key
    for event in events { tell(LocatedEvent(event, host: key.host, bootID: key.bootID)) }
  }

  /// Without the escape sequences of dmesg --color=always and journalctl.
  private static func withoutColours(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index...].begins(with: "\u{1b}["),
        let end = bytes[(index + 2)...].firstIndex(where: { !$0.isDigit && $0 != UInt8(ascii: ";") }),
        bytes[end] == UInt8(ascii: "m")
      {
        index = end + 1
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }
}
