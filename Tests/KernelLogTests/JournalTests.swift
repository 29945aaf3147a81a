// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// What journalctl 252 wrote of a journal with two boots of one host: the report of pid 4584 in 6.18-hostile.kmsg and all of
/// 7.2-group.kmsg, after each a line of a program that says the kernel's words. systemd-journal-remote made the journal;
/// names that are not UTF-8 are lengths and bytes in the one, numbers in the other.
@Suite struct JournalTests {
  static let forms = ["journal.export", "journal.json"]

  /// Of the same records as they were in /dev/kmsg.
  private static let wanted: [String] = {
    let hostile = ReportAssembler.events(Fixture("6.18-hostile.kmsg").lines).filter { $0.victimPID == 4584 }
    let group = ReportAssembler.events(Fixture("7.2-group.kmsg").lines)
    return LogFileTests.facts((hostile + group).map { LocatedEvent($0, host: nil, bootID: nil) })
  }()

  @Test("a journal's kills are those of /dev/kmsg, by host and boot", arguments: forms)
  func journal(form: String) {
    let events = LogFileTests.events(Fixture.bytes(form))
    #expect(JournalTests.wanted.count == 4)
    #expect(LogFileTests.facts(events) == JournalTests.wanted)
    #expect(events.allSatisfy { $0.host?.text == "db-1" })
    let boots = ["22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"]
    #expect(events.map(\.bootID) == [boots[0], boots[1], boots[1], boots[1]])
    #expect(events.map(\.logged.monotonicNanoseconds).first == 1_508_588_995_000)
    #expect(events.map(\.logged.wallNanoseconds).first == 1_795_603_298_588_995_000)
  }

  @Test("it does not matter in which pieces an export comes", arguments: [1, 2, 8, 9, 100, 4096])
  func pieces(piece: Int) {
    #expect(
      LogFileTests.facts(LogFileTests.events(Fixture.bytes("journal.export"), piece: piece)) == JournalTests.wanted)
  }

  @Test("an export that is cut anywhere kills nobody whom its whole does not kill")
  func truncation() {
    // The last entry of the first report: a message of bytes, and the kill.
    let bytes = Fixture.bytes("journal.export")
    let kill = Array("Killed process 4584".utf8)
    let end = bytes.indices.first { bytes[$0...].starts(with: kill) }!
    let start = bytes[..<end].indices.last { bytes[$0...].starts(with: JournalExport.beginning) }!
    let entry = bytes[start...].prefix(1200)
    var told = 0
    for length in 0...entry.count {
      let kills = LogFileTests.events(Array(entry.prefix(length))).map(\.logged).kills
      #expect(kills.allSatisfy { $0.victim.pid == 4584 }, "\(length)")
      told += kills.count
    }
    #expect(told > 0)
  }

  private static let kill =
    "Out of memory: Killed process 77 (a) total-vm:1kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:4kB "
    + "oom_score_adj:0"

  /// A value of less than 128 bytes after its length, or after another one.
  private static func binary(_ name: String, _ value: String, length: Int? = nil) -> String {
    let lowest = String(Unicode.Scalar(UInt8(length ?? value.utf8.count)))
    return name + "\n" + lowest + String(repeating: "\0", count: 7) + value + "\n"
  }

  static let odd: [(String, Int)] = [
    ("__CURSOR=a\nMESSAGE=\(kill)\n\n", 1),
    ("__CURSOR=a\nMESSAGE=\(kill)", 1),
    ("__CURSOR=a\nMESSAGE=\(kill)\n_TRANSPORT=kernel\n\n", 1),
    ("__CURSOR=a\n_TRANSPORT=stdout\nMESSAGE=\(kill)\n\n", 0),
    ("__CURSOR=a\nMESSAGE=first\nMESSAGE=\(kill)\n\n", 0),
    ("__CURSOR=a\n\(binary("COREDUMP", "MESSAGE=\(kill.prefix(90))\n\n"))MESSAGE=\(kill)\n\n", 1),
    ("__CURSOR=a\n\(binary("OTHER", "", length: 0))MESSAGE=\(kill)\n\n", 1),
    // The length says more than there is: all that follows may be its value.
    ("__CURSOR=a\n\(binary("MESSAGE", "\(kill.prefix(5))", length: 120))MESSAGE=\(kill)\n\n", 0),
    // What is no field ends the export, and the rest is read as lines.
    ("__CURSOR=a\n\nNov 25 10:16:30 db-1 kernel: \(kill)\n", 1),
    ("__CURSOR=a\n\(kill)", 1),
    ("__CURSOR=a\nmessage=\(kill)\n\n[    5.000000] \(kill)\n", 1),
    ("__CURSOR", 0), ("__CURSOR=", 0), ("__CURSOR=\nMESSAGE\n", 0), ("__CURSOR=\nMESSAGE\n\u{1}\0\0\0\0\0\0\0", 0),
  ]

  @Test("an export that no journalctl wrote is read as far as it goes", arguments: odd)
  func oddities(text: String, kills: Int) {
    for piece in [1, 3, Int.max] {
      #expect(LogFileTests.events(Array(text.utf8), piece: piece).count == kills, "\(text.debugDescription)")
    }
  }

  @Test("a value of a megabyte is passed over, whether of a wanted field or not")
  func long() {
    let junk = String(repeating: "x", count: 1 << 20)
    let text = "__CURSOR=a\nOTHER=\(junk)\nMESSAGE=\(junk)\nMESSAGE=\(JournalTests.kill)\n\n"
    for piece in [4096, 65_536, Int.max] { #expect(LogFileTests.events(Array(text.utf8), piece: piece).count == 1) }
  }

  @Test("a message of numbers is found in JSON where nothing else speaks of a kill")
  func numbers() {
    let numbers = Array(JournalTests.kill.utf8).map(String.init).joined(separator: ",")
    let text = "{\"_HOSTNAME\":\"a\",\"MESSAGE\":[\(numbers)],\"_TRANSPORT\":\"kernel\"}\n"
    #expect(LogFileTests.events(Array(text.utf8)).count == 1)
  }
}

extension LoggedEvent {
  fileprivate var victimPID: Int32? { if case .oomKill(let kill) = event { kill.victim.pid } else { nil } }
}
