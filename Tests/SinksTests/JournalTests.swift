// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Entries of journald, as a journald of the test's own keeps them and journalctl finds them.
@Suite(.serialized) struct JournalTests {
  private static let program = "/lib/systemd/systemd-journald"
  /// A namespace's folders are its own: neither the host's journal nor its sockets are touched.
  private static let namespace = "oomwitness-\(getpid())"
  private static let socket = "/run/systemd/journal.\(namespace)/socket"
  static var mayRun: Bool {
    Requirement.mustRun || (geteuid() == 0 && access(program, X_OK) == 0 && access("/bin/journalctl", X_OK) == 0)
  }

  /// journald with its files in memory alone.
  private static func start() throws -> Program {
    let journald = Program(program, [namespace])
    try #require(Delivered.until { access(socket, F_OK) == 0 }, "\(journald.wait(seconds: 1).errors)")
    return journald
  }

  private static func clear() {
    for folder in ["/run/systemd/journal.\(namespace)", "/run/log/journal", "/var/log/journal"] {
      for name in Files.names(in: folder) {
        if folder.hasPrefix("/run/systemd/") { unlink(folder + "/" + name) }
        guard name.hasSuffix("." + namespace) else { continue }
        for file in Files.names(in: folder + "/" + name) { unlink(folder + "/" + name + "/" + file) }
        rmdir(folder + "/" + name)
      }
      if folder.hasPrefix("/run/systemd/") { rmdir(folder) }
    }
  }

  private static func entries(_ arguments: [String]) -> [Line] {
    let ended = Program.run(
      "/bin/journalctl", ["--namespace=\(namespace)", "-o", "json", "--no-pager", "--all"] + arguments)
    return Line.all(in: ended.output)
  }

  @Test(
    "journalctl -u shows a kill in its unit, by type and by field; a line of a megabyte comes whole",
    .enabled(if: JournalTests.mayRun, "needs root and systemd's journald"))
  func journald() throws {
    JournalTests.clear()
    let journald = try JournalTests.start()
    defer {
      journald.signal(SIGTERM)
      _ = journald.wait(seconds: 20)
      JournalTests.clear()
    }
    let loop = try Delivered.loop(nil, [DestinationSettings(name: "journal", kind: .journald(JournalTests.socket))])
    Delivered.put(loop, 1...50)
    let large =
      String(decoding: Delivered.kill(51), as: UTF8.self).dropLast(2)
      + #","padding":"\#(String(repeating: "x", count: 1 << 20))"}"# + "\n"
    #expect(loop.put(Array(large.utf8)))
    #expect(loop.put(Array(#"{"type":"loss","reason":"ring_full","detail":"two\nlines"}"#.utf8) + [0x0a]))
    #expect(Delivered.all(52, loop))
    loop.finish(milliseconds: 5000)
    #expect(loop.status().destinations[0].droppedLines == 0)
    // What it has taken it writes at its own pace.
    _ = Delivered.until { JournalTests.entries(["SYSLOG_IDENTIFIER=oomwitness"]).count >= 52 }
    let all = JournalTests.entries(["SYSLOG_IDENTIFIER=oomwitness"])
    #expect(all.count == 52)
    let inUnit = JournalTests.entries(["-u", "oomw-demo.service"])
    #expect(inUnit.compactMap { $0.text("OOMWITNESS_SEQ").flatMap { Int($0) } } == Array(1...51))
    #expect(JournalTests.entries(["-u", "other.service"]).isEmpty)
    #expect(JournalTests.entries(["MESSAGE_ID=65fa2b0f73734e2487776d71cdb638ef"]).count == 51)
    #expect(JournalTests.entries(["OOMWITNESS_K8S_POD=cart-0", "OOMWITNESS_SEQ=7"]).count == 1)
    let first = try #require(inUnit.first)
    #expect(first.text("MESSAGE") == #"The kernel killed number 1 "now"."#)
    #expect(first.text("PRIORITY") == "3" && first.text("OOMWITNESS_VICTIM_PID") == "1001")
    #expect(first.text("OOMWITNESS_EVENT").map { Array($0.utf8) + [0x0a] } == Delivered.kill(1))
    #expect(inUnit.last?.text("OOMWITNESS_EVENT")?.utf8.count == large.utf8.count - 1)
    #expect(all.last?.text("MESSAGE") == "two\nlines" && all.last?.text("PRIORITY") == "4")
  }

  @Test(
    "a journald that is started again loses nothing that was sent to it while it was away",
    .enabled(if: JournalTests.mayRun, "needs root and systemd's journald"))
  func restart() throws {
    JournalTests.clear()
    let folder = TestFolder()
    var journald = try JournalTests.start()
    let loop = try Delivered.loop(
      folder.path + "/spool", [DestinationSettings(name: "journal", kind: .journald(JournalTests.socket))])
    Delivered.put(loop, 1...20)
    #expect(Delivered.all(20, loop))
    journald.signal(SIGTERM)
    _ = journald.wait(seconds: 20)
    unlink(JournalTests.socket)
    Delivered.put(loop, 21...40)
    #expect(Delivered.until { (loop.status().destinations.first?.failures ?? 0) > 0 })
    journald = try JournalTests.start()
    defer {
      journald.signal(SIGTERM)
      _ = journald.wait(seconds: 20)
      JournalTests.clear()
    }
    #expect(Delivered.all(40, loop))
    loop.finish(milliseconds: 5000)
    _ = Delivered.until { JournalTests.entries(["-u", "oomw-demo.service"]).count >= 40 }
    let numbers = JournalTests.entries(["-u", "oomw-demo.service"]).compactMap {
      $0.text("OOMWITNESS_SEQ").flatMap { Int($0) }
    }
    #expect(Delivered.firsts(numbers) == Array(1...40))
  }
}
