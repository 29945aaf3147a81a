// SPDX-License-Identifier: Apache-2.0
import Events
import Report
import TestSupport
import Testing

/// Lines that anybody may have written are read, summed and shown without harm.
@Suite struct HostileLineTests {
  static let lines: [[UInt8]] = Repository.files(below: "Tests/VM/Fixtures", ending: ["trace.ndjson"])
    .flatMap { (Files.text(Repository.root + "/" + $0) ?? "").split(separator: "\n").map { Array($0.utf8) } }
  static let extremes = [
    "9223372036854775807", "-9223372036854775808", "18446744073709551615", "0", "-1", "70368744177664",
    "-70368744177664", "1e308", "null", "\"\"", "[]", "{}", "true", "4294967295", "\"\\ud800\"", "\"\\u001b[2J\"",
  ]

  /// The same numbers each time. Source: Knuth, MMIX.
  struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 33
    }
  }

  /// Everything that a command does with a line.
  static func use(_ bytes: [UInt8], _ statistics: inout KillStatistics, _ page: inout ReportPage) -> String? {
    guard let line = try? EventLine(bytes), let event = line.event else { return nil }
    var encoder = NDJSONEncoder(host: line.host, bootID: line.bootID, pageSizeBytes: 65_536)
    _ = encoder.line(event, at: line.time)
    if case .oomKill(let kill) = event {
      statistics.add(kill, host: line.host.map { KernelName($0) }, boot: line.bootID, at: line.time)
      _ = page.kill(kill, at: line.time, host: line.host.map { KernelName($0) })
    }
    let row = HistoryTable.Row(id: 1, line: line, type: "oom_kill", pageSizeBytes: 65_536)
    return EventText(pageSizeBytes: 65_536, coloured: false).text(event, at: line.time)
      + HistoryTable(style: Style(coloured: false)).text([row])
  }

  @Test("values of other kinds and sizes do no harm, wherever they stand", arguments: 0..<4)
  func values(part: Int) {
    var statistics = KillStatistics()
    var page = ReportPage(pageSizeBytes: 65_536, version: "0")
    var understood = 0
    for (number, line) in HostileLineTests.lines.enumerated() where line.count < 20_000 {
      // A debug build takes a millisecond for each: one of sixty values of a line, another in each line.
      let colons = line.indices.filter { line[$0] == UInt8(ascii: ":") }
      for place in stride(from: (number + part * 15) % 60, to: colons.count, by: 60) {
        let end = line[colons[place]...].firstIndex { ",}]".utf8.contains($0) } ?? line.endIndex
        let extreme = HostileLineTests.extremes[(place / 7 + number) % HostileLineTests.extremes.count]
        let changed = line[...colons[place]] + Array(extreme.utf8) + line[end...]
        guard let shown = HostileLineTests.use(Array(changed), &statistics, &page) else { continue }
        understood += 1
        #expect(!shown.contains("\u{1b}"))
      }
    }
    #expect(understood > 20)
    _ = page.end(statistics, [], omitted: 0, isWhole: true)
    _ = StatisticsText(pageSizeBytes: 65_536, coloured: false).text(statistics)
  }

  /// Texts of a line that people see, each with what a terminal would obey.
  static let obeyed = [
    #""type":"loss","reason":"ring_full","kernel_count":1,"records":1,"detail":"a@""#,
    #""type":"stream_start","version":"@","kernel_release":"@","architecture":"@","page_size":4096,"source":"log""#,
    #""type":"oom_kill","source":"log","decision":{"id":1},"victim":{"pid":1,"comm":"@"},"unavailable":["@"],"#
      + #""trigger":{"pid":1,"comm":"@","gfp_flags":["@"]}"#,
    #""type":"pressure","level":"low","previous_level":"low","total_pages":1,"available_pages":1,"cleanup":"#
      + #"{"action":"reclaim","available_before_pages":1,"available_after_pages":1,"duration_ms":1,"error":"@"}"#,
  ]

  @Test("no text of a line moves the cursor, or turns what is written around", arguments: obeyed)
  func terminal(fields: String) throws {
    let names = [
      (#"\u001b[2J"#, #"\x1b[2J"#), (#"\u009b"#, #"\x9b"#), (#"\u202e"#, #"\u{202e}"#), (#"\n"#, #"\x0a"#),
    ]
    for (name, shown) in names {
      let line = try EventLine(Array("{\(fields.replacing("@", with: name))}".utf8))
      let event = try #require(line.event)
      let text = EventText(pageSizeBytes: 4096, coloured: false).text(event, at: line.time)
      #expect(text.split(separator: "\n").allSatisfy { TerminalText.safe(String($0)) == $0 }, "\(text)")
      #expect(text.contains(shown), "\(text)")
    }
  }

  @Test("bytes that were changed anywhere do no harm")
  func bytes() {
    var numbers = Numbers(state: 7)
    var statistics = KillStatistics()
    var page = ReportPage(pageSizeBytes: 65_536, version: "0")
    for _ in 0..<500 {
      var line = HostileLineTests.lines.randomElement(using: &numbers)!
      for _ in 0..<Int.random(in: 1...6, using: &numbers) {
        let place = Int.random(in: 0..<line.count, using: &numbers)
        line[place] = UInt8.random(in: 0x20...0x7e, using: &numbers)
      }
      _ = HostileLineTests.use(line, &statistics, &page)
    }
  }
}
