// SPDX-License-Identifier: Apache-2.0
import Events

/// Whom the kernel would kill if memory ran out now, and who would follow.
///
/// Kernel: mm/oom_kill.c, out_of_memory(), in its order.
package struct Prediction: Sendable {
  package enum Outcome: Hashable, Sendable {
    case kill(Death)
    /// Someone killed before is still dying: the kernel waits for it and takes nobody. Its pid.
    case waits(for: Int32)
    /// Nobody may be taken.
    case nobody
  }

  /// One decision: the chosen one, and who dies with it.
  package struct Death: Hashable, Sendable {
    /// Places in `processes`.
    package var chosen: Int
    /// Those of its memory.oom.group, and those that share memory with anybody killed.
    package var members: [(index: Int, role: Victim.Role)]
    package var path: Decision.Path

    package static func == (left: Death, right: Death) -> Bool {
      left.chosen == right.chosen && left.members.map(\.index) == right.members.map(\.index) && left.path == right.path
    }
    package func hash(into hasher: inout Hasher) { hasher.combine(chosen) }

    /// All places of the dead, the chosen one's first.
    package var indices: [Int] { [chosen] + members.map(\.index) }
  }

  package let standings: Standings
  package let outcome: Outcome
  /// Who would follow, one decision after the other, each with all before it gone.
  package let followUps: [Outcome]

  /// What decides beside the scores.
  package struct Rules: Sendable {
    /// Groups with memory.oom.group, by path. Version 2 alone.
    package var groups: Set<[UInt8]> = []
    /// vm.oom_kill_allocating_task, and who asks for memory: then it is taken, where the whole system is out of it.
    package var killsAllocatingTask = false
    package var allocatingPID: Int32?

    package init() {}
  }

  /// - Parameter depth: how many decisions are looked at after the first.
  package init(_ standings: Standings, rules: Rules, depth: Int) {
    self.standings = standings
    var gone: Set<Int> = []
    var outcomes: [Outcome] = []
    for _ in 0...max(0, depth) {
      let outcome = Prediction.decide(standings, rules: rules, gone: gone)
      outcomes.append(outcome)
      guard case .kill(let death) = outcome else { break }
      gone.formUnion(death.indices)
    }
    outcome = outcomes[0]
    followUps = Array(outcomes.dropFirst())
  }

  private static func decide(_ standings: Standings, rules: Rules, gone: Set<Int>) -> Outcome {
    let processes = standings.processes
    if rules.killsAllocatingTask, standings.domain.scope != .memcg, let pid = rules.allocatingPID,
      let index = processes.firstIndex(where: { $0.pid == pid }), !gone.contains(index), isTakeable(processes[index])
    {
      return .kill(Death(chosen: index, members: [], path: .allocatingTask).completed(standings, gone))
    }
    // The scan ends at the first that is dying of an earlier kill, unless its memory was reaped already.
    for (index, process) in processes.enumerated() where process.skipped == .alreadyVictim && !gone.contains(index) {
      return .waits(for: process.pid)
    }
    guard let chosen = standings.contenders.first(where: { !gone.contains($0.index) })?.index else { return .nobody }
    var death = Death(chosen: chosen, members: [], path: .scan)
    if let group = group(of: processes[chosen], rules, limit: standings.domain.limit.cgroup?.path) {
      death.path = .memcgGroup
      for (index, process) in processes.enumerated()
      where index != chosen && !gone.contains(index) && isTakeable(process) && process.isIn(group) {
        death.members.append((index, .group))
      }
    }
    return .kill(death.completed(standings, gone))
  }

  /// Not the host's init, no -1000. Kernel: mm/oom_kill.c, oom_kill_memcg_member().
  private static func isTakeable(_ process: ProcessSnapshot) -> Bool {
    process.skipped != .globalInit && process.oomScoreAdj != -1000 && process.skipped != .noMemory
  }

  /// The highest group at or above the victim, and not above the limit's, that is killed as one.
  ///
  /// Kernel: mm/memcontrol.c, mem_cgroup_get_oom_group().
  private static func group(of process: ProcessSnapshot, _ rules: Rules, limit: KernelName?) -> KernelName? {
    guard !rules.groups.isEmpty, let path = process.cgroup?.path else { return nil }
    let components = path.bytes.split(separator: 0x2f)
    for count in stride(from: 1, through: components.count, by: 1) {
      let bytes = Array(components[..<count].joined(separator: [0x2f]))
      let ancestor = KernelName(bytes: [0x2f] + bytes)
      if let limit, !ancestor.isAtOrBelow(limit) { continue }
      if rules.groups.contains(ancestor.bytes) { return ancestor }
    }
    return nil
  }

  // MARK: What would change it

  /// The best of those that were not chosen; nil where nobody is taken, or nobody else could be.
  package var runnerUp: Contender? {
    guard case .kill(let death) = outcome else { return nil }
    return standings.contenders.first { $0.index != death.chosen }
  }

  /// The most oom_score_adj with which the chosen one would be spared; -1000 where less is not enough. Nil where no scan chose.
  package var sparingAdj: Int? {
    guard case .kill(let death) = outcome, death.path != .allocatingTask else { return nil }
    let process = standings.processes[death.chosen]
    let perAdj = standings.domain.totalPages / 1000
    guard perAdj > 0, let rival = runnerUp else { return -1000 }
    // Of equals the later is taken: a later one has to have less, an earlier one may have as much.
    let mostPoints = death.chosen > rival.index ? rival.points - 1 : rival.points
    let room = mostPoints - process.parts.totalPages
    let adj = room >= 0 ? room / perAdj : -((-room + perAdj - 1) / perAdj)
    return adj < -999 ? -1000 : Int(min(adj, 1000))
  }

  /// How many pages a process may grow before it is taken in place of the chosen one; nil where it never is.
  package func headroom(of contender: Contender) -> Pages? {
    guard case .kill(let death) = outcome, death.path != .allocatingTask,
      let first = standings.contenders.first(where: { $0.index == death.chosen }), contender.index != first.index
    else { return nil }
    let missing = first.points - contender.points
    return contender.index > first.index ? missing : missing + 1
  }
}

extension Prediction.Death {
  /// With those that share memory with the dead. Kernel: mm/oom_kill.c, __oom_kill_process().
  fileprivate func completed(_ standings: Standings, _ gone: Set<Int>) -> Prediction.Death {
    var death = self
    let dead = Set(indices)
    let memories = Set(dead.compactMap { standings.processes[$0].memoryID })
    guard !memories.isEmpty else { return death }
    for (index, process) in standings.processes.enumerated()
    where !dead.contains(index) && !gone.contains(index) && process.skipped != .globalInit {
      if let memory = process.memoryID, memories.contains(memory) { death.members.append((index, .sharesMemory)) }
    }
    return death
  }
}

extension ProcessSnapshot {
  fileprivate func isIn(_ group: KernelName) -> Bool { cgroup?.path?.isAtOrBelow(group) == true }
}
