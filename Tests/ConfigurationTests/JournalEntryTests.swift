// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Testing

@Suite struct JournalEntryTests {
  static let entry = JournalEntry(
    time: "2026-11-24T21:13:57.000000001Z", bootID: "7db7ddf7-32e0-41fc-9727-0f43a0f95d5a", pid: 42,
    startTimeTicks: 18_446_744_073_709_551_615, comm: KernelName("sleep"), adjBefore: 0, adjAfter: -900, rule: "a: b")

  @Test("an entry is this line")
  func line() {
    #expect(
      String(decoding: JournalEntryTests.entry.line, as: UTF8.self)
        == #"{"time":"2026-11-24T21:13:57.000000001Z","boot_id":"7db7ddf7-32e0-41fc-9727-0f43a0f95d5a","pid":42,"#
        + #""start_time_ticks":18446744073709551615,"comm":"sleep","oom_score_adj_before":0,"#
        + #""oom_score_adj_after":-900,"rule":"a: b"}"# + "\n")
  }

  /// Names that a process may give itself.
  static let names: [[UInt8]] = [
    Array("sleep".utf8), [], Array("\"},{\\".utf8), [0x0a, 0x0d, 0x1b, 0x5b, 0x7f], [0x68, 0xff], Array("é: 漢".utf8),
    Array("\u{85}\u{2028}".utf8), Array("a\u{feff}".utf8), [0x61, 0], Array("😀".utf8), Array("# - *&".utf8),
    Array("1234".utf8), Array("~".utf8),
  ]

  @Test("an entry is read back as it was, whatever a process calls itself", arguments: names)
  func readBack(name: [UInt8]) {
    var entry = JournalEntryTests.entry
    entry.comm = KernelName(bytes: name)
    if !name.contains(0), !entry.comm.text.contains("\u{feff}") { entry.rule = entry.comm.text }
    entry.sharesMemoryWith = 7
    entry.bootID = nil
    #expect(JournalEntry(line: entry.line) == entry)
  }

  @Test("what YAML cannot hold is replaced, and the line is still read")
  func unreadable() {
    var entry = JournalEntryTests.entry
    (entry.time, entry.bootID, entry.rule) = ("\u{feff}", "\u{fffe}", "a\u{ffff}\u{0}")
    let read = JournalEntry(line: entry.line)
    #expect(read?.time == "\u{fffd}" && read?.bootID == "\u{fffd}" && read?.rule == "a\u{fffd}\u{fffd}")
    #expect(read?.comm == entry.comm)
    // As somebody may have written it: libyaml takes a byte order mark anywhere.
    let foreign = String(decoding: JournalEntryTests.entry.line, as: UTF8.self).replacing("a: b", with: "a\u{feff}b")
    #expect(JournalEntry(line: Array(foreign.utf8))?.rule == "a\u{fffd}b")
  }

  @Test("a line that was cut anywhere is none")
  func torn() {
    let line = JournalEntryTests.entry.line.dropLast()
    for length in 0..<line.count - 1 { #expect(JournalEntry(line: line[..<length]) == nil, "\(length)") }
    #expect(JournalEntry(line: line) != nil)
  }

  @Test("compacted, a process has one entry: from what it had first to what was set last")
  func compacted() {
    func entry(_ pid: Int32, _ ticks: UInt64, _ before: Int, _ after: Int) -> JournalEntry {
      JournalEntry(
        time: "t\(after)", bootID: "b", pid: pid, startTimeTicks: ticks, comm: KernelName("a"), adjBefore: before,
        adjAfter: after, rule: "r\(after)")
    }
    let lines =
      [entry(10, 1, 0, 300), entry(11, 1, 5, 6), entry(10, 1, 100, 400), entry(10, 2, 7, 8), entry(12, 1, 0, 1)]
      .map { $0.line.dropLast() } + [Array("junk".utf8)[...]]
    let kept = JournalEntry.compacted(lines) { $0.pid != 12 }
    let merged = JournalEntry(
      time: "t400", bootID: "b", pid: 10, startTimeTicks: 1, comm: KernelName("a"), adjBefore: 0, adjAfter: 400,
      rule: "r400")
    #expect(kept == [Array("junk\n".utf8), merged.line, entry(11, 1, 5, 6).line, entry(10, 2, 7, 8).line])
  }

  @Test("compacted, a process of another boot is another, and nothing comes twice")
  func compactedBoots() {
    var other = JournalEntryTests.entry
    other.bootID = "other"
    let lines = [JournalEntryTests.entry.line, other.line, JournalEntryTests.entry.line].map { $0.dropLast() }
    let kept = JournalEntry.compacted(lines) { _ in true }
    #expect(kept == [JournalEntryTests.entry.line, other.line])
  }

  @Test("each line begins as a journal does")
  func beginning() { #expect(JournalEntryTests.entry.line.starts(with: JournalEntry.beginning)) }

  /// Changes of one process as (before, after), the value that it has, where they lead back to, and how many are left.
  static let ways: [(changes: [(Int, Int)], now: Int, value: Int, left: Int)] = [
    ([(0, 300)], 300, 0, 0), ([(0, 300)], 0, 0, 0), ([(0, 300)], 400, 400, 1), ([(500, 0)], 0, 500, 0),
    ([(0, 300), (300, 500)], 500, 0, 0), ([(0, 300), (300, 500)], 300, 0, 0), ([(0, 300), (300, 500)], 0, 0, 0),
    ([(0, 300), (300, 500)], 200, 200, 2), ([(0, 300), (300, 0)], 0, 0, 0), ([(0, 300), (300, 0)], 300, 0, 0),
    // Somebody else has set 500 between.
    ([(0, 300), (500, 700)], 700, 500, 1), ([(0, 300), (500, 700)], 500, 500, 1),
    ([(0, 300), (500, 700)], 300, 300, 2), ([(0, 300), (500, 700)], 0, 0, 0),
    // Twice the same: an entry whose change was not made, and the one that was.
    ([(0, 300), (0, 300)], 300, 0, 0), ([], 5, 5, 0),
  ]

  @Test("a process is taken back as far as its changes join, and no further", arguments: ways)
  func wayBack(changes: [(Int, Int)], now: Int, value: Int, left: Int) {
    let entries = changes.map { before, after in
      var entry = JournalEntryTests.entry
      (entry.adjBefore, entry.adjAfter) = (before, after)
      return entry
    }
    let way = JournalEntry.wayBack(entries, from: now)
    #expect(way.value == value && way.left == left, "\(way)")
  }

  @Test(
    "a line of others is none",
    arguments: [
      "", "{}", "[]", "text", #"{"pid":42}"#, "{\u{0}}",
      #"{"time":"t","pid":1,"start_time_ticks":1,"comm":"init","oom_score_adj_before":0,"oom_score_adj_after":1,"rule":""}"#,
      #"{"time":"t","pid":2,"start_time_ticks":1,"comm":"a","oom_score_adj_before":0,"oom_score_adj_after":1001,"rule":""}"#,
      #"{"time":"t","pid":2,"start_time_ticks":-1,"comm":"a","oom_score_adj_before":0,"oom_score_adj_after":1,"rule":""}"#,
    ])
  func junk(line: String) {
    #expect(JournalEntry(line: Array(line.utf8)) == nil)
  }
}
