// SPDX-License-Identifier: Apache-2.0

/// What to change so that it does not come again, the kills that speak for it, and what to type.
///
/// Made by Policy's rules from `KillStatistics`: none without evidence. Its sentences are plain text that a terminal can
/// take: names in them are made safe.
package struct Recommendation: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    /// A cgroup's limit is hit again and again by what needs that much.
    case raiseLimit = "raise_limit"
    /// A victim grows from kill to kill, or fills what it is given.
    case findLeak = "find_leak"
    /// A victim dies for its oom_score_adj.
    case lowerAdj = "lower_adj"
    /// One that is protected grows, and others die for it.
    case limitProtected = "limit_protected"
    /// The host has not the memory for what runs on it.
    case hostTooSmall = "host_too_small"
    case addSwap = "add_swap"
    case swapExhausted = "swap_exhausted"
    case fragmentation
    case kernelObjects = "kernel_objects"
    case sharedMemory = "shared_memory"
    case overcommit
    case allocatingTask = "allocating_task"
    case groupKill = "group_kill"
    /// The log lacks the tables that it could have.
    case dumpTasks = "dump_tasks"
  }

  /// The kills that it rests on, and their numbers.
  package struct Evidence: Hashable, Sendable {
    /// How many, the first and the last.
    package var tally: KillTally
    /// Each is named with its unit, as the fields of events are: `limit_pages`.
    package var numbers: [(name: String, value: Int64)] { zip(names, values).map { (name: $0, value: $1) } }
    private var names: [String]
    private var values: [Int64]

    package init(_ tally: KillTally, _ numbers: [(String, Int64?)] = []) {
      self.tally = tally
      let known = numbers.filter { $0.1 != nil }
      names = known.map(\.0)
      values = known.map { $0.1! }
    }
  }

  /// One way to go.
  package struct Step: Hashable, Sendable {
    /// What it does, one sentence.
    package var advice: String
    /// What to type: lines for a POSIX shell, or a part of a file that `advice` names; nil where there is nothing to type.
    package var input: String?

    package init(_ advice: String, input: String? = nil) {
      self.advice = advice
      self.input = input
    }
  }

  package var kind: Kind
  /// The process it is about; nil where it is about a cgroup or a host.
  package var comm: KernelName?
  package var place: KillPlace?
  /// Nil where the log names none.
  package var host: KernelName?
  /// One sentence with the numbers in it.
  package var finding: String
  package var evidence: Evidence
  package var steps: [Step]

  package init(
    _ kind: Kind, comm: KernelName? = nil, place: KillPlace? = nil, host: KernelName?, finding: String,
    evidence: Evidence, steps: [Step]
  ) {
    self.kind = kind
    self.comm = comm
    self.place = place
    self.host = host
    self.finding = finding
    self.evidence = evidence
    self.steps = steps
  }
}
