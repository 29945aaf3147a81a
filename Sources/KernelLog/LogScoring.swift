// SPDX-License-Identifier: Apache-2.0
import Events

/// Works out from a report's numbers what the kernel had reckoned: the size of the domain, and everybody's points.
///
/// The kernel prints no points, so all are computed. Kernel: mm/oom_kill.c, constrained_alloc() and oom_badness().
struct LogScoring {
  /// Size of the OOM domain; nil where the log does not tell all that it is made of.
  let domainPages: Pages?
  /// What swap the cgroup may use; on v1 what memory and swap together leave above the memory limit.
  let swapLimit: Limit?
  let swapUsagePages: Pages?

  private let log: LogSource
  private let table: TaskTable?
  /// The format is of a kernel that may take 3 % off a score of root's (up to 4.16), and does not say which.
  private let hasRootBonus: Bool

  init(_ log: LogSource, _ report: OOMReport, _ paths: ConstraintLine.Paths) {
    self.log = log
    table = report.table
    hasRootBonus = report.sacrifice != nil
    let units = log.units
    let memory = report.usage[.memory]
    let swapLimit = LogScoring.swapLimit(report, units)
    self.swapLimit = swapLimit
    if let swap = report.usage[.swap] {
      swapUsagePages = units.pages(kilobytes: swap.usageKilobytes)
    } else if let memory, let both = report.usage[.memoryAndSwap] {
      swapUsagePages = units.pages(kilobytes: max(0, both.usageKilobytes - memory.usageKilobytes))
    } else {
      swapUsagePages = nil
    }
    switch report.constraint?.scope {
    case .system: domainPages = report.memInfo.systemPages(units)
    case .mempolicy: domainPages = report.memInfo.pages(ofNodes: report.constraint?.policyNodes ?? [], units)
    case .cpuset: domainPages = paths.allowedNodes.flatMap { report.memInfo.pages(ofNodes: $0, units) }
    case .memcg:
      domainPages = memory.flatMap {
        LogScoring.memcgPages(log, $0, swapLimit: swapLimit, version: report.cgroupVersion)
      }
    case nil: domainPages = nil
    }
  }

  private static func swapLimit(_ report: OOMReport, _ units: LogUnits) -> Limit? {
    if let swap = report.usage[.swap] { return units.limit(kilobytes: swap.limitKilobytes) }
    guard let memory = report.usage[.memory], let both = report.usage[.memoryAndSwap] else { return nil }
    if units.limit(kilobytes: both.limitKilobytes) == .unlimited { return .unlimited }
    return .pages(units.pages(kilobytes: max(0, both.limitKilobytes - memory.limitKilobytes)))
  }

  /// memory.max, and with swappiness the swap that it may use: the least of its own limit and of what there is.
  ///
  /// Kernel: mm/memcontrol.c, mem_cgroup_get_max(), and 1 where that is 0.
  private static func memcgPages(_ log: LogSource, _ memory: UsageLine, swapLimit: Limit?, version: Int?) -> Pages? {
    guard let limit = log.units.limit(kilobytes: memory.limitKilobytes).pages else { return nil }
    let swappiness = version == 2 ? log.swappiness : nil
    if log.swapTotalPages == 0 || swapLimit == .pages(0) || swappiness == 0 { return max(1, limit) }
    guard swappiness != nil, let swapLimit, let total = log.swapTotalPages else { return nil }
    return max(1, limit + min(total, swapLimit.pages ?? total))
  }

  // MARK: Points

  /// The victim's score. Its row has what the kernel saw at the decision; the kill line the parts where the row lacks them.
  func badness(of line: KilledLine, row: TaskTable.Row?) -> VictimBadness? {
    guard let parts = parts(of: line, row: row) else { return nil }
    var badness = VictimBadness(parts: parts)
    badness.domainPages = domainPages
    badness.adjPoints = (line.oomScoreAdj ?? row?.oomScoreAdj).flatMap(adjPoints)
    let mayBeLess = hasRootBonus && isRoot(line.uid ?? row?.uid)
    badness.points = mayBeLess ? nil : badness.adjPoints.map { parts.totalPages + $0 }
    badness.pointsSource = badness.points == nil ? nil : .computed
    return badness
  }

  private func parts(of line: KilledLine, row: TaskTable.Row?) -> BadnessParts? {
    if let parts = row?.parts { return parts }
    // Swap is in no line but the table's: without a row it is known only where the host has none.
    guard let shmem = line.shmemKilobytes, let swap = row?.swapPages ?? (log.swapTotalPages == 0 ? 0 : nil),
      let pgtables = row?.pgtablePages ?? line.pgtableKilobytes.map(log.units.pages(kilobytes:))
    else { return nil }
    return BadnessParts(
      anonPages: log.units.pages(kilobytes: line.anonKilobytes),
      filePages: log.units.pages(kilobytes: line.fileKilobytes), shmemPages: log.units.pages(kilobytes: shmem),
      swapPages: swap, pgtablePages: pgtables)
  }

  /// Nothing for an oom_score_adj of 0, however large the domain; nil where that counts and is not known.
  private func adjPoints(_ oomScoreAdj: Int) -> Pages? {
    if oomScoreAdj == 0 { return 0 }
    return domainPages.map { Badness.adjPoints(oomScoreAdj: oomScoreAdj, domainPages: $0) }
  }

  private func isRoot(_ uid: UInt32?) -> Bool { uid == nil || uid == 0 }

  // MARK: Candidates

  /// All rows as candidates; the victim's own with the parts of its badness, where it did not run on between the row and
  /// the kill line. Nil without a table.
  func candidates(victim line: KilledLine, row victimRow: TaskTable.Row?) -> Candidates? {
    guard let table else { return nil }
    // Before 2.6.36 the score is another: the table is counted alone.
    guard table.rows.allSatisfy({ $0.oomScoreAdj != nil }) else { return Candidates(considered: table.count, list: []) }
    var list = table.rows.map { row -> Candidate in
      let isVictim = row.tid == victimRow?.tid
      let oomScoreAdj = row.oomScoreAdj ?? 0
      var candidate = Candidate(pid: row.pid, tid: row.tid, comm: row.comm, oomScoreAdj: oomScoreAdj)
      candidate.uid = row.uid
      let victimParts = isVictim ? parts(of: line, row: row) : nil
      candidate.parts = victimParts.flatMap { $0.totalPages == row.totalPages ? $0 : nil } ?? row.parts
      guard oomScoreAdj != -1000 else {
        candidate.skipped = .oomScoreAdjMin
        return candidate
      }
      candidate.adjPoints = adjPoints(oomScoreAdj)
      if !(hasRootBonus && isRoot(row.uid)), let pages = candidate.parts?.totalPages ?? row.totalPages {
        candidate.points = candidate.adjPoints.map { $0 + pages }
      }
      candidate.pointsSource = candidate.points == nil ? nil : .computed
      return candidate
    }
    let isComplete = table.count == table.rows.count && list.allSatisfy { $0.skipped != nil || $0.points != nil }
    let order = list.indices.filter { list[$0].points != nil }
      .sorted { (list[$0].points!, $0) > (list[$1].points!, $1) }
    guard isComplete else { return Candidates(considered: table.count, list: list) }
    for (place, index) in order.enumerated() { list[index].rank = place + 1 }
    return Candidates(
      considered: table.count, list: list, runnerUpMarginPages: margin(list, order: order, victimTID: victimRow?.tid))
  }

  /// Points between the victim and the best of the others. Nil where one had more: why the kernel passed it is not in the log.
  private func margin(_ list: [Candidate], order: [Int], victimTID: Int32?) -> Pages? {
    guard let victim = list.first(where: { $0.tid == victimTID })?.points,
      let other = order.first(where: { list[$0].tid != victimTID }).flatMap({ list[$0].points }), victim >= other
    else { return nil }
    return victim - other
  }
}
