// SPDX-License-Identifier: Apache-2.0
import Events

/// When to look next: seldom while all is far from its thresholds, and never later than the next one could be reached.
///
/// What went fastest lately is taken as what may go again, and half of the time that it would need is slept. Stall needs no
/// looking where the kernel wakes us for it.
package struct PressureTimer: Sendable {
  package static let leastNanoseconds: Int64 = 1_000_000_000
  package static let mostNanoseconds: Int64 = 10_000_000_000
  /// Above normal: the fall is to be seen as well, and stall's averages change every two seconds.
  static let raisedNanoseconds: Int64 = 2_000_000_000

  private let thresholds: PressureThresholds
  private let mostNanoseconds: Int64
  private var last: (nanoseconds: Int64, pages: Pages)?
  /// Pages a second that went at most, halved at each look.
  private var fastest: Int64 = 0

  /// - Parameter isWoken: whether the kernel tells of stall by itself.
  package init(_ thresholds: PressureThresholds, isWoken: Bool) {
    self.thresholds = thresholds
    mostNanoseconds = isWoken ? PressureTimer.mostNanoseconds : PressureTimer.raisedNanoseconds
  }

  /// How long to sleep after a reading.
  package mutating func sleepNanoseconds(
    after reading: PressureReading, level: PressureLevel, nowNanoseconds now: Int64
  ) -> Int64 {
    fastest /= 2
    if let last, now > last.nanoseconds {
      // Looks that follow each other at once measure little but noise.
      let elapsed = max(now - last.nanoseconds, PressureTimer.leastNanoseconds / 10)
      let gone = Double(last.pages - reading.availablePages) * 1e9 / Double(elapsed)
      fastest = max(fastest, Int64(gone))
    }
    last = (now, reading.availablePages)
    let most = level == .normal ? mostNanoseconds : min(mostNanoseconds, PressureTimer.raisedNanoseconds)
    guard fastest > 0, let used = reading.usedHundredths else { return most }
    let missing = thresholds.memory.distanceHundredths(from: used) ?? 0
    let seconds = Double(missing) / 10_000 * Double(reading.totalPages) / Double(fastest) / 2
    guard seconds < Double(most) / 1e9 else { return most }
    return max(PressureTimer.leastNanoseconds, Int64(seconds * 1e9))
  }
}
