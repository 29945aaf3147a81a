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
  static func use(_ bytes: [UInt8], _ statistics: inout KillStatistics) -> String? {
    guard let line = try? EventLine(bytes), let event = line.event else { return nil }
    var encoder = NDJSONEncoder(host: line.host, bootID: line.bootID, pageSizeBytes: 65_536)
    _ = encoder.line(event, at: line.time)
    if case .oomKill(let kill) = event {
      statistics.add(kill, host: line.host.map { KernelName($0) }, boot: line.bootID, at: line.time)
      var page = ReportPage(pageSizeBytes: 65_536, version: "0")
      _ = page.kill(kill, at: line.time, host: line.host.map { KernelName($0) })
      _ = page.end(statistics, [], omitted: 0, isWhole: true)
    }
    let row = HistoryTable.Row(id: 1, line: line, type: "oom_kill", pageSizeBytes: 65_536)
    return EventText(pageSizeBytes: 65_536, coloured: false).text(event, at: line.time)
      + HistoryTable(style: Style(coloured: false)).text([row])
  }

  @Test("values of other kinds and sizes do no harm, wherever they stand", arguments: 0..<8)
  func values(part: Int) {
    var statistics = KillStatistics()
    var understood = 0
    for line in HostileLineTests.lines.filter({ $0.count < 20_000 }) {
      let text = String(decoding: line, as: UTF8.self)
      for (place, colon) in text.indices.filter({ text[$0] == ":" }).enumerated() where place % 8 == part {
        let after = text[text.index(after: colon)...]
        let end = after.firstIndex { ",}]".contains($0) } ?? text.endIndex
        let extreme = HostileLineTests.extremes[(place / 8 + line.count) % HostileLineTests.extremes.count]
        let changed = text[...colon] + extreme + text[end...]
        guard let shown = HostileLineTests.use(Array(changed.utf8), &statistics) else { continue }
        understood += 1
        #expect(!shown.contains("\u{1b}"))
      }
    }
    #expect(understood > 100)
    _ = StatisticsText(pageSizeBytes: 65_536, coloured: false).text(statistics)
  }

  @Test("bytes that were changed anywhere do no harm")
  func bytes() {
    var numbers = Numbers(state: 7)
    var statistics = KillStatistics()
    for _ in 0..<4000 {
      var line = HostileLineTests.lines.randomElement(using: &numbers)!
      for _ in 0..<Int.random(in: 1...6, using: &numbers) {
        let place = Int.random(in: 0..<line.count, using: &numbers)
        line[place] = UInt8.random(in: 0x20...0x7e, using: &numbers)
      }
      _ = HostileLineTests.use(line, &statistics)
    }
  }
}
