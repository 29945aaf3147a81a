// SPDX-License-Identifier: Apache-2.0
import Events

/// From where on memory pressure is low, medium or critical.
package struct PressureThresholds: Hashable, Sendable {
  /// The least of each level, in hundredths of a percent, in their order.
  package struct Steps: Hashable, Sendable {
    package let lowHundredths: Int64
    package let mediumHundredths: Int64
    package let criticalHundredths: Int64

    /// Nil where they are not in order, or beyond 0 to 100 percent.
    package init?(low: Int64, medium: Int64, critical: Int64) {
      guard 0 < low, low <= medium, medium <= critical, critical <= 10_000 else { return nil }
      (lowHundredths, mediumHundredths, criticalHundredths) = (low, medium, critical)
    }

    /// - Parameter slackHundredths: by how much less each counts as reached, at most half of it: else a threshold below the
    ///   slack would be reached for ever.
    package func level(of hundredths: Int64, slackHundredths slack: Int64 = 0) -> PressureLevel {
      func isReached(_ least: Int64) -> Bool { hundredths >= least - min(slack, least / 2) }
      if isReached(criticalHundredths) { return .critical }
      if isReached(mediumHundredths) { return .medium }
      return isReached(lowHundredths) ? .low : .normal
    }

    /// What is missing to the next level above; nil in the highest.
    package func distanceHundredths(from hundredths: Int64) -> Int64? {
      let above = [lowHundredths, mediumHundredths, criticalHundredths].first { $0 > hundredths }
      return above.map { $0 - hundredths }
    }
  }

  /// Memory that is used, by MemAvailable.
  package var memory = Steps(low: 7000, medium: 8500, critical: 9500)!
  package var swap = Steps(low: 7000, medium: 8500, critical: 9500)!
  /// Share of the last ten seconds in which some tasks stood still for memory, and all of them. systemd-oomd acts at 60 of
  /// full by default. Source: oomd.conf(5).
  package var stallSome = Steps(low: 1000, medium: 3000, critical: 6000)!
  package var stallFull = Steps(low: 500, medium: 2000, critical: 4000)!
  /// A level is left only once all is so far below it, in hundredths of a percent.
  package var fallHundredths: Int64 = 300
  /// And for so long.
  package var settleNanoseconds: Int64 = 10_000_000_000

  package init() {}

  /// The level of a reading, and what makes it.
  ///
  /// - Parameter slackHundredths: by how much less each threshold counts as reached.
  package func level(
    of reading: PressureReading, slackHundredths: Int64 = 0
  ) -> (level: PressureLevel, causes: [PressureCause]) {
    func level(_ steps: Steps, _ hundredths: Int64?) -> PressureLevel {
      hundredths.map { steps.level(of: $0, slackHundredths: slackHundredths) } ?? .normal
    }
    let memoryLevel = level(memory, reading.usedHundredths)
    // Swap is what memory falls back on: a full one alone harms nobody, so it adds no more than one level.
    let next = PressureLevel(rawValue: memoryLevel.rawValue + 1) ?? .critical
    let levels: [(PressureCause, PressureLevel)] = [
      (.memory, memoryLevel), (.swap, min(level(swap, reading.swapUsedHundredths), next)),
      (.stallSome, level(stallSome, reading.stall?.some.average10Hundredths)),
      (.stallFull, level(stallFull, reading.stall?.full?.average10Hundredths)),
    ]
    let highest = levels.map(\.1).max() ?? .normal
    guard highest > .normal else { return (.normal, []) }
    return (highest, levels.filter { $0.1 == highest }.map(\.0))
  }
}
