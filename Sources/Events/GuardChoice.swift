// SPDX-License-Identifier: Apache-2.0

/// What of a process a pattern of the guard is held against.
package enum GuardField: String, CaseIterable, Sendable {
  case comm, exe, cmdline, cgroup, unit, container
}

/// Whether the guard may take a process, and how much rather than another.
package enum GuardVerdict: Hashable, Sendable {
  case never
  /// Thousandths of the domain's memory, added to its points.
  case may(bonusPermille: Int64)
}

/// What the guard measures victims by.
package enum GuardMeasure: String, CaseIterable, Sendable {
  /// The kernel's own: memory, swap, page tables and oom_score_adj.
  case badness
  /// What is resident, whatever oom_score_adj says; -1000 stays out of it.
  case rss
}

/// The memory of the domain that the guard watches, at one moment, without a byte on the heap.
///
/// File: /proc/meminfo and /proc/pressure/memory; memory.* of a control group.
package struct GuardReading: Hashable, Sendable {
  package var totalPages: Pages
  /// What can be had without swapping.
  package var availablePages: Pages
  package var swapTotalPages: Pages
  package var swapFreePages: Pages
  /// avg10 of `some` and `full`; nil where the kernel does not measure it, or it was not asked for.
  package var someHundredths: Int64?
  package var fullHundredths: Int64?

  package init(totalPages: Pages, availablePages: Pages, swapTotalPages: Pages = 0, swapFreePages: Pages = 0) {
    self.totalPages = totalPages
    self.availablePages = availablePages
    self.swapTotalPages = swapTotalPages
    self.swapFreePages = swapFreePages
  }

  /// Hundredths of a percent.
  package var availableHundredths: Int64 { GuardReading.hundredths(availablePages, of: totalPages) }
  /// Nothing is free of no swap.
  package var swapFreeHundredths: Int64 { GuardReading.hundredths(swapFreePages, of: swapTotalPages) }

  private static func hundredths(_ part: Pages, of whole: Pages) -> Int64 {
    whole > 0 && whole < 1 << 48 ? min(max(0, part), whole) * 10_000 / whole : 0
  }
}
