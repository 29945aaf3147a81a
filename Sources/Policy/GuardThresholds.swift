// SPDX-License-Identifier: Apache-2.0
import Events

/// From where on the guard acts: memory and swap both below theirs, as earlyoom has it, or stalls for too long, as
/// systemd-oomd has it.
///
/// Source: earlyoom(1), -m, -s, -M, -S; oomd.conf(5), DefaultMemoryPressureLimit.
package struct GuardThresholds: Hashable, Sendable {
  /// Below `terminate` SIGTERM is sent, below `kill` SIGKILL.
  package struct Pair: Hashable, Sendable {
    package var terminate: Int64
    package var kill: Int64

    /// Nil where they are not in order.
    package init?(terminate: Int64, kill: Int64) {
      guard 0 <= kill, kill <= terminate else { return nil }
      (self.terminate, self.kill) = (terminate, kill)
    }

    /// The lower of each, as earlyoom does with a percentage and a size.
    func lower(_ other: Pair) -> Pair {
      Pair(terminate: min(terminate, other.terminate), kill: min(kill, other.kill))!
    }
  }

  /// Share of all memory, in hundredths of a percent; nil where a size alone was given.
  package var memoryHundredths = Pair(terminate: 1000, kill: 500)
  package var memoryKibibytes: Pair?
  package var swapHundredths = Pair(terminate: 1000, kill: 500)
  package var swapKibibytes: Pair?
  /// Share of the time in which all tasks, or some, stood still for memory; nil: not looked at.
  package var fullHundredths: Int64?
  package var someHundredths: Int64?
  /// For how long it has to be so.
  package var pressureNanoseconds: Int64 = 20_000_000_000

  package init() {}

  package var watchesPressure: Bool { fullHundredths != nil || someHundredths != nil }

  /// Memory's, in pages of a domain of this size.
  package func memoryPages(of totalPages: Pages, pageSizeBytes: Int64) -> Pair {
    GuardThresholds.pages(memoryHundredths, memoryKibibytes, of: totalPages, pageSizeBytes)
  }

  package func swapPages(of totalPages: Pages, pageSizeBytes: Int64) -> Pair {
    GuardThresholds.pages(swapHundredths, swapKibibytes, of: totalPages, pageSizeBytes)
  }

  private static func pages(
    _ share: Pair?, _ size: Pair?, of totalPages: Pages, _ pageSizeBytes: Int64
  ) -> Pair {
    let total = min(max(0, totalPages), 1 << 48)
    let byShare = share.map { Pair(terminate: total * $0.terminate / 10_000, kill: total * $0.kill / 10_000)! }
    let bySize = size.map {
      Pair(
        terminate: min(total, $0.terminate * 1024 / pageSizeBytes), kill: min(total, $0.kill * 1024 / pageSizeBytes))!
    }
    switch (byShare, bySize) {
    case (let share?, let size?): return share.lower(size)
    case (let one?, nil), (nil, let one?): return one
    case (nil, nil): return Pair(terminate: 0, kill: 0)!
    }
  }

  /// What amounts of memory and swap ask for: both have to be at or below.
  package func need(_ reading: GuardReading, pageSizeBytes: Int64) -> GuardNeed {
    let memory = memoryPages(of: reading.totalPages, pageSizeBytes: pageSizeBytes)
    let swap = swapPages(of: reading.swapTotalPages, pageSizeBytes: pageSizeBytes)
    if reading.availablePages <= memory.kill, reading.swapFreePages <= swap.kill { return .kill }
    if reading.availablePages <= memory.terminate, reading.swapFreePages <= swap.terminate { return .terminate }
    return .none
  }
}

/// What a reading asks for.
package enum GuardNeed: Int, Comparable, Sendable {
  case none, terminate, kill

  package static func < (left: GuardNeed, right: GuardNeed) -> Bool { left.rawValue < right.rawValue }
}
