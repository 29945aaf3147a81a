// SPDX-License-Identifier: Apache-2.0
import Events
import History
import Report

@testable import Sinks

/// One line of a stream, as the spool, an import or another host hands it to us.
///
/// An event that is read, written and read again is the same; all who read the line agree on whom it is about; what it
/// becomes for receivers is as they take it; and what people see of it does nothing to their terminal.
enum EventLineFuzz {
  static func take(_ line: [UInt8]) throws(FuzzFault) {
    try holdBodies(DeliveredLine(number: 1, bytes: line))
    _ = try? LineColumns(line)
    guard let read = try? EventLine(line), let event = read.event else { return }
    // Of any kernel: 4 to 256 KiB.
    let pageSizeBytes = 4096 << (line.count % 7)
    try FuzzedText.holdTerminal(
      EventText(pageSizeBytes: pageSizeBytes, coloured: false).text(event, at: read.time), "what people see")
    let written = write(read, event, pageSizeBytes)
    try FuzzedText.holdLine(written.dropLast(), "a line that was written")
    guard let again = try? EventLine(written) else { throw FuzzFault(description: "a line of ours cannot be read") }
    try hold(
      again.event == event,
      "an event is read otherwise than it was written: \(String(decoding: written, as: UTF8.self))")
    try hold(
      again.time == read.time && again.host == read.host && again.bootID == read.bootID, "another time or host")
    try hold(write(again, event, pageSizeBytes) == written, "a line is written otherwise the second time")
    try holdReaders(written, event, read)
    try holdBodies(DeliveredLine(number: 1, bytes: written))
  }

  private static func write(_ line: EventLine, _ event: Event, _ pageSizeBytes: Int) -> [UInt8] {
    var encoder = NDJSONEncoder(host: line.host, bootID: line.bootID, pageSizeBytes: pageSizeBytes)
    return encoder.line(event, at: line.time)
  }

  /// Whom an event is about, as those who pass lines on have it.
  private static func subject(_ event: Event) -> (pid: Int32?, comm: KernelName?) {
    switch event {
    case .oomKill(let kill): (kill.victim.pid, kill.victim.comm)
    case .oomOutcome(let outcome): (outcome.pid, outcome.comm)
    case .oomNoKill(let noKill): (noKill.pid, noKill.comm)
    case .policyAction(let action): (action.pid, action.comm)
    case .guardAction(let action): (action.victim?.pid, action.victim?.comm)
    case .streamStart, .loss, .pressure, .streamEnd: (nil, nil)
    }
  }

  private static func holdReaders(_ line: [UInt8], _ event: Event, _ read: EventLine) throws(FuzzFault) {
    let (pid, comm) = subject(event)
    let facts = LineFacts(line)
    try hold(facts.type == event.typeName.description && facts.sequence == 1, "the facts are of another type")
    try hold(facts.host == read.host && facts.bootID == read.bootID, "the facts are of another host")
    try hold(
      facts.wallNanoseconds == read.time.wallNanoseconds
        && facts.monotonicNanoseconds == read.time.monotonicNanoseconds, "the facts are of another time")
    try hold(facts.subject.pid == pid.map(Int64.init) && facts.subject.comm == comm, "the facts are of another process")
    // No decision of ours has a number that SQLite could not hold.
    if case .oomKill(let kill) = event, Int64(exactly: kill.decision.id) == nil { return }
    let columns: LineColumns
    do throws(LineColumns.Fault) {
      columns = try LineColumns(line)
    } catch {
      throw FuzzFault(description: "the history refuses a line of ours: \(error)")
    }
    try hold(columns.type == facts.type && columns.host == facts.host && columns.bootID == facts.bootID, "the columns")
    try hold(columns.pid == facts.subject.pid && columns.comm == comm?.text, "the columns are of another process")
    try hold(
      columns.wallNanoseconds == facts.wallNanoseconds && columns.monotonicNanoseconds == facts.monotonicNanoseconds,
      "the columns are of another time")
  }

  private static func holdBodies(_ line: DeliveredLine) throws(FuzzFault) {
    for format in [HTTPSettings.Format.otlp, .loki, .slack, .kubernetes] {
      let body = HTTPBody(HTTPSettings(format: format))
      if body.concerns(line) { try FuzzedText.holdJSON(body.bytes([line]), format.rawValue) }
    }
    let message = SyslogMessage(settings: SyslogSettings(transport: .unixDatagram("/dev/log"))).bytes(line)
    try hold(message.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a control character for syslog")
    let fields = JournalEntry.fields(line, .whole)
    try hold(
      fieldCount(JournalEntry.datagram(line, .whole)) == fields.count, "a field that journald was not meant to get")
  }

  /// Source: systemd, docs/JOURNAL_EXPORT_FORMATS.md; nil where it is none.
  private static func fieldCount(_ datagram: [UInt8]) -> Int? {
    var rest = datagram[...]
    var count = 0
    while let end = rest.firstIndex(of: 0x0a) {
      count += 1
      let isText = rest[..<end].contains(UInt8(ascii: "="))
      rest = rest[(end + 1)...]
      guard !isText else { continue }
      let length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(8 + length)
      guard rest.popFirst() == 0x0a else { return nil }
    }
    return rest.isEmpty ? count : nil
  }
}
