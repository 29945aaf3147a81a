// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

/// The tracepoint rung: limit, domain and points are our own conclusion.
@Suite struct InferredTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var version: Int
    var limit: Limit = .pages(8192)
    /// What the kernel has: swap alone on version 2, memory and swap on 1.
    var swapUsage: Pages
    var swapLimit: Limit
    var toldSwapUsage: Pages
    var toldSwapLimit: Limit
  }

  static let rows: [Row] = [
    Row(
      testDescription: "v2, swap limited", version: 2, swapUsage: 40, swapLimit: .pages(1000),
      toldSwapUsage: 40, toldSwapLimit: .pages(1000)),
    Row(
      testDescription: "v2, swap not limited", version: 2, swapUsage: 0, swapLimit: .unlimited, toldSwapUsage: 0,
      toldSwapLimit: .unlimited),
    Row(
      testDescription: "v2, no swap allowed", version: 2, swapUsage: 0, swapLimit: .pages(0), toldSwapUsage: 0,
      toldSwapLimit: .pages(0)),
    Row(
      testDescription: "v1, memory+swap above memory", version: 1, swapUsage: 8300, swapLimit: .pages(9000),
      toldSwapUsage: 108, toldSwapLimit: .pages(808)),
    Row(
      testDescription: "v1, memory+swap as memory", version: 1, swapUsage: 8192, swapLimit: .pages(8192),
      toldSwapUsage: 0, toldSwapLimit: .pages(0)),
    Row(
      testDescription: "v1, memory+swap not limited, and read a moment before memory", version: 1, swapUsage: 8190,
      swapLimit: .unlimited, toldSwapUsage: 0, toldSwapLimit: .unlimited),
    Row(
      testDescription: "v2, not limited", version: 2, limit: .unlimited,
      swapUsage: 0, swapLimit: .unlimited, toldSwapUsage: 0, toldSwapLimit: .unlimited),
  ]

  @Test(
    "limit and swap are told as the group's files do, also where the kernel counts memory and swap together",
    arguments: rows)
  func limit(row: Row) {
    var assembler = Assembler.test(.tracepoint)
    let level = Make.level(
      7, "b", usage: 8192, row.limit, swapUsage: row.swapUsage, row.swapLimit)
    let kill = assembler.receive([
      Make.inferred(considered: 1), Make.candidate(20, Make.parts(500), adj: 100),
      Make.cgroup(version: row.version, levels: [level, Make.level(1, "", usage: 1, .unlimited)]),
      Make.kill(adj: 100),
    ]).kills.first
    #expect(kill?.limit?.inferred == true)
    #expect(kill?.scope == .memcg)
    #expect(kill?.limit?.cgroup == CgroupRef(path: KernelName("/b"), id: 7, version: row.version))
    #expect(kill?.limit?.limit == row.limit)
    #expect(kill?.limit?.swapUsagePages == row.toldSwapUsage)
    #expect(kill?.limit?.swapLimit == row.toldSwapLimit)
    #expect(kill?.limit?.totalPages == 8192 && kill?.badness?.domainPages == 8192)
    #expect(kill?.badness?.points == 1300)
  }

  @Test("without a group the domain is the whole host")
  func system() {
    var assembler = Assembler.test(.tracepoint)
    let kill = assembler.receive([
      Make.inferred(limit: nil, considered: 1, domain: 1_000_000), Make.candidate(20, Make.parts(500), adj: -10),
      Make.kill(adj: -10),
    ]).kills.first
    #expect(kill?.scope == .system)
    #expect(kill?.limit?.totalPages == 1_000_000)
    #expect(kill?.limit?.cgroup == nil)
    #expect(kill?.badness?.points == 500 - 10 * 1000)
    #expect(
      kill?.unavailable == [
        "decision.path", "decision.message", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.order",
      ])
    #expect(kill?.trigger?.gfpMask == nil && kill?.trigger?.order == nil)
  }

  @Test("with several NUMA nodes the domain is not known: all that comes from its size is absent, and named")
  func manyNodes() {
    var assembler = Assembler.test(.tracepoint)
    assembler.configuration.hasManyMemoryNodes = true
    let kill = assembler.receive([
      Make.inferred(limit: nil, considered: 2, domain: nil), Make.candidate(20, Make.parts(500)),
      Make.candidate(21, Make.parts(900), adj: -1000, skipped: .oomScoreAdjMin), Make.kill(adj: -10),
    ]).kills.first
    #expect(kill?.scope == nil && kill?.limit?.totalPages == nil)
    #expect(kill?.badness?.points == nil && kill?.badness?.domainPages == nil && kill?.badness?.adjPoints == nil)
    #expect(kill?.candidates?.list.map(\.pid) == [20, 21])
    #expect(kill?.candidates?.list.allSatisfy { $0.points == nil && $0.rank == nil && $0.adjPoints == nil } == true)
    #expect(
      kill?.unavailable == [
        "scope", "limit.total_pages", "badness.points", "badness.total_pages", "badness.breakdown.adj_points",
        "candidates.runner_up_margin", "candidates.list.points", "candidates.list.rank",
        "candidates.list.breakdown.adj_points", "decision.path", "decision.message", "trigger.gfp_mask",
        "trigger.gfp_flags", "trigger.order",
      ])
  }

  @Test("sysrq-f, as the stack tells, is about the whole system whatever the nodes")
  func sysrq() {
    var assembler = Assembler.test(.tracepoint)
    assembler.configuration.hasManyMemoryNodes = true
    let kill = assembler.receive([
      Make.inferred(limit: nil, considered: 1, domain: 1_000_000, isSysrq: true), Make.candidate(20, Make.parts(500)),
      Make.kill(),
    ]).kills.first
    #expect(kill?.scope == .system && kill?.decision.path == .sysrq)
    #expect(kill?.badness?.points == 500 && kill?.badness?.domainPages == 1_000_000)
    #expect(
      kill?.unavailable == ["decision.message", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.order"])
  }

  @Test("a limit whose group was not told is named, with no numbers")
  func limitNotTold() {
    var assembler = Assembler.test(.tracepoint)
    let kill = assembler.receive([
      Make.inferred(considered: 1), Make.candidate(20, Make.parts(500)),
      Make.cgroup(levels: [Make.level(9, "other", usage: 1, .pages(2))]), Make.cgroup(decision: 4), Make.kill(),
    ]).kills.first
    #expect(kill?.limit?.cgroup == CgroupRef(path: nil, id: 7, version: 1))
    #expect(kill?.limit?.limit == nil && kill?.limit?.totalPages == 8192 && kill?.badness?.points == 500)
    #expect(kill?.unavailable.last == "limit.limit_pages")
  }

  @Test("a group that is too deep has numbers and no path")
  func truncated() {
    var assembler = Assembler.test(.tracepoint)
    let kill = assembler.receive([Make.inferred(considered: 0), Make.cgroup(truncated: true), Make.kill()]).kills.first
    #expect(kill?.limit?.cgroup == CgroupRef(path: nil, id: 7, version: 1))
    #expect(kill?.limit?.limit == .pages(8192))
    #expect(kill?.limit?.ancestors.isEmpty == true)
  }

  @Test("the walk comes after the kill: the victim looks like one already, and is ranked; earlier victims are not")
  func victimFlag() {
    var assembler = Assembler.test(.tracepoint)
    let kill = assembler.receive([
      Make.inferred(considered: 4), Make.candidate(20, Make.parts(500), skipped: .alreadyVictim),
      Make.candidate(21, Make.parts(900), skipped: .alreadyVictim), Make.candidate(22, Make.parts(500)),
      Make.candidate(23, Make.parts(400)), Make.cgroup(), Make.kill(),
    ]).kills.first
    // Of equals the kernel took the victim; the walk began there, so its place says nothing.
    #expect(kill?.candidates?.list.map(\.pid) == [20, 22, 23, 21])
    #expect(kill?.candidates?.list.map(\.rank) == [1, 2, 3, nil])
    #expect(kill?.candidates?.list.map(\.skipped) == [nil, nil, nil, .alreadyVictim])
    #expect(kill?.candidates?.list.map(\.pointsSource) == [.computed, .computed, .computed, .computed])
    #expect(kill?.candidates?.runnerUpMarginPages == 0)
  }

  @Test("a group on this rung: the first is the chosen one, a second SIGKILL for it is counted with it")
  func group() {
    var assembler = Assembler.test(.tracepoint)
    _ = assembler.receive([
      Make.inferred(expectMore: true), Make.kill(20, expectMore: true), Make.kill(20, at: 2_000_000, expectMore: true),
      Make.kill(21, at: 2_000_000, expectMore: true),
    ])
    #expect(assembler.expire(now: .max).roles == ["20 chosen 2", "21 group 1"])
  }
}
