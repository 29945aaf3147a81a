// SPDX-License-Identifier: Apache-2.0
import Events

/// A process that the guard may take, as it was read: numbers alone, so that thousands of them ask for no memory.
///
/// File: /proc/PID/stat, status, oom_score_adj.
package struct GuardCandidate: Sendable {
  package var pid: Int32 = 0
  package var ppid: Int32 = 0
  package var processGroup: Int32 = 0
  package var uid: UInt32 = 0
  package var threads: Int32 = 0
  package var oomScoreAdj: Int = 0
  /// With the pid its identity.
  package var startTimeTicks: UInt64 = 0
  package var totalVMPages: Pages = 0
  package var parts = BadnessParts(anonPages: 0, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0)
  package var comm = Comm(low: 0, high: 0)
  /// What the kernel's formula gives in the domain.
  package var points: Pages = 0
  /// What patterns add to it.
  package var bonusPages: Pages = 0

  package init() {}

  /// What it holds in memory and swap.
  package var heldPages: Pages { parts.residentPages + parts.swapPages }

  /// By what it is compared with others.
  package func rank(_ measure: GuardMeasure) -> Pages {
    (measure == .badness ? points : parts.residentPages) + bonusPages
  }

  /// Whether it is taken rather than the other; of equals the younger, as the kernel does it.
  package func beats(_ other: GuardCandidate, _ measure: GuardMeasure) -> Bool {
    let (mine, others) = (rank(measure), other.rank(measure))
    if mine != others { return mine > others }
    return (startTimeTicks, pid) > (other.startTimeTicks, other.pid)
  }
}
