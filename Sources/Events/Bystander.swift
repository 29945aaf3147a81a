// SPDX-License-Identifier: Apache-2.0

/// Why a victim died for another's memory rather than for its own, and whose that was.
package struct Bystander: Hashable, Sendable {
  package enum Reason: String, CaseIterable, Sendable {
    /// Another held more, and the victim's own oom_score_adj, above 0 and above that of the other, decided.
    case adj
    /// Another held more, and its lower oom_score_adj kept it from being chosen.
    case largerProtected = "larger_protected"
    /// vm.oom_kill_allocating_task: who asked was killed, and nobody compared.
    case allocatingTask = "allocating_task"
    /// memory.oom.group: it was in the group of the one that was chosen.
    case group
    /// It held less than a tenth of the memory that ran out.
    case smallShare = "small_share"
  }
  package var reason: Reason
  /// The one that held more.
  package var other: KernelName?
  package var otherHeldPages: Pages?
  package var otherAdj: Int?

  init(_ reason: Reason, other: Candidate? = nil) {
    self.reason = reason
    self.other = other?.comm
    otherHeldPages = other?.heldPages
    otherAdj = other?.oomScoreAdj
  }
}

/// A process that held more memory than the victims that died in its place, and its oom_score_adj kept it from being chosen.
package struct ProtectedHolder: Hashable, Sendable {
  package struct Key: Hashable, Sendable {
    package var host: KernelName?
    package var comm: KernelName
  }

  package private(set) var tally = KillTally()
  /// The most that it held at one of these kills.
  package private(set) var mostHeldPages: Pages?
  package private(set) var oomScoreAdj: Int?
  /// Who died, at the last of them, and what that held.
  package private(set) var victim: KernelName?
  package private(set) var victimHeldPages: Pages?

  init() {}

  mutating func add(_ kill: OOMKill, _ bystander: Bystander, wallNanoseconds: Int64?) {
    tally.add(decision: kill.decision.id, wallNanoseconds: wallNanoseconds)
    if let held = bystander.otherHeldPages { mostHeldPages = max(mostHeldPages ?? held, held) }
    oomScoreAdj = bystander.otherAdj
    (victim, victimHeldPages) = (kill.victim.comm, kill.heldPages)
  }
}

extension Candidate {
  /// What its score counts before oom_score_adj: resident, swapped and page-table pages; nil where it is not known.
  package var heldPages: Pages? {
    if let parts { return parts.totalPages }
    guard let points, let adjPoints else { return nil }
    return points - adjPoints
  }
}

extension OOMKill {
  /// What the victim held, as its score counts it: resident, swapped and page-table pages; nil where it is not known.
  package var heldPages: Pages? {
    badness?.parts.totalPages ?? candidates?.list.first { $0.pid == victim.pid }?.heldPages
  }

  /// Whether it died for another's memory; nil where it did not, or where the report does not tell.
  ///
  /// Needs all candidates, before they are cut to those that are listed. Kernel: mm/oom_kill.c, oom_badness() and
  /// oom_evaluate_task().
  package var bystander: Bystander? {
    if victim.role == .group { return Bystander(.group) }
    if decision.path == .sysrq { return nil }
    guard let held = heldPages else { return decision.path == .allocatingTask ? Bystander(.allocatingTask) : nil }
    let others = candidates?.list.filter { $0.pid != victim.pid } ?? []
    let largest = others.max { ($0.heldPages ?? 0) < ($1.heldPages ?? 0) }
    if decision.path == .allocatingTask { return Bystander(.allocatingTask, other: largest) }
    let adj = victim.oomScoreAdj ?? 0
    // What all have alike decides nothing, as in a pod, whose processes have one value.
    let spared = others.filter { $0.oomScoreAdj < adj }.max { ($0.heldPages ?? 0) < ($1.heldPages ?? 0) }
    if let spared, let more = spared.heldPages, more > held {
      return Bystander(adj > 0 && spared.oomScoreAdj >= 0 ? .adj : .largerProtected, other: spared)
    }
    if let domain = badness?.domainPages ?? limit?.totalPages, held < domain / 10 {
      return Bystander(.smallShare, other: largest)
    }
    return nil
  }
}
