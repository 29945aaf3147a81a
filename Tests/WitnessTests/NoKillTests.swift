// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct NoKillTests {
  private static let trigger =
    #""trigger":{"pid":10,"tid":10,"comm":"asker","uid":1000,"oom_score_adj":0,"gfp_mask":3264,"#
    + #""gfp_flags":["GFP_KERNEL"],"order":0,"cgroup":{"#

  static let rows: [(name: String, records: [KernelRecord], line: String)] = [
    (
      "the allocating task is dying: whose domain is not settled yet",
      [Make.noKill(.allocatingTaskDying, pid: 10)],
      #"{"type":"oom_no_kill","monotonic_ns":5,"seq":1,"reason":"allocating_task_dying","source":"kprobe","#
        + trigger + #""id":7}},"task":{"pid":10,"tid":10,"comm":"task10"}}"#
    ),
    (
      "the allocating task is dying under a group's limit",
      [Make.noKill(.allocatingTaskDying, pid: 10, limit: 7)],
      #"{"type":"oom_no_kill","monotonic_ns":5,"seq":1,"reason":"allocating_task_dying","source":"kprobe","#
        + #""scope":"memcg","# + trigger
        + #""id":7}},"limit":{"cgroup":{"id":7},"total_pages":77},"task":{"pid":10,"tid":10,"comm":"task10"}}"#
    ),
    (
      "nobody may be killed",
      [Make.noKill(.noKillableProcess)],
      #"{"type":"oom_no_kill","monotonic_ns":5,"seq":1,"reason":"no_killable_process","source":"kprobe","#
        + #""scope":"system","# + trigger + #""id":7}},"considered":3}"#
    ),
    (
      "the chosen one is dying: a decision that ends with no kill",
      [
        Make.decision(considered: 1), Make.candidate(20, Make.parts(600), points: 600), Make.cgroup(),
        Make.end(counted: 0),
      ],
      #"{"type":"oom_no_kill","monotonic_ns":1000000,"seq":1,"reason":"chosen_task_dying","source":"kprobe","#
        + #""scope":"memcg","# + trigger + #""path":"/a/b","id":7,"version":1}},"limit":{"cgroup":{"path":"/a/b","#
        + #""id":7,"version":1},"limit_pages":8192,"usage_pages":8192,"swap_unlimited":true,"swap_usage_pages":0,"#
        + #""total_pages":10000,"ancestors":[{"path":"/a","limit_pages":16384,"usage_pages":8200},{"path":"/","#
        + #""unlimited":true,"usage_pages":90000}]},"task":{"pid":20,"comm":"task20"},"considered":1}"#
    ),
  ]

  @Test("where nobody was killed a line says so, and none says that somebody was", arguments: rows.indices)
  func noKill(row: Int) {
    var assembler = Assembler.test()
    let actions = assembler.receive(NoKillTests.rows[row].records)
    #expect(actions.lines == [NoKillTests.rows[row].line], "\(NoKillTests.rows[row].name)")
    #expect(assembler.finish().lines == [])
  }

  @Test("a victim's other threads, which are out of memory on their way out, add nothing")
  func knownVictims() {
    var assembler = Assembler.test()
    _ = assembler.receive([Make.decision(), Make.kill(20), Make.end()])
    let again = [
      Make.noKill(.allocatingTaskDying, pid: 20), Make.noKill(.chosenTaskDying, pid: 20),
      Make.decision(2, chosen: 20), Make.end(2, counted: 0),
    ]
    #expect(assembler.receive(again).lines == [])
    #expect(assembler.receive([Make.noKill(.allocatingTaskDying, pid: 21)]).noKills.map(\.pid) == [21])
    // Two seconds after its exit the pid may be another's.
    _ = assembler.receive([Make.outcome(.exit, at: 2_000_000)])
    _ = assembler.expire(now: 2_000_000 + 2_000_000_000)
    #expect(assembler.receive([Make.noKill(.allocatingTaskDying, pid: 20)]).noKills.map(\.pid) == [20])
  }

  @Test("a decision whose kill was lost is no decision without a kill")
  func lostKill() {
    var assembler = Assembler.test()
    #expect(assembler.receive([Make.decision(), Make.end(counted: 1)]).lines == [])
  }
}
