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

  package init() {}
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
