// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

/// Streams as the kernel may send them, at random, whole and with holes.
@Suite struct RandomStreamTests {
  /// SplitMix64: the same streams from the same seed, everywhere.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  /// One lawful decision with its records in the kernel's order, and sometimes outcomes of earlier victims between.
  private static func decision(
    _ id: UInt64, inferred: Bool, pid: inout Int32, time: inout Int64, _ generator: inout Generator
  ) -> [KernelRecord] {
    time += Int64.random(in: 1...100_000_000, using: &generator)
    let members = Bool.random(using: &generator) ? 0 : Int32.random(in: 0...40, using: &generator)
    let sharers = Int32.random(in: 0...3, using: &generator)
    let candidates = Int.random(in: 0...70, using: &generator)
    let first = pid
    pid += 1 + members + sharers
    let more = inferred && (members > 0 || sharers > 0)
    var records =
      inferred
      ? [Make.inferred(id, at: time, considered: candidates, chosen: first, expectMore: more)]
      : [Make.decision(id, at: time, considered: candidates, chosen: first)]
    for index in 0..<candidates {
      let points = Pages.random(in: -50...50, using: &generator)
      records.append(
        Make.candidate(first + Int32(index), Make.parts(max(0, points)), points: inferred ? nil : points, decision: id))
    }
    records.append(Make.cgroup(decision: id))
    func kill(_ pid: Int32, shares: Bool = false) {
      time += 1000
      records.append(Make.kill(pid, at: time, shares: shares, expectMore: more, decision: id))
      if Int.random(in: 0..<4, using: &generator) == 0 { records.append(Make.outcome(.exit, pid: pid, at: time)) }
    }
    kill(first)
    for sharer in 0..<sharers { kill(first + 1 + members + sharer, shares: true) }
    if members > 0 { kill(first) }
    for member in 0..<members { kill(first + 1 + member) }
    let counted = records.reduce(0) { $0 + $1.counted }
    if !inferred { records.append(Make.end(id, counted: counted, at: time)) }
    return records
  }

  @Test("told and lost make up what was counted, and no victim is lost: whole streams", arguments: 1...60)
  func whole(seed: Int) {
    check(seed: UInt64(seed), dropPercent: 0)
  }

  @Test("and with records that did not reach us", arguments: 1...60, [5, 30, 80])
  func withHoles(seed: Int, dropPercent: Int) {
    check(seed: UInt64(seed) << 8 + UInt64(dropPercent), dropPercent: dropPercent)
  }

  private func check(seed: UInt64, dropPercent: Int) {
    var generator = Generator(state: seed)
    let inferred = Bool.random(using: &generator)
    var assembler = Assembler.test(inferred ? .tracepoint : .kprobe) {
      $0.candidatesListed = [nil, 0, 1, 20].randomElement(using: &generator)!
    }
    var (pid, time): (Int32, Int64) = (100, 1)
    var received: [KernelRecord] = []
    var actions: [Assembler.Action] = []
    for id in 1...UInt64(30) {
      let records = RandomStreamTests.decision(id, inferred: inferred, pid: &pid, time: &time, &generator)
      for record in records where Int.random(in: 0..<100, using: &generator) >= dropPercent {
        received.append(record)
        assembler.receive(record, actions: &actions)
      }
      if Bool.random(using: &generator) { assembler.expire(now: time, actions: &actions) }
    }
    assembler.finish(actions: &actions)

    let told = actions.kills.reduce(0) { $0 + $1.victim.kernelCount }
    #expect(Int64(told) + actions.lostKernelCount == Int64(received.reduce(0) { $0 + $1.counted }), "seed \(seed)")
    let victims = actions.kills.map { "\($0.decision.id) \($0.victim.pid)" }
    #expect(Set(victims) == Set(received.compactMap(\.victim)), "seed \(seed)")
    #expect(victims.count == Set(victims).count, "a victim was told twice: seed \(seed)")
    let ends = actions.outcomes.map(\.pid)
    #expect(Set(ends) == Set(actions.kills.map(\.victim.pid)), "seed \(seed)")
    #expect(ends.count == Set(ends).count, "an end was told twice: seed \(seed)")
    expectKillsBeforeOutcomes(actions, seed: seed)
    if dropPercent == 0 {
      #expect(actions.kills.allSatisfy { !$0.unavailable.contains("candidates") }, "seed \(seed)")
    }
  }

  private func expectKillsBeforeOutcomes(_ actions: [Assembler.Action], seed: UInt64) {
    var killed: Set<Int32> = []
    for action in actions {
      switch action {
      case .tell(let kill, _, _): killed.insert(kill.victim.pid)
      case .tellOutcome(let outcome, _):
        #expect(killed.contains(outcome.pid), "an end before its kill: seed \(seed)")
      case .tellLogged, .tellNoKill, .tellGuard, .lose:
        Issue.record("nothing else can come of these streams: seed \(seed)")
      }
    }
  }
}

extension KernelRecord {
  /// How often the kernel has counted a kill by it.
  fileprivate var counted: Int { if case .kill(let kill) = self { kill.sharesMemory ? 0 : 1 } else { 0 } }

  /// Whose kill it is, and of which decision.
  fileprivate var victim: String? { if case .kill(let kill) = self { "\(kill.decision) \(kill.pid)" } else { nil } }
}
