// SPDX-License-Identifier: Apache-2.0

/// What a process's badness is made of, each part in pages.
///
/// Kernel: mm/oom_kill.c, oom_badness(): get_mm_rss() + get_mm_counter(MM_SWAPENTS) + mm_pgtables_bytes() / PAGE_SIZE.
package struct BadnessParts: Hashable, Sendable {
  package var anonPages: Pages
  package var filePages: Pages
  package var shmemPages: Pages
  package var swapPages: Pages
  package var pgtablePages: Pages

  package init(anonPages: Pages, filePages: Pages, shmemPages: Pages, swapPages: Pages, pgtablePages: Pages) {
    self.anonPages = anonPages
    self.filePages = filePages
    self.shmemPages = shmemPages
    self.swapPages = swapPages
    self.pgtablePages = pgtablePages
  }

  /// Resident, swapped and page-table pages together: the score before oom_score_adj.
  package var totalPages: Pages { residentPages + swapPages + pgtablePages }

  /// Anonymous, file and shared-memory pages: what dmesg calls rss.
  package var residentPages: Pages { anonPages + filePages + shmemPages }
}

/// The kernel's badness formula, in the one place where it is written.
///
/// Kernel: mm/oom_kill.c, oom_badness(), unchanged in this form since 5.9.
package enum Badness {
  /// What `oomScoreAdj` adds, in pages. The integer division comes first, so it adds nothing to domains under 1000 pages.
  package static func adjPoints(oomScoreAdj: Int, domainPages: Pages) -> Pages {
    Pages(oomScoreAdj) * (domainPages / 1000)
  }

  /// The points of an eligible process, in pages. May be negative; the kernel kills by it all the same.
  package static func points(_ parts: BadnessParts, oomScoreAdj: Int, domainPages: Pages) -> Pages {
    parts.totalPages + adjPoints(oomScoreAdj: oomScoreAdj, domainPages: domainPages)
  }
}

/// Why the kernel would not take a process, in the order in which it asks.
///
/// Kernel: mm/oom_kill.c, oom_evaluate_task() and oom_badness().
package enum SkipReason: String, CaseIterable, Sendable {
  case globalInit = "init"
  case kernelThread = "kernel_thread"
  case outsideCpuset = "outside_cpuset"
  case alreadyVictim = "already_victim"
  case noMemory = "no_mm"
  case oomScoreAdjMin = "oom_score_adj_min"
  case oomSkip = "mmf_oom_skip"
  case inVfork = "in_vfork"
}
