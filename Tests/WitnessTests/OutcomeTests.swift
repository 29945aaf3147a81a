// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct OutcomeTests {
  private static let killed: [KernelRecord] = [
    Make.decision(), Make.kill(20, tid: 24, at: 1_000_000, parts: Make.parts(100, file: 10, swap: 5, pgtable: 3)),
    Make.end(),
  ]
  private static let head = #""decision":{"id":1},"victim":{"pid":20,"comm":"task20"}"#

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var seesMemoryFreed = true
    var records: [KernelRecord]
    /// At once, by the records alone.
    var told: [String]
    /// When everything has been waited for.
    var later: [String] = []
  }

  static let rows: [Row] = [
    Row(
      testDescription: "reaped by its thread's id, exited, freed",
      records: [
        Make.outcome(.reapStart, pid: nil, tid: 24, at: 1_100_000),
        Make.outcome(.reapFinish, pid: nil, tid: 24, at: 1_200_000), Make.outcome(.exit, at: 1_300_000),
        Make.outcome(.memoryFreed, at: 1_400_000), Make.outcome(.reapFinish, pid: nil, tid: 24, at: 1_500_000),
      ],
      told: [
        #"{"type":"oom_outcome","monotonic_ns":1400000,"seq":1,\#(head),"reaper":"finished","reaper_start_us":100,"#
          + #""reaper_end_us":200,"exited":true,"exit_us":300,"memory_freed_us":400,"freed_bytes":471040}"#
      ]),
    Row(
      testDescription: "freed, then exited: exit_mmap() runs before the last thread is gone",
      records: [Make.outcome(.memoryFreed, at: 1_200_000), Make.outcome(.exit, at: 1_300_000)],
      told: [
        #"{"type":"oom_outcome","monotonic_ns":1300000,"seq":1,\#(head),"exited":true,"exit_us":300,"#
          + #""memory_freed_us":200,"freed_bytes":471040}"#
      ]),
    Row(
      testDescription: "exited and never freed: another holds the memory",
      records: [
        Make.outcome(.reapStart, pid: nil, tid: 20, at: 1_100_000),
        Make.outcome(.reapSkip, pid: nil, tid: 20, at: 1_200_000), Make.outcome(.exit, at: 1_300_000),
      ], told: [],
      later: [
        #"{"type":"oom_outcome","monotonic_ns":2001300000,"seq":1,\#(head),"reaper":"skipped","reaper_start_us":100,"#
          + #""reaper_end_us":200,"exited":true,"exit_us":300}"#
      ]),
    Row(
      testDescription: "exited, where the end of exit_mmap() is not seen at all", seesMemoryFreed: false,
      records: [Make.outcome(.exit, at: 1_300_000)],
      told: [#"{"type":"oom_outcome","monotonic_ns":1300000,"seq":1,\#(head),"exited":true,"exit_us":300}"#]),
    Row(
      testDescription: "never exits", records: [Make.outcome(.reapStart, pid: nil, tid: 24, at: 1_100_000)], told: [],
      later: [
        #"{"type":"oom_outcome","monotonic_ns":30001000000,"seq":1,\#(head),"reaper":"started","#
          + #""reaper_start_us":100,"exited":false}"#
      ]),
    Row(
      testDescription: "the ends of others are not its own",
      records: [
        Make.outcome(.exit, pid: 21, at: 1_300_000), Make.outcome(.memoryFreed, pid: 21, at: 1_300_000),
        Make.outcome(.reapFinish, pid: nil, tid: 21, at: 1_300_000),
      ], told: [],
      later: [#"{"type":"oom_outcome","monotonic_ns":30001000000,"seq":1,\#(head),"exited":false}"#]),
  ]

  @Test("what came of a kill is told once", arguments: rows)
  func outcome(row: Row) {
    var assembler = Assembler.test { $0.seesMemoryFreed = row.seesMemoryFreed }
    _ = assembler.receive(OutcomeTests.killed)
    #expect(assembler.receive(row.records).lines == row.told)
    var later: [Assembler.Action] = []
    while let deadline = assembler.deadline {
      #expect(assembler.expire(now: deadline - 1).lines == [])
      later += assembler.expire(now: deadline)
    }
    #expect(later.lines == row.later)
    #expect(assembler.finish().lines == [])
  }

  @Test("at the end of the stream what is known is told as of when it was last heard of, never of a time to come")
  func finish() {
    var assembler = Assembler.test { $0.seesMemoryFreed = true }
    _ = assembler.receive([Make.decision(), Make.kill(21), Make.kill(20), Make.kill(22), Make.end(counted: 3)])
    _ = assembler.receive([Make.outcome(.exit, pid: 22, at: 1_300_000)])
    let moments = assembler.finish().compactMap { action -> String? in
      guard case .tellOutcome(let outcome, let moment) = action else { return nil }
      return "\(outcome.pid) \(outcome.exited) \(moment)"
    }
    #expect(moments == ["22 true 1300000", "20 false 1001000", "21 false 1001000"])
  }

  @Test("a pid that is used again and killed again: the earlier one's outcome is told first, and not lost")
  func pidUsedAgain() {
    var assembler = Assembler.test { $0.seesMemoryFreed = true }
    _ = assembler.receive([Make.decision(), Make.kill(20, start: 5), Make.end()])
    _ = assembler.receive([Make.outcome(.exit, pid: 20, at: 1_300_000)])
    let actions = assembler.receive([
      Make.decision(2), Make.kill(20, start: 6, decision: 2), Make.end(2),
      Make.outcome(.exit, pid: 20, at: 2_300_000), Make.outcome(.memoryFreed, pid: 20, at: 2_400_000),
    ])
    let told = actions.compactMap { action -> String? in
      guard case .tellOutcome(let outcome, let moment) = action else { return nil }
      return "\(outcome.decisionID) \(outcome.exited) \(outcome.memoryFreedMicroseconds ?? -1) \(moment)"
    }
    #expect(told == ["1 true -1 1300000", "2 true 1399 2400000"])
    #expect(assembler.finish().outcomes.isEmpty)
  }

  @Test("an outcome is never told before its kill, though the first of a group may be gone before the last is killed")
  func orderOfGroup() {
    var assembler = Assembler.test()
    let actions = assembler.receive([
      Make.decision(), Make.kill(20), Make.outcome(.exit, pid: 20, at: 1_001_500), Make.kill(21), Make.end(counted: 2),
      Make.outcome(.exit, pid: 21, at: 1_003_000),
    ])
    let order = actions.map { action in
      switch action {
      case .tell(let kill, _, _): "kill \(kill.victim.pid)"
      case .tellOutcome(let outcome, _): "outcome \(outcome.pid)"
      default: "other"
      }
    }
    #expect(order == ["kill 20", "kill 21", "outcome 20", "outcome 21"])
  }

  @Test("more victims than can be followed are told as killed all the same")
  func tooMany() {
    var assembler = Assembler.test()
    let max = Int32(OutcomeTracker.victimsMax)
    var records: [KernelRecord] = []
    for pid in 1...(max + 1) {
      let id = UInt64(pid)
      records += [Make.decision(id, considered: 0, chosen: pid), Make.kill(pid, decision: id), Make.end(id)]
    }
    let actions = assembler.receive(records)
    #expect(actions.kills.map(\.victim.pid) == Array(1...(max + 1)))
    let lost = actions.compactMap { if case .lose(let count, let records, _) = $0 { [count, records] } else { nil } }
    #expect(lost == [[0, 1]])
    #expect(assembler.finish().outcomes.count == Int(max))
  }
}
