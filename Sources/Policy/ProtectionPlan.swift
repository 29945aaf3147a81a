// SPDX-License-Identifier: Apache-2.0
import Events

/// What rules would change, on a copy: nothing is written.
///
/// A write also changes all processes that share the memory (CLONE_VM), so these are changes of the plan too.
/// Kernel: fs/proc/base.c, __set_oom_adj().
package struct ProtectionPlan: Sendable {
  /// One process whose oom_score_adj would be another.
  package struct Change: Hashable, Sendable {
    /// Its place in `processes`.
    package var index: Int
    package var rule: ProtectionRule
    /// It changes with this process, by no rule of its own.
    package var sharesMemoryWith: Int32?

    package init(index: Int, rule: ProtectionRule, sharesMemoryWith: Int32? = nil) {
      self.index = index
      self.rule = rule
      self.sharesMemoryWith = sharesMemoryWith
    }
  }

  /// One process, or two of one memory, for which two rules want different values.
  package struct Disagreement: Hashable, Sendable {
    package var pid: Int32
    package var comm: KernelName
    package var first: ProtectionRule
    package var second: ProtectionRule
    /// The second rule is for this process, which shares its memory.
    package var otherPID: Int32?
  }

  package let processes: [ProcessSnapshot]
  package let changes: [Change]
  /// Places of those that have the declared value already.
  package let unchanged: [Int]
  package let disagreements: [Disagreement]
  /// Rules that are for no process now: of what does not run, or not written as it was meant.
  package let unused: [ProtectionRule]

  /// - Parameters:
  ///   - verdicts: by place in `processes`; who has none is left alone.
  ///   - unused: rules that none of them has.
  package init(
    _ processes: [ProcessSnapshot], verdicts: [Int: RuleSet.Verdict], unused: [ProtectionRule] = []
  ) {
    self.unused = unused
    var changes: [Change] = []
    var unchanged: [Int] = []
    var disagreements: [Disagreement] = []
    var owners: [UInt64: (index: Int, rule: ProtectionRule)] = [:]
    for (index, process) in processes.enumerated() {
      switch verdicts[index] ?? .none {
      case .none: continue
      case .disagree(let first, let second):
        disagreements.append(
          Disagreement(pid: process.pid, comm: process.comm.name, first: first, second: second, otherPID: nil))
      case .set(let rule):
        if let memory = process.memoryID {
          if let owner = owners[memory], owner.rule.oomScoreAdj != rule.oomScoreAdj {
            let other = processes[owner.index]
            disagreements.append(
              Disagreement(
                pid: other.pid, comm: other.comm.name, first: owner.rule, second: rule, otherPID: process.pid))
          } else if owners[memory] == nil {
            owners[memory] = (index, rule)
          }
        }
        if process.oomScoreAdj == rule.oomScoreAdj {
          unchanged.append(index)
        } else {
          changes.append(Change(index: index, rule: rule))
        }
      }
    }
    for (index, process) in processes.enumerated() {
      guard case .none = verdicts[index] ?? .none, process.skipped != .globalInit, let memory = process.memoryID,
        let owner = owners[memory], process.oomScoreAdj != owner.rule.oomScoreAdj
      else { continue }
      changes.append(Change(index: index, rule: owner.rule, sharesMemoryWith: processes[owner.index].pid))
    }
    self.processes = processes
    self.changes = changes
    self.unchanged = unchanged
    self.disagreements = disagreements
  }

  /// The pids of all others that share the memory of one.
  package func sharers(of index: Int) -> [Int32] {
    guard let memory = processes[index].memoryID else { return [] }
    return processes.indices.filter { $0 != index && processes[$0].memoryID == memory && processes[$0].pid > 1 }
      .map { processes[$0].pid }
  }

  /// What of these processes the values of the plan would make: of the same ones, by pid.
  package func supposed(_ processes: [ProcessSnapshot]) -> [ProcessSnapshot] {
    var values: [Int32: Int] = [:]
    for change in changes { values[self.processes[change.index].pid] = change.rule.oomScoreAdj }
    var processes = processes
    for index in processes.indices {
      if let value = values[processes[index].pid] { processes[index].suppose(oomScoreAdj: value) }
    }
    return processes
  }
}

/// Whether there is still somebody whom the kernel may take rather than what was protected.
package enum ProtectionLeft: Hashable, Sendable {
  case enough
  /// All that may be taken have an oom_score_adj below 0, and before some had not: protection is relative.
  case allProtected
  /// Nobody may be taken any more, and before somebody could. System-wide the kernel then panics.
  case nobodyKillable

  package init(before: Standings, after: Standings) {
    func unprotected(_ standings: Standings) -> Bool {
      standings.contenders.contains { standings.processes[$0.index].oomScoreAdj >= 0 }
    }
    if after.contenders.isEmpty, !before.contenders.isEmpty {
      self = .nobodyKillable
    } else if unprotected(before), !unprotected(after) {
      self = .allProtected
    } else {
      self = .enough
    }
  }
}
