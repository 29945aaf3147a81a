// SPDX-License-Identifier: Apache-2.0
import Events

/// How fast memory runs out, by what was there in the last half minute.
///
/// A line through all samples by least squares, so that one that is off says little. Bounded by time and by number.
package struct MemoryTrend: Sendable {
  /// Older samples say nothing of now.
  package static let windowNanoseconds: Int64 = 30_000_000_000
  static let samplesMax = 64
  /// Fewer or a shorter time tell of no trend.
  private static let samplesMin = 3
  private static let spanMinNanoseconds: Int64 = 2_000_000_000
  /// What would take longer is not running out.
  private static let secondsMax: Int64 = 30 * 24 * 3600

  private var samples: [(nanoseconds: Int64, pages: Pages)] = []

  package init() {}

  /// What is left, memory and swap together.
  package mutating func add(_ pages: Pages, atNanoseconds now: Int64) {
    samples.removeAll { now - $0.nanoseconds > MemoryTrend.windowNanoseconds }
    if samples.count >= MemoryTrend.samplesMax {
      // Every second one stays: the time that they span does not shrink.
      samples = samples.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    }
    samples.append((now, pages))
  }

  /// Change each second; nil where too little was seen.
  ///
  /// Where the newest third goes the other way it alone counts: what ended a moment ago, as by the end of a process, does not
  /// go on.
  package var pagesPerSecond: Int64? {
    guard let whole = MemoryTrend.slope(samples[...]) else { return nil }
    let newest = samples.suffix(max(MemoryTrend.samplesMin, samples.count / 3))
    guard let late = MemoryTrend.slope(newest), (late < 0) != (whole < 0) else { return whole }
    return late
  }

  private static func slope(_ samples: ArraySlice<(nanoseconds: Int64, pages: Pages)>) -> Int64? {
    guard samples.count >= samplesMin, let first = samples.first, let last = samples.last,
      last.nanoseconds - first.nanoseconds >= spanMinNanoseconds
    else { return nil }
    let times = samples.map { Double($0.nanoseconds - first.nanoseconds) / 1e9 }
    let pages = samples.map { Double($0.pages) }
    let count = Double(samples.count)
    let (meanTime, meanPages) = (times.reduce(0, +) / count, pages.reduce(0, +) / count)
    let spread = times.reduce(0) { $0 + ($1 - meanTime) * ($1 - meanTime) }
    guard spread > 0 else { return nil }
    let slope = zip(times, pages).reduce(0) { $0 + ($1.0 - meanTime) * ($1.1 - meanPages) } / spread
    return Int64(slope.rounded())
  }

  /// Until nothing is left at this rate; nil where it is not running out within a month.
  package var secondsLeft: Int64? {
    guard let rate = pagesPerSecond, rate < 0, let left = samples.last?.pages else { return nil }
    let seconds = max(0, left) / -rate
    return seconds > MemoryTrend.secondsMax ? nil : seconds
  }
}
