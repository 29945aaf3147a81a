// SPDX-License-Identifier: Apache-2.0
import Events

/// Turns the log's kilobytes and bytes into pages.
///
/// Kernel: include/linux/mm.h, K(): the log's numbers were pages, shifted left, so that no page is lost on the way back.
struct LogUnits: Hashable {
  let pageSizeBytes: Int64

  func pages(kilobytes: Int64) -> Pages {
    pageSizeBytes >= 1024 ? kilobytes / (pageSizeBytes / 1024) : kilobytes * 1024 / pageSizeBytes
  }

  /// Kernel: mm/oom_kill.c, oom_badness(): mm_pgtables_bytes() / PAGE_SIZE.
  func pages(bytes: Int64) -> Pages { bytes / pageSizeBytes }

  /// A limit of a page counter; from PAGE_COUNTER_MAX on there is none.
  ///
  /// Kernel: include/linux/page_counter.h, PAGE_COUNTER_MAX is LONG_MAX / PAGE_SIZE.
  func limit(kilobytes: Int64) -> Limit {
    let pages = pages(kilobytes: kilobytes)
    return pages >= Int64.max / pageSizeBytes ? .unlimited : .pages(pages)
  }
}
