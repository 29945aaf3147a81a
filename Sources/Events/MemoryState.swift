// SPDX-License-Identifier: Apache-2.0

/// The host's memory, read when the event reached us: after the kill.
///
/// File: /proc/meminfo. From a log it is the report's Mem-Info.
package struct MemoryState: Hashable, Sendable {
  package var totalPages: Pages?
  package var freePages: Pages?
  package var availablePages: Pages?
  package var buffersPages: Pages?
  package var cachedPages: Pages?
  package var shmemPages: Pages?
  package var slabReclaimablePages: Pages?
  package var slabUnreclaimablePages: Pages?
  package var pageTablesPages: Pages?
  package var swapTotalPages: Pages?
  package var swapFreePages: Pages?
  /// In the report's order; none from /proc/meminfo.
  package var zones: [MemoryZone] = []

  package init() {}
}

/// One zone of a node's memory, at the moment of the report.
///
/// Kernel: mm/show_mem.c, show_free_areas(); struct zone.
package struct MemoryZone: Hashable, Sendable {
  package var node: Int
  /// "DMA32", "Normal", ...
  package var name: String
  package var freePages: Pages
  /// Below it only those may allocate who may use the reserves.
  package var minPages: Pages
  /// The most that it keeps back from allocations that another zone could serve; nil where the report does not tell.
  package var reservePages: Pages?

  package init(node: Int, name: String, freePages: Pages, minPages: Pages, reservePages: Pages?) {
    self.node = node
    self.name = name
    self.freePages = freePages
    self.minPages = minPages
    self.reservePages = reservePages
  }

  /// With fewer free pages a single one is refused to anybody without rights of his own.
  ///
  /// Kernel: mm/page_alloc.c, __zone_watermark_ok().
  package var neededPages: Pages { minPages + (reservePages ?? 0) }

  /// A single page could be had from it by anybody: who failed here wanted several in a row. False where it is not known.
  package var hasFreePages: Bool { reservePages != nil && freePages > neededPages }
}

/// Share of wall time in which tasks stood still for memory. File: /proc/pressure/memory.
package struct PressureStall: Hashable, Sendable {
  package struct Line: Hashable, Sendable {
    /// Percent times 100, over 10, 60 and 300 seconds.
    package var average10Hundredths: Int64
    package var average60Hundredths: Int64
    package var average300Hundredths: Int64
    package var totalMicroseconds: Int64

    package init(
      average10Hundredths: Int64, average60Hundredths: Int64, average300Hundredths: Int64, totalMicroseconds: Int64
    ) {
      self.average10Hundredths = average10Hundredths
      self.average60Hundredths = average60Hundredths
      self.average300Hundredths = average300Hundredths
      self.totalMicroseconds = totalMicroseconds
    }
  }
  package var some: Line
  package var full: Line?

  package init(some: Line, full: Line?) {
    self.some = some
    self.full = full
  }
}
