// SPDX-License-Identifier: Apache-2.0

/// When the kernel decided, so far as it is kept: how much time lay between, and how many came at once.
///
/// Times of two hosts, or of two boots without a wall clock, are never set against each other.
package struct KillMoments: Hashable, Sendable {
  /// Decisions whose times are kept: of more the oldest quarter is dropped.
  package static let momentsMax = 65_536
  /// Decisions of one burst lie no further apart.
  package static let burstGapNanoseconds: Int64 = 60_000_000_000
  /// Fewer are no burst.
  package static let burstMin = 3
  private static let dayNanoseconds: Int64 = 86_400_000_000_000

  /// One clock: of a host, or of one of its boots.
  private struct Clock: Hashable {
    var host: KernelName?
    /// Nil of the wall clock.
    var boot: String?
    var isWall: Bool
  }

  private struct Moment: Hashable {
    var series: Int32
    var isWall: Bool
    var kills: Int32
    var nanoseconds: Int64
  }

  /// Times between decisions of one host, nanoseconds.
  package struct Intervals: Hashable, Sendable {
    package var count: Int
    package var shortestNanoseconds: Int64
    package var medianNanoseconds: Int64
    package var longestNanoseconds: Int64
  }

  /// Decisions that came one after another.
  package struct Burst: Hashable, Sendable {
    package var decisions: Int
    package var nanoseconds: Int64
    /// Nil where the log had no wall clock.
    package var firstWallNanoseconds: Int64?
  }

  /// The day that ends with the last kill.
  package struct LastDay: Hashable, Sendable {
    package var endWallNanoseconds: Int64
    package var decisions: Int
    package var kills: Int
    /// More may have been: older times of that day were dropped.
    package var isAtLeast: Bool
  }

  private var moments: [Moment] = []
  private var series: [Clock: Int32] = [:]
  private var lastOfSeries: [Int32: Int64] = [:]
  private var seriesCount: Int32 = 0
  /// The newest time that was dropped.
  private var droppedUpTo: Int64?
  /// Decisions whose time is not kept.
  package private(set) var dropped = 0

  package init() {}

  /// Another decision.
  mutating func add(host: KernelName?, boot: String?, at time: EventTime) {
    let isWall = time.wallNanoseconds != nil
    guard let nanoseconds = time.wallNanoseconds ?? time.monotonicNanoseconds else { return }
    let clock = Clock(host: host, boot: isWall ? nil : boot, isWall: isWall)
    guard series[clock] != nil || series.count < KillStatistics.namesMax else {
      dropped += 1
      return
    }
    var number = series[clock]
    // Without a wall clock, time that goes back is another boot's.
    if number == nil || (!isWall && nanoseconds < lastOfSeries[number!] ?? .min) {
      number = seriesCount
      seriesCount += 1
      if let old = series[clock] { lastOfSeries[old] = nil }
      series[clock] = number
    }
    lastOfSeries[number!] = nanoseconds
    if moments.count == KillMoments.momentsMax { dropOldest() }
    moments.append(Moment(series: number!, isWall: isWall, kills: 1, nanoseconds: nanoseconds))
  }

  /// Another kill of the last decision.
  mutating func addKillOfLastDecision() {
    guard !moments.isEmpty else { return }
    moments[moments.count - 1].kills &+= 1
  }

  private mutating func dropOldest() {
    moments.sort { $0.nanoseconds < $1.nanoseconds }
    let count = KillMoments.momentsMax / 4
    droppedUpTo = moments[..<count].last { $0.isWall }.map { max($0.nanoseconds, droppedUpTo ?? .min) } ?? droppedUpTo
    moments.removeFirst(count)
    dropped += count
  }

  /// Of each clock by itself, in order of time.
  private var sorted: [Moment] { moments.sorted { ($0.series, $0.nanoseconds) < ($1.series, $1.nanoseconds) } }

  /// Nil where no two decisions have times on one clock.
  package var intervals: Intervals? {
    let sorted = sorted
    let gaps = zip(sorted, sorted.dropFirst()).filter { $0.series == $1.series }
      .map { $1.nanoseconds &- $0.nanoseconds }.sorted()
    guard let shortest = gaps.first, let longest = gaps.last else { return nil }
    let middle = gaps.count / 2
    let median = gaps.count % 2 == 1 ? gaps[middle] : gaps[middle - 1] + (gaps[middle] - gaps[middle - 1]) / 2
    return Intervals(
      count: gaps.count, shortestNanoseconds: shortest, medianNanoseconds: median, longestNanoseconds: longest)
  }

  /// The largest first.
  package var bursts: [Burst] {
    var bursts: [Burst] = []
    let sorted = sorted
    var start = 0
    for place in 1..<max(2, sorted.count + 1) where place >= sorted.count || isApart(sorted[place - 1], sorted[place]) {
      if place - start >= KillMoments.burstMin {
        let first = sorted[start]
        bursts.append(
          Burst(
            decisions: place - start, nanoseconds: sorted[place - 1].nanoseconds - first.nanoseconds,
            firstWallNanoseconds: first.isWall ? first.nanoseconds : nil))
      }
      start = place
    }
    return bursts.sorted { $0.decisions > $1.decisions }
  }

  private func isApart(_ one: Moment, _ other: Moment) -> Bool {
    one.series != other.series || other.nanoseconds &- one.nanoseconds > KillMoments.burstGapNanoseconds
  }

  /// Nil where no kill has a wall-clock time. It ends with the last kill of the log, and not now.
  package var lastDay: LastDay? {
    guard let end = moments.lazy.filter(\.isWall).map(\.nanoseconds).max() else { return nil }
    let start = end - KillMoments.dayNanoseconds
    let within = moments.filter { $0.isWall && $0.nanoseconds > start }
    return LastDay(
      endWallNanoseconds: end, decisions: within.count, kills: within.reduce(0) { $0 + Int($1.kills) },
      isAtLeast: droppedUpTo.map { $0 > start } ?? false)
  }
}
