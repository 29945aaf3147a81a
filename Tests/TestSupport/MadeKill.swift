// SPDX-License-Identifier: Apache-2.0
import Events

/// Kills as a log would tell them, made from a few numbers.
package struct MadeKill {
  /// 2026-11-25 00:00:00 UTC.
  package static let day: Int64 = 1_795_564_800_000_000_000
  package static let minute: Int64 = 60_000_000_000
  package static let hour: Int64 = 60 * minute

  package var decision: UInt64 = 1
  package var comm = "db"
  package var pages: Pages = 1000
  package var adj = 0
  package var path: String? = "/system.slice/db.service"
  /// The cgroup's limit; nil of a kill of the whole system.
  package var limit: Pages?
  package var domain: Pages = 4000
  package var role = Victim.Role.chosen
  package var others: [Candidate] = []
  package var change: (inout OOMKill) -> Void = { _ in }

  package init() {}

  package static func candidate(_ comm: String, pages: Pages, adj: Int, domain: Pages = 4000) -> Candidate {
    var candidate = Candidate(pid: 900, tid: 900, comm: KernelName(comm), oomScoreAdj: adj)
    candidate.parts = BadnessParts(anonPages: pages, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0)
    if adj == -1000 {
      candidate.skipped = .oomScoreAdjMin
    } else {
      candidate.points = pages + Badness.adjPoints(oomScoreAdj: adj, domainPages: domain)
    }
    return candidate
  }

  package var kill: OOMKill {
    var victim = Victim(pid: 42, comm: KernelName(comm), kernelCount: 1)
    victim.role = role
    victim.oomScoreAdj = adj
    if let path { victim.cgroup = CgroupRef(path: KernelName(path)) }
    var decision = Decision(id: decision)
    decision.path = role == .group ? .memcgGroup : .scan
    decision.index = role == .group ? 2 : 1
    var kill = OOMKill(decision: decision, source: .log, victim: victim)
    kill.scope = limit == nil ? .system : .memcg
    kill.trigger = Trigger()
    var badness = VictimBadness(
      parts: BadnessParts(anonPages: pages, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0))
    badness.domainPages = limit ?? domain
    kill.badness = badness
    if let limit {
      var bound = BindingLimit()
      bound.cgroup = CgroupRef(path: path.map { KernelName($0) })
      bound.limit = .pages(limit)
      bound.totalPages = limit
      kill.limit = bound
    }
    if role == .chosen { kill.candidates = Candidates(considered: others.count + 1, list: others) }
    change(&kill)
    return kill
  }
}

extension KillStatistics {
  package mutating func add(_ made: MadeKill, at wall: Int64? = nil, monotonic: Int64? = nil, host: String? = nil) {
    add(
      made.kill, host: host.map { KernelName($0) }, boot: "log 1",
      at: EventTime(wallNanoseconds: wall, monotonicNanoseconds: monotonic))
  }

  /// So many kills of one kind, an hour after another, each changed by `change`.
  package static func of(
    _ count: Int, host: String? = nil, from start: Int64? = MadeKill.day, _ change: (Int, inout MadeKill) -> Void
  ) -> KillStatistics {
    var statistics = KillStatistics()
    for place in 0..<count {
      var made = MadeKill()
      made.decision = UInt64(place + 1)
      change(place, &made)
      statistics.add(made, at: start.map { $0 + Int64(place) * MadeKill.hour }, host: host)
    }
    return statistics
  }
}
