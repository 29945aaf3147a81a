// SPDX-License-Identifier: Apache-2.0
import Events

/// The processes of one OOM domain in the order in which the kernel would take them.
///
/// Kernel: mm/oom_kill.c, select_bad_process().
package struct Standings: Sendable {
  /// What is scored against: the size of the domain, and whose limit it is.
  package let domain: OOMDomain
  /// Those that may be taken, first the one that would be, with their places in `processes`.
  package let contenders: [Contender]
  /// All user processes of the domain, in the kernel's order.
  package let processes: [ProcessSnapshot]

  /// - Parameter processes: those of the domain, in the kernel's order: the later of two equals is taken.
  package init(_ processes: [ProcessSnapshot], domain: OOMDomain) {
    self.domain = domain
    self.processes = processes
    var contenders: [Contender] = []
    contenders.reserveCapacity(processes.count)
    for (index, process) in processes.enumerated() where process.skipped == nil {
      let points = Badness.points(process.parts, oomScoreAdj: process.oomScoreAdj, domainPages: domain.totalPages)
      contenders.append(Contender(index: index, points: points))
    }
    contenders.sort { $0.beats($1) }
    self.contenders = contenders
  }

  /// What /proc/PID/oom_score would show of it: always of the whole system; 0 where it may not be taken.
  ///
  /// Kernel: fs/proc/base.c, proc_oom_score(), since 5.9.
  package static func procOOMScore(_ process: ProcessSnapshot, domainPages: Pages) -> Int {
    guard process.oomScoreAdj != -1000, process.skipped != .noMemory, domainPages > 0 else { return 0 }
    let points = Badness.points(process.parts, oomScoreAdj: process.oomScoreAdj, domainPages: domainPages)
    return Int((1000 + points * 1000 / domainPages) * 2 / 3)
  }

  /// As in an event: by rank, then those that are passed over.
  package func candidates(limit: Int?) -> Candidates {
    let wanted = limit ?? processes.count
    var list = contenders.prefix(wanted).enumerated().map { rank, contender in
      candidate(processes[contender.index], points: contender.points, rank: rank + 1)
    }
    for process in processes where process.skipped != nil {
      guard list.count < wanted else { break }
      list.append(candidate(process, points: nil, rank: nil))
    }
    let margin = contenders.count > 1 ? contenders[0].points - contenders[1].points : nil
    return Candidates(considered: processes.count, list: list, runnerUpMarginPages: margin)
  }

  private func candidate(_ process: ProcessSnapshot, points: Pages?, rank: Int?) -> Candidate {
    var candidate = Candidate(
      pid: process.pid, tid: process.tid, comm: process.comm.name, oomScoreAdj: process.oomScoreAdj)
    candidate.uid = process.uid
    candidate.cgroup = process.cgroup
    candidate.points = points
    candidate.pointsSource = .computed
    candidate.rank = rank
    candidate.parts = process.parts
    candidate.adjPoints = Badness.adjPoints(oomScoreAdj: process.oomScoreAdj, domainPages: domain.totalPages)
    candidate.skipped = process.skipped
    return candidate
  }
}

/// Whose memory would run out, and how much it has: the system's, or a memory cgroup's.
///
/// Kernel: mm/oom_kill.c, constrained_alloc().
package struct OOMDomain: Hashable, Sendable {
  package var scope: Scope
  package var limit: BindingLimit
  /// oc->totalpages: RAM and swap, or the limit and the swap that its group may use.
  package var totalPages: Pages

  package static func system(ramPages: Pages, swapPages: Pages) -> OOMDomain {
    var limit = BindingLimit()
    limit.totalPages = ramPages + swapPages
    return OOMDomain(scope: .system, limit: limit, totalPages: ramPages + swapPages)
  }

  /// The domain of a cgroup at its limit; nil where it has none.
  ///
  /// - Parameters:
  ///   - memory: its limits, in pages; the swap limit without memory, in either version.
  ///   - systemSwapPages: swap of the host; counts nothing where swappiness is 0.
  /// Kernel: mm/memcontrol.c, mem_cgroup_get_max().
  package static func memcg(
    _ cgroup: CgroupRef, limit: BindingLimit, systemSwapPages: Pages, swappiness: Int
  ) -> OOMDomain? {
    guard let pages = limit.limit?.pages else { return nil }
    let swap: Pages =
      swappiness == 0 ? 0 : min(limit.swapLimit?.pages ?? systemSwapPages, systemSwapPages)
    var limit = limit
    limit.cgroup = cgroup
    limit.totalPages = max(1, pages + swap)
    return OOMDomain(scope: .memcg, limit: limit, totalPages: max(1, pages + swap))
  }
}
