// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// Logs of text that were cut, mixed or made by somebody who wants to be mistaken: nobody is killed whom no line names.
@Suite struct JunkFileTests {
  /// The lines of dmesg, without their ends.
  private static func dmesg(_ fixture: String) -> [[UInt8]] {
    LogFileTests.text(Fixture(fixture + ".kmsg"), LogFileTests.forms[0]).split(separator: 0x0a).map(Array.init)
  }

  private static func text(_ lines: [[UInt8]]) -> [UInt8] { Array(lines.joined(separator: [0x0a])) + [0x0a] }

  private static func kills(_ bytes: [UInt8]) -> [OOMKill] { LogFileTests.events(bytes).map(\.logged).kills }

  @Test(
    "a log of text that ends at any byte tells of no process that its whole does not kill",
    arguments: ["7.2-group", "6.12-system", "6.12-memcg"])
  func truncation(name: String) {
    let killed = Set(Fixture(name + ".kmsg").killedTIDs)
    let whole = JunkFileTests.text(JunkFileTests.dmesg(name))
    var falseKills: [Int] = []
    for length in 0..<whole.count {
      let kills = JunkFileTests.kills(Array(whole[..<length]))
      if kills.contains(where: { !killed.contains($0.victim.tid ?? 0) }) { falseKills.append(length) }
    }
    #expect(falseKills == [])
    #expect(Set(JunkFileTests.kills(whole).map { $0.victim.tid ?? 0 }) == killed)
  }

  @Test("lines of text in any order kill whom the kill lines name, as often as they do", arguments: 1...20)
  func shuffled(seed: UInt64) {
    var random = JunkTests.Sequence(state: seed)
    let fixtures = ["5.10-group", "6.1-alloctask", "7.2-system", "6.12-nokillable"]
    let kills = JunkFileTests.kills(JunkFileTests.text(fixtures.flatMap(JunkFileTests.dmesg).shuffled(using: &random)))
    let named = fixtures.flatMap { Fixture($0 + ".kmsg").killedTIDs }
    #expect(Set(kills.map { $0.victim.tid }) == Set(named))
    #expect(kills.reduce(0) { $0 + $1.victim.kernelCount } == named.count)
  }

  @Test("two reports of one host, line by line among each other, kill whom each names, once")
  func interleaved() {
    let reports = [JunkFileTests.dmesg("6.12-system"), JunkFileTests.dmesg("7.2-memcg")]
    let mixed = (0..<max(reports[0].count, reports[1].count)).flatMap { place in
      reports.filter { place < $0.count }.map { $0[place] }
    }
    let named = Fixture("6.12-system.kmsg").killedTIDs + Fixture("7.2-memcg.kmsg").killedTIDs
    #expect(JunkFileTests.kills(JunkFileTests.text(mixed)).map { $0.victim.tid ?? 0 }.sorted() == named.sorted())
  }

  static let names: [[UInt8]] =
    [
      ") total-vm:1kB,", "(x) total-vm:1k", "Killed process ", "d process 1 (x)", ") (", "((((", "))))",
      "[1] 0 1 1 1 0 0",
      "pid=1,uid=0", ",task=x,pid=1", "oom-kill:", "invoked oom-kil", "\u{1b}[31mkill", "a\"b\\c", "\u{e9}\u{1F600}",
      " ", "",
    ].map { Array($0.utf8) } + [[0xff, 0xfe, 0x80], [0xc3], [0xf0, 0x9f], [0x80, 0x29, 0x20, 0xff]]

  @Test("a victim, its trigger and its neighbours may be called whatever they like", arguments: names)
  func named(name: [UInt8]) {
    // The colour that dmesg would print is not of the name.
    let comm = name.starts(with: [0x1b]) ? Array(name.dropFirst(5)) : name
    func line(_ before: String, _ after: String) -> [UInt8] {
      Array("[    5.000000] \(before)".utf8) + name + Array((after + "\n").utf8)
    }
    let bytes =
      line("", " invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0")
      + line("CPU: 0 UID: 0 PID: 77 Comm: ", " Not tainted 6.12.118 #1")
      + line("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name", "").dropLast(
        name.count + 1)
      + [0x0a]
      + line("[     77]     0    77     5943     5722    86016        0             0 ", "")
      + line("[     78]     0    78     5943     5022    86016        0             0 ", "")
      + line(
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=",
        ",pid=77,uid=0")
      + line(
        "Out of memory: Killed process 77 (",
        ") total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:0kB, UID:0 pgtables:84kB oom_score_adj:0")
      + line("oom_reaper: reaped process 77 (", "), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB")
    let kills = JunkFileTests.kills(bytes)
    #expect(kills.map(\.victim.pid) == [77])
    #expect(kills.map(\.victim.comm.bytes) == [comm])
    #expect(kills.map { $0.candidates?.list.map(\.tid) } == [[77, 78]])
    #expect(kills.allSatisfy { $0.scope == .system && $0.trigger?.pid == 77 })
  }

  @Test("words are found wherever they are in a piece, and nothing else is", arguments: 1...60)
  func words(seed: UInt64) {
    var random = JunkTests.Sequence(state: seed)
    let letters = Array("killKoom_ -\n".utf8)
    let lines = (0..<40).map { _ in
      (0..<Int.random(in: 0..<40, using: &random)).map { _ in letters.randomElement(using: &random)! }
        .filter { $0 != 0x0a }
    }
    let words = ["kill", "Kill", "oom_"].map { Array($0.utf8) }
    let wanted = lines.filter { line in line.indices.contains { at in words.contains { line[at...].starts(with: $0) } }
    }
    let bytes = JunkFileTests.text(lines)
    for piece in [1, 5, 64, 67, bytes.count] {
      var (text, found) = (LogText(), [[UInt8]]())
      for start in stride(from: 0, to: bytes.count, by: piece) {
        Array(bytes[start..<min(bytes.count, start + piece)]).withUnsafeBufferPointer {
          text.take($0, wantsAll: false) { line in
            found.append(Array(line))
            return false
          }
        }
      }
      #expect(found == wanted)
    }
  }
}
