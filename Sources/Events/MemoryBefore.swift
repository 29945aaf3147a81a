// SPDX-License-Identifier: Apache-2.0

/// The last minutes before a kill: the host's memory, the victim's, and that of those that grew.
///
/// Shape: docs/schema/history.v1.schema.json, `memory_before`.
package struct MemoryBefore: Hashable, Sendable {
  /// What one process held at some of the moments.
  package struct Series: Hashable, Sendable {
    package var pid: Int32
    package var comm: KernelName
    package var isVictim: Bool
    /// Places in `millisecondsBefore`: it was not among the biggest at the others.
    package var moments: [Int] = []
    package var residentPages: [Pages] = []
    package var swapPages: [Pages] = []

    package init(pid: Int32, comm: KernelName, isVictim: Bool) {
      self.pid = pid
      self.comm = comm
      self.isVictim = isVictim
    }

    /// What it held more at the last of its moments than at the first.
    package var growthPages: Pages {
      guard let first = residentPages.first, let last = residentPages.last else { return 0 }
      return last + (swapPages.last ?? 0) - first - (swapPages.first ?? 0)
    }
  }

  package var totalPages: Pages
  package var swapTotalPages: Pages?
  /// Milliseconds before the kill, falling; of the kill itself, 0, there are the processes alone.
  package var millisecondsBefore: [Int64] = []
  /// One for each moment but the kill's.
  package var availablePages: [Pages] = []
  package var swapFreePages: [Pages] = []
  /// avg10 of `some` and `full`, hundredths of a percent; empty where the kernel does not measure it.
  package var someHundredths: [Int64] = []
  package var fullHundredths: [Int64] = []
  /// The victim first, then by growth.
  package var processes: [Series] = []

  package init(totalPages: Pages) { self.totalPages = totalPages }
}
