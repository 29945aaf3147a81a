// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct DeadlineTests {
  @Test("a decision whose end was lost is told at its deadline, not before")
  func deadlineCloses() {
    var assembler = Assembler.test()
    _ = assembler.receive([Make.decision(), Make.kill()])
    let deadline = 1_001_000 + Assembler.hookedDecisionPatienceNanoseconds
    #expect(assembler.deadline == deadline)
    #expect(assembler.expire(now: deadline - 1).roles == [])
    #expect(assembler.expire(now: deadline).roles == ["20 chosen 1"])
    #expect(assembler.receive([Make.end()]).lines == [])
  }

  @Test("before its first kill a decision has no deadline: the kernel prints its report first, slow as the console is")
  func noDeadlineBeforeTheKill() {
    var assembler = Assembler.test()
    _ = assembler.receive([Make.decision(), Make.candidate(20, Make.parts(600), points: 600), Make.cgroup()])
    #expect(assembler.deadline == nil)
    #expect(assembler.expire(now: 90_000_000_000).lines == [])
    let kill = assembler.receive([Make.kill(at: 90_000_000_000), Make.end()]).kills.first
    #expect(kill?.decision.path == .scan)
    #expect(kill?.candidates?.list.map(\.pid) == [20])
    #expect(kill?.unavailable == ["candidates"])
  }

  @Test("the tracepoint rung tells a kill that stands alone at once, and one that may have company at the deadline")
  func tracepoint() {
    var assembler = Assembler.test(.tracepoint)
    #expect(assembler.receive([Make.inferred(), Make.kill()]).roles == ["20 chosen 1"])
    #expect(
      assembler.receive([
        Make.inferred(2, chosen: 30, expectMore: true), Make.kill(30, expectMore: true, decision: 2),
        Make.kill(31, at: 2_000_000, shares: true, expectMore: true, decision: 2),
      ]).roles == [])
    let deadline = 2_000_000 + Assembler.decisionPatienceNanoseconds
    #expect(assembler.deadline == deadline)
    #expect(assembler.expire(now: deadline - 1).roles == [])
    #expect(assembler.expire(now: deadline).roles == ["30 chosen 1", "31 shares_memory 0"])
  }

  @Test("the end of the stream closes what is open, and tells it once")
  func finish() {
    var assembler = Assembler.test()
    _ = assembler.receive([Make.decision(), Make.kill()])
    let actions = assembler.finish()
    #expect(actions.roles == ["20 chosen 1"])
    #expect(actions.outcomes.map(\.exited) == [false])
    #expect(assembler.finish().lines == [])
    #expect(assembler.deadline == nil)
  }
}
