// SPDX-License-Identifier: Apache-2.0
import Events

/// A change that was not made: what would follow from it is computed on a copy.
package struct WhatIf: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    case adj(Int)
    /// Anonymous pages more.
    case grow(Pages)
  }

  /// A pid, or a pattern of names.
  package var pattern: String
  package var change: Change

  package init(pattern: String, change: Change) {
    self.pattern = pattern
    self.change = change
  }

  /// Changes those that match; how many did.
  ///
  /// - Parameter matches: whether a name is of a pattern, as fnmatch(3) has it.
  package func apply(
    to processes: inout [ProcessSnapshot], matches: (String, KernelName?) -> Bool
  ) -> Int {
    var count = 0
    for index in processes.indices {
      guard Int32(pattern).map({ $0 == processes[index].pid }) ?? matches(pattern, processes[index].comm.name) else {
        continue
      }
      count += 1
      switch change {
      case .adj(let value): processes[index].suppose(oomScoreAdj: value)
      case .grow(let pages): processes[index].parts.anonPages += pages
      }
    }
    return count
  }
}

extension ProcessSnapshot {
  /// As if it had this oom_score_adj: -1000 makes it unkillable, and anything else no longer. Kernel: oom_badness().
  mutating func suppose(oomScoreAdj value: Int) {
    oomScoreAdj = value
    switch skipped {
    case nil where value == -1000: skipped = .oomScoreAdjMin
    case .oomScoreAdjMin where value != -1000: skipped = nil
    default: break
    }
  }
}
