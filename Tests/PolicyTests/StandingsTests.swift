// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Policy

/// Processes for tables: `pid:pages` with an oom_score_adj, a cgroup, a memory, a reason to be passed over.
enum Make {
  static func process(
    _ pid: Int32, _ pages: Pages, adj: Int = 0, cgroup: String = "/", memory: UInt64? = nil, skipped: SkipReason? = nil
  ) -> ProcessSnapshot {
    var process = ProcessSnapshot(
      pid: pid, tid: pid, uid: 0, oomScoreAdj: adj, startBootNanoseconds: Int64(pid),
      cgroup: CgroupRef(path: KernelName(cgroup), version: 2),
      parts: BadnessParts(anonPages: pages, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0),
      comm: Comm(low: 0x61, high: 0), skipped: skipped)
    process.memoryID = memory ?? UInt64(pid)
    return process
  }

  static let system = OOMDomain.system(ramPages: 90_000, swapPages: 10_000)

  static func memcg(_ path: String, limit: Pages = 10_000) -> OOMDomain {
    var binding = BindingLimit()
    binding.limit = .pages(limit)
    return OOMDomain.memcg(
      CgroupRef(path: KernelName(path), version: 2), limit: binding, systemSwapPages: 0, swappiness: 60)!
  }
}

@Suite struct StandingsTests {
  @Test("most points first; of equals the later; who is passed over comes last, without a rank")
  func order() {
    let standings = Standings(
      [
        Make.process(1, 900, skipped: .globalInit), Make.process(2, 500), Make.process(3, 500),
        Make.process(4, 100, adj: 10), Make.process(5, 9000, adj: -1000, skipped: .oomScoreAdjMin),
      ], domain: Make.system)
    let candidates = standings.candidates(limit: nil)
    #expect(candidates.list.map(\.pid) == [4, 3, 2, 1, 5])
    #expect(candidates.list.map(\.rank) == [1, 2, 3, nil, nil])
    #expect(candidates.list.map(\.points) == [1100, 500, 500, nil, nil])
    #expect(candidates.considered == 5 && candidates.runnerUpMarginPages == 600)
    #expect(standings.candidates(limit: 2).list.map(\.pid) == [4, 3])
    #expect(standings.candidates(limit: 4).list.map(\.pid) == [4, 3, 2, 1])
  }

  @Test(
    "a cgroup's domain is its limit, and the swap that it may use",
    arguments: [
      (10_000, nil, 500, 60, 10_500), (10_000, .pages(100), 500, 60, 10_100), (10_000, .pages(900), 500, 60, 10_500),
      (10_000, .unlimited, 500, 0, 10_000), (0, .pages(0), 500, 60, 1), (nil, .unlimited, 500, 60, nil),
    ] as [(Pages?, Limit?, Pages, Int, Pages?)])
  func memcg(limit: Pages?, swapLimit: Limit?, swap: Pages, swappiness: Int, total: Pages?) {
    var binding = BindingLimit()
    binding.limit = limit.map { .pages($0) } ?? .unlimited
    binding.swapLimit = swapLimit
    let domain = OOMDomain.memcg(CgroupRef(), limit: binding, systemSwapPages: swap, swappiness: swappiness)
    #expect(domain?.totalPages == total)
    #expect(domain?.limit.totalPages == total)
  }
}
