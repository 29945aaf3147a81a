// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// The same report in each form that a logger gives it: the events are the same.
@Suite struct LogFileTests {
  /// 2026-11-25 10:16:35 UTC.
  static let now: Int64 = 1_795_601_795_000_000_000

  static func events(
    _ bytes: [UInt8], piece: Int = .max, isSearchedAhead: Bool = false, _ log: LogSource = .test()
  ) -> [LocatedEvent] {
    var file = LogFile(log, calendar: LogCalendar(nowWallNanoseconds: now), numbers: DecisionNumbers())
    var told: [LocatedEvent] = []
    bytes.withUnsafeBufferPointer { all in
      var start = 0
      while start < all.count {
        let end = piece > all.count - start ? all.count : start + piece
        let piece = UnsafeBufferPointer(rebasing: all[start..<end])
        file.take(piece, places: isSearchedAhead ? LogFile.places(in: piece) : nil) { told.append($0) }
        start = end
      }
    }
    file.end { told.append($0) }
    return told
  }

  struct Form: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What stands before the words of a line, by its microseconds and who printed it.
    let prefix: @Sendable (Int64, String?) -> String
    var hasMonotonic = true
    var host: String?
    var suffix = ""
  }

  private static func stamp(_ microseconds: Int64) -> String {
    let fraction = String(microseconds % 1_000_000)
    let seconds = String(microseconds / 1_000_000)
    return "[" + String(repeating: " ", count: max(0, 5 - seconds.count)) + seconds + "."
      + String(repeating: "0", count: 6 - fraction.count) + fraction + "]"
  }

  static let forms: [Form] = [
    Form(testDescription: "dmesg") { time, caller in stamp(time) + (caller.map { "[\($0)]" } ?? "") + " " },
    Form(testDescription: "dmesg --raw") { time, _ in "<4>" + stamp(time) + " " },
    Form(testDescription: "dmesg --decode") { time, _ in "kern  :warn  : " + stamp(time) + " " },
    Form(testDescription: "dmesg --show-delta") { time, _ in stamp(time).dropLast() + " <    0.000001>] " },
    Form(testDescription: "dmesg --color") { time, _ in "\u{1b}[32m" + stamp(time) + " \u{1b}[0m" },
    Form(testDescription: "dmesg --notime", prefix: { _, _ in "" }, hasMonotonic: false),
    Form(testDescription: "dmesg --ctime", prefix: { _, _ in "[Wed Nov 25 10:16:30 2026] " }, hasMonotonic: false),
    Form(
      testDescription: "dmesg --time-format=iso", prefix: { _, _ in "2026-11-25T10:16:30,123456+00:00 " },
      hasMonotonic: false),
    Form(
      testDescription: "syslog of RFC 3164", prefix: { time, _ in "Nov  5 10:16:30 db-1 kernel: " + stamp(time) + " " },
      host: "db-1"),
    Form(
      testDescription: "syslog without the kernel's stamp", prefix: { _, _ in "Nov 25 10:16:30 db-1 kernel: " },
      hasMonotonic: false, host: "db-1"),
    Form(
      testDescription: "syslog with an ISO time",
      prefix: { time, _ in "2026-11-25T10:16:30.123456+01:00 db-1 kernel: " + stamp(time) + " " }, host: "db-1"),
    Form(
      testDescription: "journalctl -o short-full", prefix: { _, _ in "Wed 2026-11-25 10:16:30 UTC db-1 kernel: " },
      hasMonotonic: false, host: "db-1"),
    Form(
      testDescription: "journalctl -o short-monotonic", prefix: { time, _ in stamp(time) + " db-1 kernel: " },
      host: "db-1"),
    Form(
      testDescription: "journalctl -o short-unix", prefix: { _, _ in "1795601790.123456 db-1 kernel: " },
      hasMonotonic: false, host: "db-1"),
    Form(testDescription: "a cloud's console") { time, _ in "i-0a1b2c  | console#1 | " + stamp(time) + " " },
    Form(testDescription: "lines with CR", prefix: { time, _ in stamp(time) + " " }, suffix: "\r"),
  ]

  private static let fixtures = [
    "5.10-memcg", "6.1-alloctask", "6.12-system", "6.18-storm", "7.2-group", "6.12-nokillable",
  ]

  static func text(_ fixture: Fixture, _ form: Form) -> [UInt8] {
    fixture.records.compactMap { KmsgRecord($0) }.filter { $0.facility == 0 && !$0.isContinuation }.flatMap { record in
      record.text.split(separator: 0x0a, omittingEmptySubsequences: false).flatMap { line in
        Array(form.prefix(record.microseconds, record.caller?.text).utf8) + line + Array(form.suffix.utf8) + [0x0a]
      }
    }
  }

  /// What must not depend on the form: whom, by which id, with what.
  static func facts(_ events: [LocatedEvent]) -> [String] {
    events.compactMap { located in
      switch located.logged.event {
      case .oomKill(let kill):
        "kill \(kill.victim.comm.hex) \(kill.victim.pid) \(kill.victim.tid ?? -1) \(kill.victim.kernelCount) "
          + "\(kill.scope?.rawValue ?? "-") \(kill.limit?.cgroup?.path?.text ?? "-") \(kill.victim.cgroup?.path?.text ?? "-") "
          + "\(kill.badness?.points ?? -1) \(kill.candidates?.considered ?? -1) \(kill.trigger?.tid ?? -1)"
      case .oomNoKill(let noKill): "none \(noKill.reason.rawValue) \(noKill.limit?.cgroup?.path?.text ?? "-")"
      default: nil
      }
    }
  }

  @Test("each form of a log tells the same kills as /dev/kmsg", arguments: forms, fixtures)
  func form(form: Form, name: String) {
    let fixture = Fixture(name + ".kmsg")
    let raw = ReportAssembler.events(fixture.lines.filter { !$0.isContinuation })
    let wanted = LogFileTests.facts(raw.map { LocatedEvent($0, host: nil, bootID: nil) })
    #expect(!wanted.isEmpty)
    let events = LogFileTests.events(LogFileTests.text(fixture, form))
    #expect(LogFileTests.facts(events) == wanted)
    #expect(events.allSatisfy { $0.host?.text == form.host })
    #expect(events.allSatisfy { ($0.logged.monotonicNanoseconds != nil) == form.hasMonotonic })
  }

  @Test(
    "it does not matter in which pieces a log comes, nor who looks through them",
    arguments: [1, 7, 16, 17, 18, 100, 4096])
  func pieces(piece: Int) {
    let fixture = Fixture("7.2-group.kmsg")
    let ordinary = Array("[    1.000000] usb 1-1: new device, a room with a view, still and skill\n".utf8)
    let bytes = (0..<50).flatMap { _ in ordinary } + LogFileTests.text(fixture, LogFileTests.forms[0]) + ordinary
    let wanted = LogFileTests.facts(LogFileTests.events(bytes))
    #expect(wanted.count == 3)
    #expect(LogFileTests.facts(LogFileTests.events(bytes, piece: piece)) == wanted)
    #expect(LogFileTests.facts(LogFileTests.events(bytes, piece: piece, isSearchedAhead: true)) == wanted)
  }

  @Test("reports of two hosts, line by line among each other, stay two")
  func interleaved() {
    let lines = ["5.10-memcg", "6.18-storm"].map { name in
      LogFileTests.text(
        Fixture(name + ".kmsg"),
        Form(
          testDescription: "",
          prefix: { time, _ in "Nov 25 10:16:30 \(name) kernel: " + LogFileTests.stamp(time) + " " })
      ).split(separator: 0x0a).map(Array.init)
    }
    var mixed: [UInt8] = []
    for place in 0..<max(lines[0].count, lines[1].count) {
      for host in lines where place < host.count { mixed += host[place] + [0x0a] }
    }
    let events = LogFileTests.events(mixed)
    for name in ["5.10-memcg", "6.18-storm"] {
      let own = events.filter { $0.host?.text == name }
      let alone = LogFileTests.events(LogFileTests.text(Fixture(name + ".kmsg"), LogFileTests.forms[0]))
      #expect(LogFileTests.facts(own) == LogFileTests.facts(alone))
    }
    let ids = ["5.10-memcg", "6.18-storm"].map { name in
      Set(
        events.filter { $0.host?.text == name }.compactMap { located -> UInt64? in
          if case .oomKill(let kill) = located.logged.event { kill.decision.id } else { nil }
        })
    }
    #expect(!ids[0].isEmpty && !ids[1].isEmpty && ids[0].isDisjoint(with: ids[1]))
  }

  @Test("a program that says the kernel's words is no kernel")
  func programs() {
    let kill =
      "Out of memory: Killed process 77 (hog) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0"
    for line in ["Nov 25 10:16:30 db-1 app[12]: " + kill, "2026-11-25T10:16:30+00:00 db-1 app: " + kill] {
      #expect(LogFileTests.events(Array((line + "\n").utf8)).isEmpty, "\(line)")
    }
    #expect(LogFileTests.events(Array((kill + "\n").utf8)).count == 1)
    #expect(LogFileTests.events(Array(kill.utf8)).count == 1)
  }

  @Test("ten megabytes without an end of line are no harm")
  func endless() {
    let kill = Array(
      "\n[    5.000000] Out of memory: Killed process 77 (hog) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:0kB\n"
        .utf8)
    let junk = [UInt8](repeating: UInt8(ascii: "o"), count: 10 << 20)
    #expect(LogFileTests.events(junk + kill, piece: 65_536).count == 1)
    #expect(LogFileTests.events(kill + junk, piece: 65_536).count == 1)
  }

  @Test("journal entries of two boots and a host each, also with a message of bytes")
  func journal() {
    let words =
      "Out of memory: Killed process 77 (h\\u00e9\\\"g) total-vm:1kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB"
    func entry(_ message: String, _ boot: String, _ transport: String = "kernel") -> String {
      #"{"__CURSOR":"s=1","_HOSTNAME":"db-1","_BOOT_ID":"\#(boot)","__REALTIME_TIMESTAMP":"1795601790000000","#
        + #""_SOURCE_MONOTONIC_TIMESTAMP":"5000001","_TRANSPORT":"\#(transport)","PRIORITY":"3","MESSAGE":\#(message)}"#
        + "\n"
    }
    let first = "0123456789abcdef0123456789abcdef"
    let second = "fedcba9876543210fedcba9876543210"
    let bytes = Array(words.replacing("\\u00e9", with: "e").replacing("\\\"", with: "").utf8).map(String.init)
    let text =
      entry("\"\(words)\"", first) + entry("[" + bytes.joined(separator: ",") + "]", second)
      + entry("\"\(words)\"", second, "syslog") + entry("null", second) + "{\"MESSAGE\": \"oom\n"
    let events = LogFileTests.events(Array(text.utf8))
    #expect(events.map(\.bootID) == ["01234567-89ab-cdef-0123-456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210"])
    #expect(events.allSatisfy { $0.host?.text == "db-1" && $0.logged.wallNanoseconds == 1_795_601_790_000_000_000 })
    #expect(events.allSatisfy { $0.logged.monotonicNanoseconds == 5_000_001_000 })
    let names = events.compactMap {
      if case .oomKill(let kill) = $0.logged.event { kill.victim.comm.text } else { nil }
    }
    #expect(names == ["hé\"g", "heg"])
  }

  static let times: [(String, Int64?)] = [
    ("2026-11-25T10:16:35.5+00:00 h kernel: ", 1_795_601_795_500_000_000),
    ("2026-11-25T12:16:35+0200 h kernel: ", 1_795_601_795_000_000_000),
    ("Wed 2026-11-25 10:16:35 UTC h kernel: ", 1_795_601_795_000_000_000),
    ("1795601795.25 h kernel: ", 1_795_601_795_250_000_000),
    ("2026-13-25T10:16:35 h kernel: ", nil), ("Foo 25 10:16:35 h kernel: ", nil), ("", nil),
  ]

  @Test("a logger's time is read as it was meant", arguments: times)
  func time(text: String, wall: Int64?) {
    var calendar = LogCalendar(nowWallNanoseconds: LogFileTests.now)
    let prefix = LogPrefix(Array((text + "x").utf8)[...], calendar: &calendar)
    #expect(prefix.wallNanoseconds == wall)
  }

  @Test("a time without a year is of the latest that is not in the future")
  func year() {
    var calendar = LogCalendar(nowWallNanoseconds: LogFileTests.now)
    func wall(_ text: String) -> Int64 {
      LogPrefix(Array((text + " h kernel: x").utf8)[...], calendar: &calendar).wallNanoseconds ?? 0
    }
    let day: Int64 = 86_400_000_000_000
    #expect(wall("Nov 25 10:16:35") > LogFileTests.now - day && wall("Nov 25 10:16:35") < LogFileTests.now + day)
    #expect(wall("Dec 24 10:16:35") < LogFileTests.now - 300 * day)
  }
}
