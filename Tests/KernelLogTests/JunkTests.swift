// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// What no kernel prints: nothing of it may stop the reader, or become a kill that was not.
@Suite struct JunkTests {
  /// A fixed sequence of numbers, so that a failure comes again.
  struct Sequence: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  @Test(
    "A log that ends at any byte tells of no process that its whole does not kill",
    arguments: ["5.10-group.kmsg", "6.1-alloctask.kmsg", "6.12-system.kmsg", "7.2-group.kmsg"])
  func truncation(_ name: String) {
    let fixture = Fixture(name)
    let killed = Set(fixture.killedTIDs)
    var falseKills: [String] = []
    let whole = fixture.records.compactMap { KmsgRecord($0) }.map { LogLine($0) }
    #expect(whole.count == fixture.records.count)
    for (place, record) in fixture.records.enumerated() {
      // The trace's and the counters' lines are all alike: each eleventh of them will do.
      let isPlain = !record.contains(UInt8(ascii: "=")) && !record.contains(UInt8(ascii: "("))
      for length in 0...record.count where !isPlain || place % 11 == 0 || length == record.count {
        guard let cut = KmsgRecord(record[..<length]) else { continue }
        let kills = ReportAssembler.events(whole[..<place] + [LogLine(cut)]).kills
        for kill in kills where !killed.contains(kill.victim.tid ?? 0) { falseKills.append("\(place):\(length)") }
      }
    }
    #expect(falseKills == [])
  }

  @Test("Lines in any order kill whom the kill lines name, as often as they do", arguments: 1...40)
  func shuffled(_ seed: UInt64) {
    var random = Sequence(state: seed)
    let fixtures = ["5.10-group.kmsg", "6.18-hostile.kmsg", "7.2-system.kmsg", "6.12-nokillable.kmsg"].map {
      Fixture($0)
    }
    let lines = fixtures.flatMap(\.lines).shuffled(using: &random)
    let kills = ReportAssembler.events(lines).kills
    let named = fixtures.flatMap(\.killedTIDs)
    #expect(Set(kills.map { $0.victim.tid }) == Set(named))
    #expect(kills.reduce(0) { $0 + $1.victim.kernelCount } == named.count)
  }

  @Test("A log with flipped bits is read to its end, and each kill is a line's", arguments: 1...40)
  func flipped(_ seed: UInt64) {
    var random = Sequence(state: seed)
    let records = Fixture("7.2-group.kmsg").records.map { record -> [UInt8] in
      var record = record
      record[Int.random(in: 0..<record.count, using: &random)] ^= UInt8(1 << Int.random(in: 0..<8, using: &random))
      return record
    }
    let lines = records.compactMap { KmsgRecord($0).map(LogLine.init) }
    let kills = ReportAssembler.events(lines).kills
    let killLines = lines.filter { KilledLine($0.text) != nil }
    #expect(kills.reduce(0) { $0 + $1.victim.kernelCount } == killLines.filter(\.isFromKernel).count)
  }

  static let junk: [[UInt8]] = [
    [], [0], [0xff, 0xfe, 0x80], Array(repeating: 0xff, count: 1 << 20),
    Array(repeating: UInt8(ascii: "["), count: 1 << 20),
    Array("Out of memory: Killed process ".utf8) + Array(repeating: UInt8(ascii: "9"), count: 1 << 20),
    Array("Out of memory: Killed process 1 (".utf8) + Array(repeating: 0x29, count: 1 << 20),
    Array("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=".utf8) + Array(repeating: UInt8(ascii: ","), count: 1 << 20),
    Array("x invoked oom-killer: ".utf8) + Array(repeating: 0xc3, count: 1 << 20),
    Array(AssemblerTests.killed(1, String(repeating: "x", count: 1 << 20)).utf8),
    Array(String(repeating: ") total-vm:", count: 1400).utf8),
    Array(String(repeating: ",task_memcg=/", count: 1200).utf8),
    Array("oom-kill:constraint=CONSTRAINT_NONE,nodemask=0-1023,0-1023,cpuset=/,mems_allowed=0,task=,pid=1,uid=0".utf8),
  ]

  @Test("Neither a megabyte nor broken UTF-8 in a line harms the report around it", arguments: junk)
  func lines(_ bytes: [UInt8]) {
    let fixture = Fixture("5.10-group.kmsg")
    let expected = ReportAssembler.events(fixture.lines).jsonLines
    let noisy = fixture.lines.flatMap { line in [LogLine(text: bytes), line] }
    #expect(ReportAssembler.events(noisy).jsonLines == expected)
    #expect(KmsgRecord(bytes) == nil)
  }

  @Test("A hundred thousand kills leave nothing behind but the last one to tell")
  func bounded() {
    var assembler = ReportAssembler(.test())
    var told = 0
    for tid in 1...100_000 { told += assembler.consume(line(AssemblerTests.killed(tid))).count }
    #expect(told == 99_999)
    #expect(assembler.flush().kills.map(\.decision.id) == [100_000])
  }
}
