// SPDX-License-Identifier: Apache-2.0
import CProbe
import Events
import Testing

@testable import KernelProbe

@Suite struct RecordDecoderTests {
  private static let trigger = "10/11 asker uid 12 adj -13 in 71"
  private static let parts = "parts 1 2 3 4 5"

  private static func decision(_ change: (inout ow_decision) -> Void) -> [UInt8] {
    var record = Wire.decision
    change(&record)
    return Wire.bytes(record)
  }

  private static func noKill(_ change: (inout ow_no_kill) -> Void) -> [UInt8] {
    var record = Wire.noKill(OW_CHOSEN_TASK_DYING, pid: 20)
    change(&record)
    return Wire.bytes(record)
  }

  static let rows: [(bytes: [UInt8], told: [String])] = [
    (
      Wire.bytes(Wire.decision),
      [
        "decision 3 at 12345 by \(trigger) false memcg 3264 -1 domain 10000 points -600 limit 7 8/9 chosen 20 "
          + "message Out of memory false false false"
      ]
    ),
    (
      decision {
        $0.header.flags = UInt16(
          OW_INFERRED.rawValue | OW_GROUP.rawValue | OW_EXPECT_MORE.rawValue | OW_TRIGGER_KTHREAD.rawValue)
        $0.trigger.constraint = UInt8(OW_NOT_SEEN)
        $0.domain_pages = 0
        $0.limit_cgroup = 0
        Wire.set(&$0.message, "\0")
      },
      [
        "decision 3 at 12345 by \(trigger) true unseen domain - points - limit - 8/9 chosen 20 message - true true true"
      ]
    ),
    (  // A constraint that no kernel knows, a message without an end, numbers of no machine.
      decision {
        $0.trigger.constraint = 4
        $0.domain_pages = .max
        $0.chosen_points = .max
        $0.header.monotonic_ns = .max
        Wire.set(&$0.message, String(repeating: "m", count: 64))
      },
      [
        "decision 3 at \(1 << 61) by \(trigger) false unseen domain \(1 << 44) points \(Int64.max) limit 7 8/9 chosen 20 "
          + "message \(String(repeating: "m", count: 64)) false false false"
      ]
    ),
    (
      Wire.candidates([
        Wire.candidate(50, flags: [OW_CANDIDATE_POINTS]), Wire.candidate(60, flags: [OW_CANDIDATE_VICTIM]),
      ]),
      [
        "candidate of 3, 55: 50/51 task uid 30 adj 40 in 7 \(parts) points 15 skipped -",
        "candidate of 3, 65: 60/61 task uid 30 adj 40 in 7 \(parts) points - skipped already_victim",
      ]
    ),
    (Wire.candidates([]), []),
    (
      Wire.cgroup([(7, 8192), (6, .max), (1, .max)], names: Array("b\0a\0\0".utf8), flags: [OW_CGROUP_V2]),
      ["cgroup of 3: v2 false 7=/a/b 100/8192 200/-, 6=/a 100/- 200/-, 1=/ 100/- 200/-"]
    ),
    (
      Wire.cgroup([(7, 1)], names: Array("b\0".utf8), flags: [OW_TRUNCATED]),
      ["cgroup of 3: v1 true 7=- 100/1 200/-"]
    ),
    (Wire.cgroup([(7, 1)], names: Array("bc".utf8)), ["cgroup of 3: v1 false 7=/ 100/1 200/-"]),
    (Wire.cgroup([], names: []), ["cgroup of 3: v1 false "]),
    (Wire.argv("a\0b c\0\0"), [#"argv of 3: 20 ["a", "b c", ""]"#]),
    (Wire.argv("a"), [#"argv of 3: 20 ["a"]"#]),
    (Wire.argv(String(repeating: "z", count: 1024)), ["argv of 3: 20 [\"\(String(repeating: "z", count: 1024))\"]"]),
    (
      Wire.bytes(Wire.kill()),
      [
        "kill of 3 at 12345: 20/21 child of 1 init 0123456789abcdef uid 30 adj -40 threads 6 vm 900 start 5 in 7 \(parts) "
          + "false false"
      ]
    ),
    (
      Wire.bytes(Wire.kill(flags: [OW_SHARES_MEMORY, OW_EXPECT_MORE, OW_AGAIN])),
      [
        "kill of 3 at 12345: 20/21 child of 1 init 0123456789abcdef uid 30 adj -40 threads 6 vm 900 start 5 in 7 \(parts) "
          + "true true"
      ]
    ),
    (Wire.bytes(Wire.end), ["end of 3 at 12345: 4"]),
    (
      noKill {
        $0.domain_pages = 5
        $0.limit_cgroup = 6
        Wire.set(&$0.comm, "dying")
      },
      [
        "no kill at 12345 by \(trigger) false memcg 3264 -1: chosen_task_dying 9 20/20 'dying' domain 5 limit 6"
      ]
    ),
    (
      Wire.bytes(Wire.noKill(OW_NO_KILLABLE_PROCESS)),
      ["no kill at 12345 by \(trigger) false memcg 3264 -1: no_killable_process 9 -/- '' domain - limit -"]
    ),
    (Wire.bytes(Wire.outcome(OW_REAP_START.rawValue, pid: 0)), ["outcome at 12345: -/21 reapStart"]),
    (Wire.bytes(Wire.outcome(OW_REAP_FINISH.rawValue)), ["outcome at 12345: 20/21 reapFinish"]),
    (Wire.bytes(Wire.outcome(OW_REAP_SKIP.rawValue)), ["outcome at 12345: 20/21 reapSkip"]),
    (Wire.bytes(Wire.outcome(OW_EXIT.rawValue)), ["outcome at 12345: 20/21 exit"]),
    (Wire.bytes(Wire.outcome(OW_MEMORY_FREED.rawValue)), ["outcome at 12345: 20/21 memoryFreed"]),
    // Junk.
    ([], ["malformed 0 0"]),
    ([UInt8](repeating: 5, count: 23), ["malformed 0 23"]),
    ([UInt8](repeating: 0xff, count: 4096), ["malformed 65535 4096"]),
    ([UInt8](repeating: 0, count: 4096), ["malformed 0 4096"]),
    (Wire.bytes(Wire.header(OW_KINDS)) + [UInt8](repeating: 0, count: 400), ["malformed 10 424"]),
    (Wire.candidates([Wire.candidate(50)], count: 2), ["malformed 2 128"]),
    (Wire.candidates((0..<33).map { Wire.candidate($0) }), ["malformed 2 3200"]),
    (Wire.candidates([], count: Int(UInt32.max)), ["malformed 2 32"]),
    (Wire.cgroup((0..<17).map { (UInt64($0), 1) }, names: [UInt8](repeating: 0, count: 17)), ["malformed 3 689"]),
    (Wire.cgroup([(7, 1), (6, 1), (1, 1)], names: Array("b\0".utf8)), ["malformed 3 674"]),
    (Wire.argv("a", count: 1025), ["malformed 4 1056"]),
    (Wire.argv("a", count: .max), ["malformed 4 1056"]),
    (noKill { $0.reason = 0 }, ["malformed 7 120"]),
    (noKill { $0.reason = 4 }, ["malformed 7 120"]),
    (Wire.bytes(Wire.guardSignal(9)), ["guard at 12345: earlyoom 7 sent SIGKILL to hog 20"]),
    (Wire.bytes(Wire.guardSignal(15)), ["guard at 12345: earlyoom 7 sent SIGTERM to hog 20"]),
    (Wire.bytes(Wire.guardSignal(1)), ["malformed 9 72"]),
    (Array(Wire.bytes(Wire.guardSignal(9)).dropLast()), ["malformed 9 71"]),
    (Wire.bytes(Wire.outcome(0)), ["malformed 8 40"]),
    (Wire.bytes(Wire.outcome(6)), ["malformed 8 40"]),
  ]

  @Test("a record is told as it lies, and what is none is refused with its kind and length", arguments: rows.indices)
  func decode(row: Int) {
    #expect(Wire.decode(RecordDecoderTests.rows[row].bytes) == RecordDecoderTests.rows[row].told)
  }

  static let skips: [(flags: [ow_candidate_flags], adj: Int16, skipped: SkipReason?)] = [
    ([], 0, nil), ([OW_CANDIDATE_POINTS, OW_CANDIDATE_RSS_EXACT], 0, nil), ([OW_CANDIDATE_INIT], 0, .globalInit),
    ([OW_CANDIDATE_NO_MM], 0, .noMemory), ([OW_CANDIDATE_OOM_SKIP], 0, .oomSkip),
    ([OW_CANDIDATE_VFORK], 0, .inVfork), ([OW_CANDIDATE_VICTIM], 0, .alreadyVictim), ([], -1000, .oomScoreAdjMin),
    ([], -999, nil), ([OW_CANDIDATE_INIT, OW_CANDIDATE_VICTIM, OW_CANDIDATE_NO_MM], -1000, .globalInit),
    ([OW_CANDIDATE_VICTIM, OW_CANDIDATE_NO_MM], -1000, .alreadyVictim), ([OW_CANDIDATE_NO_MM], -1000, .noMemory),
    ([OW_CANDIDATE_OOM_SKIP, OW_CANDIDATE_VFORK], -1000, .oomScoreAdjMin),
    ([OW_CANDIDATE_OOM_SKIP, OW_CANDIDATE_VFORK], 0, .oomSkip),
  ]

  @Test("why one is passed over is asked in the kernel's order", arguments: skips.indices)
  func skipReason(row: Int) throws {
    let (flags, adj, skipped) = RecordDecoderTests.skips[row]
    var candidate = Wire.candidate(50, flags: flags)
    candidate.oom_score_adj = adj
    let told = Wire.decode(Wire.candidates([candidate]))
    #expect(told.map { String($0.split(separator: " ").last!) } == [skipped?.rawValue ?? "-"])
  }

  @Test("a record that was cut anywhere is refused, or says less of a name; it never crashes", arguments: 0..<8)
  func truncated(kind: Int) {
    let whole = Wire.all[kind]
    let told = Wire.decode(whole)
    #expect(told.count == (kind == 1 ? 2 : 1))
    for length in 0..<whole.count {
      let cut = Wire.decode(Array(whole.prefix(length)))
      let refusal = ["malformed \(length < 24 ? 0 : kind + 1) \(length)"]
      // The last name of a group is that of the root, and empty; a command line says its own length.
      let isComplete = kind == 2 && length >= whole.count - 1 || kind == 3 && length >= 32 + 6
      #expect(cut == (isComplete ? told : refusal), "\(length) bytes")
    }
  }

  @Test("any byte may be any other: something is told or refused, and nothing overflows", arguments: 0..<8)
  func damaged(kind: Int) {
    let whole = Wire.all[kind]
    for offset in whole.indices {
      for value in [0, 1, 0x7f, 0x80, 0xff] as [UInt8] {
        var bytes = whole
        bytes[offset] = value
        let told = Wire.decode(bytes)
        #expect(!told.isEmpty || kind == 1, "byte \(offset)")
        if told.first?.hasPrefix("malformed") == true { #expect(told.count == 1, "byte \(offset)") }
      }
    }
  }
}
