// SPDX-License-Identifier: Apache-2.0

/// The size of something in pages of `stream_start.page_size` bytes, because that is what the kernel counts in.
///
/// Shape: a signed count, since the kernel's own points may be negative. Kernel: mm/oom_kill.c, oom_badness().
package typealias Pages = Int64

/// A limit of a page counter: a number of pages, or none at all.
///
/// "max" is never a number here: the kernel's PAGE_COUNTER_MAX would read as eight exbibytes.
/// Kernel: include/linux/page_counter.h, PAGE_COUNTER_MAX.
package enum Limit: Hashable, Sendable {
  case unlimited
  case pages(Pages)

  /// The limit in pages, or nil where there is none.
  package var pages: Pages? {
    if case .pages(let pages) = self { return pages }
    return nil
  }
}
