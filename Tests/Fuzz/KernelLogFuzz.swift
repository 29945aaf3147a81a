// SPDX-License-Identifier: Apache-2.0
import Events
import KernelLog

/// The kernel's log.
///
/// A log may stop nobody who reads it; its events do not depend on the pieces in which it came, nor
/// on who looks through them; each is a line of JSON
/// that a terminal may show; and nobody is killed whom no line names.
enum KernelLogFuzz {
  /// 2026-11-25 10:16:35 UTC: the same in each run.
  private static let now: Int64 = 1_795_601_795_000_000_000

  static func take(_ input: [UInt8]) throws(FuzzFault) {
    var events: (whole: [LocatedEvent], pieces: [LocatedEvent]) = ([], [])
    input.withUnsafeBufferPointer { log in
      events.whole = self.events(log, piece: max(1, log.count), isSearchedAhead: false)
      // The piece's length is the log's own, so that a log that fails does so again.
      events.pieces = self.events(log, piece: 1 + Int(log.first ?? 0), isSearchedAhead: true)
    }
    let lines = try lines(events.whole)
    try hold(lines == (try self.lines(events.pieces)), "the events depend on the pieces of the log")
    for line in lines { try FuzzedText.holdLine(line, "an event of the log") }
    for event in events.whole {
      if case .oomKill(let kill) = event.logged.event { try holdNamed(kill, by: input) }
    }
  }

  private static func events(
    _ log: UnsafeBufferPointer<UInt8>, piece: Int, isSearchedAhead: Bool
  ) -> [LocatedEvent] {
    let source = LogSource(source: .log, pageSizeBytes: 4096)
    var file = LogFile(source, calendar: LogCalendar(nowWallNanoseconds: now), numbers: DecisionNumbers())
    var told: [LocatedEvent] = []
    var start = 0
    while start < log.count {
      let end = min(log.count, start + piece)
      let piece = UnsafeBufferPointer(rebasing: log[start..<end])
      file.take(piece, places: isSearchedAhead ? LogFile.places(in: piece) : nil) { told.append($0) }
      start = end
    }
    file.end { told.append($0) }
    return told
  }

  private static func lines(_ events: [LocatedEvent]) throws(FuzzFault) -> [[UInt8]] {
    var encoder = NDJSONEncoder(host: nil, bootID: nil, pageSizeBytes: 4096)
    var lines: [[UInt8]] = []
    for located in events {
      let logged = located.logged
      let time = EventTime(
        wallNanoseconds: logged.wallNanoseconds, monotonicNanoseconds: logged.monotonicNanoseconds)
      let line = encoder.line(logged.event, at: time, host: located.host?.text, bootID: located.bootID)
      try hold(line.last == 0x0a, "a line without its end")
      lines.append(line.dropLast())
    }
    return lines
  }

  /// The kernel's words and the victim's number are in the log as they are, unless the log may be written in other
  /// ways.
  private static func holdNamed(_ kill: OOMKill, by log: [UInt8]) throws(FuzzFault) {
    let others: [UInt8] = [0x1b, UInt8(ascii: "{"), UInt8(ascii: "\\"), UInt8(ascii: "_")]
    guard !log.contains(where: others.contains) else { return }
    let words = Array("Killed process \(kill.victim.tid ?? kill.victim.pid)".utf8)
    let isNamed = log.indices.contains { log[$0] == words[0] && log[$0...].starts(with: words) }
    // Zeros before a number are no other number.
    let hasZeros = log.indices.contains { log[$0...].starts(with: Array("Killed process 0".utf8)) }
    try hold(isNamed || hasZeros, "a kill that no line names")
  }
}
