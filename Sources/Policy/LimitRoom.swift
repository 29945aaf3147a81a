// SPDX-License-Identifier: Apache-2.0
import Events

/// Which limit a group would hit first, and whether the host's memory runs out before it.
///
/// A page is charged to a group and to all above it, and refused where any of them is at its limit.
/// Kernel: mm/page_counter.c, page_counter_try_charge().
package struct LimitRoom: Sendable {
  /// Nil where none of them has a limit.
  package let binding: CgroupBinding?

  /// - Parameters:
  ///   - chain: the group, then those above it up to the root. Of equals the nearest binds.
  ///   - hostSwapFreeBytes: nil where it is not known.
  package init(_ chain: [CgroupStatus], hostSwapFreeBytes: Int64? = nil) {
    var least: CgroupBinding?
    for status in chain {
      guard let limit = status.limitBytes?.bytes, let current = status.currentBytes else { continue }
      var candidate = CgroupBinding(cgroup: status.cgroup, limitBytes: limit, currentBytes: current)
      if let least, candidate.leftBytes >= least.leftBytes { continue }
      // What memory.stat calls file is also what shares memory, which no reclaim drops without swap.
      candidate.cacheBytes = status.parts?.fileBytes.map { max(0, $0 - (status.parts?.shmemBytes ?? 0)) }
      candidate.workingSetBytes = status.parts?.inactiveFileBytes == nil ? nil : status.workingSetBytes
      if let free = hostSwapFreeBytes, free > 0, let swapLimit = status.swapLimitBytes {
        candidate.swapLeftBytes = min(free, swapLimit.bytes.map { max(0, $0 - (status.swapCurrentBytes ?? 0)) } ?? free)
      }
      candidate.isKillDisabled = status.isKillDisabled
      least = candidate
    }
    binding = least
  }

  /// What runs out first: a limit with more left than the host has available is not reached.
  package func scarcity(hostAvailableBytes: Int64?) -> CgroupReport.Scarcity {
    guard let binding else { return .system }
    guard let hostAvailableBytes else { return .limit }
    return binding.leftBytes <= hostAvailableBytes ? .limit : .system
  }
}
