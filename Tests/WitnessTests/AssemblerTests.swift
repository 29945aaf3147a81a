// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct AssemblerTests {
  /// A scan of two in group 7, the second of which is taken.
  private static let scan: [KernelRecord] = [
    Make.decision(),
    Make.candidate(19, Make.parts(90, file: 5, shmem: 3, swap: 1, pgtable: 1), points: 100),
    Make.candidate(20, Make.parts(500, file: 70, shmem: 10, swap: 15, pgtable: 5), points: 600),
    Make.cgroup(),
    Make.kill(parts: Make.parts(480)),
    Make.end(),
  ]

  @Test("a scan of a memcg is told with the points and parts that the kernel scored, not those at the kill")
  func memcgScan() {
    var assembler = Assembler.test()
    let actions = assembler.receive(AssemblerTests.scan)
    let group = #""cgroup":{"path":"/a/b","id":7,"version":1}"#
    let zero = #""uid":1000,"oom_score_adj":0"#
    let line =
      #"{"type":"oom_kill","monotonic_ns":1000000,"seq":1,"decision":{"id":1,"path":"scan","#
      + #""message":"Memory cgroup out of memory","kills":1,"index":1},"source":"kprobe","scope":"memcg","#
      + #""trigger":{"pid":10,"tid":10,"comm":"asker",\#(zero),"gfp_mask":3264,"gfp_flags":["GFP_KERNEL"],"order":0,"#
      + #"\#(group),"is_victim":false},"limit":{\#(group),"limit_pages":8192,"usage_pages":8192,"swap_unlimited":true,"#
      + #""swap_usage_pages":0,"total_pages":10000,"ancestors":[{"path":"/a","limit_pages":16384,"usage_pages":8200},"#
      + #"{"path":"/","unlimited":true,"usage_pages":90000}]},"victim":{"pid":20,"tid":20,"ppid":1,"role":"chosen","#
      + #""kernel_count":1,"comm":"task20",\#(zero),"parent_comm":"init",\#(group),"total_vm_pages":900,"threads":1},"#
      + #""badness":{"points":600,"points_source":"kernel","total_pages":10000,"reconciled":true,"breakdown":"#
      + #"{"anon_pages":500,"file_pages":70,"shmem_pages":10,"swap_pages":15,"pgtable_pages":5,"adj_points":0}},"#
      + #""candidates":{"considered":2,"listed":2,"omitted":0,"runner_up_margin":500,"list":[{"pid":20,"tid":20,"#
      + #""comm":"task20",\#(zero),\#(group),"points":600,"points_source":"kernel","rank":1,"breakdown":"#
      + #"{"anon_pages":500,"file_pages":70,"shmem_pages":10,"swap_pages":15,"pgtable_pages":5,"adj_points":0},"#
      + #""eligible":true},{"pid":19,"tid":19,"comm":"task19",\#(zero),\#(group),"points":100,"points_source":"kernel","#
      + #""rank":2,"breakdown":{"anon_pages":90,"file_pages":5,"shmem_pages":3,"swap_pages":1,"pgtable_pages":1,"#
      + #""adj_points":0},"eligible":true}]},"explanation":"The kernel killed task20 (pid 20), which held 2.3 MiB of "#
      + #"memory and 60 KiB in swap, because cgroup /a/b was at its limit of 32.0 MiB when asker (pid 10) asked for "#
      + #"memory and its 600 points were the most among 2 processes, 500 above the next."}"#
    #expect(actions.lines == [line])
    #expect(assembler.deadline == 30_001_001_000)
  }

  @Test("nothing is told before the decision has ended, and then at once")
  func endCloses() {
    var assembler = Assembler.test()
    #expect(assembler.receive(AssemblerTests.scan.dropLast()).lines == [])
    #expect(assembler.waitingKernelCount == 1)
    #expect(assembler.receive([Make.end()]).roles == ["20 chosen 1"])
    #expect(assembler.waitingKernelCount == 0)
  }

  struct Roles: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var records: [KernelRecord]
    var roles: [String]
    var paths: [Decision.Path?]
  }

  static let roles: [Roles] = [
    Roles(
      testDescription: "a group whose chosen one is killed twice",
      records: [
        Make.decision(), Make.kill(20), Make.kill(20, at: 1_001_100), Make.kill(21, at: 1_001_200),
        Make.kill(22, at: 1_001_300), Make.end(counted: 4),
      ], roles: ["20 chosen 2", "21 group 1", "22 group 1"], paths: [.memcgGroup, .memcgGroup, .memcgGroup]),
    Roles(
      testDescription: "a sharer is not counted",
      records: [Make.decision(), Make.kill(20), Make.kill(30, shares: true), Make.end()],
      roles: ["20 chosen 1", "30 shares_memory 0"], paths: [.scan, .scan]),
    Roles(
      testDescription: "a member of the group that shares the memory is killed for that first, and counted after",
      records: [
        Make.decision(), Make.kill(20), Make.kill(21, shares: true), Make.kill(20), Make.kill(21), Make.end(counted: 3),
      ], roles: ["20 chosen 2", "21 group 1"], paths: [.memcgGroup, .memcgGroup]),
    Roles(
      testDescription: "the chosen one's own kill was lost: no member takes its place",
      records: [Make.decision(), Make.kill(21), Make.kill(22), Make.end(counted: 3)],
      roles: ["21 group 1", "22 group 1"], paths: [.memcgGroup, .memcgGroup]),
    Roles(
      testDescription: "a pid that was used again within the decision is another process",
      records: [Make.decision(), Make.kill(20, start: 5), Make.kill(20, start: 6), Make.end(counted: 2)],
      roles: ["20 chosen 1", "20 chosen 1"], paths: [.memcgGroup, .memcgGroup]),
    Roles(
      testDescription: "another thread of the process is the same process",
      records: [Make.decision(), Make.kill(20, tid: 20), Make.kill(20, tid: 24), Make.end(counted: 2)],
      roles: ["20 chosen 2"], paths: [.memcgGroup]),
    Roles(
      testDescription: "vm.oom_kill_allocating_task",
      records: [
        Make.decision(
          points: 0, considered: 0, chosen: 10, message: "Out of memory (oom_kill_allocating_task)"),
        Make.kill(10), Make.end(),
      ], roles: ["10 chosen 1"], paths: [.allocatingTask]),
    Roles(
      testDescription: "sysrq-f",
      records: [
        Make.decision(trigger: Make.trigger(control: Make.control(.system, order: -1)), limit: nil), Make.kill(),
        Make.end(),
      ], roles: ["20 chosen 1"], paths: [.sysrq]),
    Roles(
      testDescription: "an orphan: the decision's own record was lost",
      records: [Make.kill(20), Make.kill(20), Make.kill(21), Make.end(counted: 3)],
      roles: ["20 chosen 2", "21 group 1"], paths: [.memcgGroup, .memcgGroup]),
    Roles(
      testDescription: "a late end of another decision closes nothing twice",
      records: [Make.end(9), Make.decision(), Make.end(9), Make.kill(), Make.end(), Make.end()],
      roles: ["20 chosen 1"], paths: [.scan]),
    Roles(
      testDescription: "the next decision closes the one whose end was lost",
      records: [Make.decision(), Make.kill(), Make.decision(2, chosen: 40), Make.kill(40, decision: 2), Make.end(2)],
      roles: ["20 chosen 1", "40 chosen 1"], paths: [.scan, .scan]),
    Roles(
      testDescription: "a kill of another decision closes the open one",
      records: [Make.decision(), Make.kill(), Make.kill(40, decision: 2), Make.end(2)],
      roles: ["20 chosen 1", "40 chosen 1"], paths: [.scan, nil]),
  ]

  @Test("each process of a decision is told once, with its role and how often it was counted", arguments: roles)
  func rolesAndCounts(row: Roles) {
    var assembler = Assembler.test()
    let actions = assembler.receive(row.records)
    #expect(actions.roles == row.roles)
    #expect(actions.kills.map(\.decision.path) == row.paths)
    let sizes = Dictionary(grouping: actions.kills, by: \.decision.id)
    for kills in sizes.values {
      #expect(kills.map(\.decision.index) == Array(1...kills.count))
      #expect(kills.map(\.decision.kills) == Array(repeating: kills.count, count: kills.count))
    }
    #expect(assembler.waitingKernelCount == 0)
  }

  @Test("an allocating task that pays has no kernel points: chosen_points is no score there")
  func allocatingTaskIsNotScored() {
    var assembler = Assembler.test()
    let kill = assembler.receive([
      Make.decision(
        domain: 10_000, points: 0, limit: nil, considered: 0, chosen: 10,
        message: "Out of memory (oom_kill_allocating_task)"),
      Make.kill(10, parts: Make.parts(30, file: 2), adj: 100), Make.end(),
    ]).kills.first
    #expect(kill?.badness?.points == 1032)
    #expect(kill?.badness?.pointsSource == .computed)
    #expect(kill?.candidates == nil)
    #expect(kill?.trigger?.isVictim == true)
    #expect(kill?.unavailable == [])
  }

  @Test("an orphan says what it does not know, and gives no number for it")
  func orphan() {
    var assembler = Assembler.test()
    let kill = assembler.receive([Make.kill(adj: 200), Make.end()]).kills.first
    #expect(
      kill?.unavailable == [
        "scope", "trigger", "limit", "candidates", "decision.path", "decision.message", "trigger.gfp_mask",
        "trigger.gfp_flags", "trigger.order",
      ])
    #expect(kill?.scope == nil && kill?.trigger == nil && kill?.limit == nil && kill?.candidates == nil)
    #expect(kill?.badness?.points == nil && kill?.badness?.adjPoints == nil)
    #expect(kill?.badness?.parts == Make.parts(500))
  }

  @Test("the command line comes from the decision's own record, and only for the process that it is of")
  func argv() {
    func cmdline(_ argv: ArgvRecord) -> [KernelName]? {
      var assembler = Assembler.test()
      return assembler.receive([Make.decision(), .argv(argv), Make.kill(), Make.end()]).kills.first?.victim.cmdline
    }
    let words = [KernelName("a"), KernelName("")]
    #expect(cmdline(ArgvRecord(decision: 1, pid: 20, arguments: words)) == words)
    #expect(cmdline(ArgvRecord(decision: 1, pid: 21, arguments: words)) == nil)
    #expect(cmdline(ArgvRecord(decision: 2, pid: 20, arguments: words)) == nil)
  }

  @Test("more kills than the table holds are told as lost, and each that was kept as a kill")
  func tableFull() {
    var assembler = Assembler.test()
    let max = Assembler.killsPerDecisionMax
    var records = [Make.decision(considered: 0)]
    for pid in 1...Int32(max + 3) { records.append(Make.kill(pid)) }
    records += [Make.kill(9_000_001, shares: true), Make.kill(1), Make.end(counted: max + 4)]
    let actions = assembler.receive(records)
    #expect(actions.kills.count == max)
    #expect(actions.kills.reduce(0) { $0 + $1.victim.kernelCount } == max + 1)
    #expect(actions.lostKernelCount == 3)
    let details = actions.compactMap {
      if case .lose(let count, let records, let text) = $0 {
        "\(count) \(records) \(text)"
      } else {
        nil
      }
    }
    let full = "more than 4096 kills in one decision"
    #expect(details == ["1 1 \(full)", "1 1 \(full)", "1 1 \(full)", "0 1 \(full)"])
  }
}
