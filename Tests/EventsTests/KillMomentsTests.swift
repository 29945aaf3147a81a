// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// How much time lies between kills, by clocks that may be set against each other.
@Suite struct KillMomentsTests {
  private static func statistics(_ walls: [Int64], host: (Int) -> String? = { _ in nil }) -> KillStatistics {
    var statistics = KillStatistics()
    for (place, wall) in walls.enumerated() {
      var made = MadeKill()
      made.decision = UInt64(place + 1)
      statistics.add(made, at: MadeKill.day + wall, host: host(place))
    }
    return statistics
  }

  @Test("shortest, median and longest; of an even number the middle of the two")
  func intervals() {
    let minutes: [Int64] = [0, 10, 30, 60, 100].map { $0 * MadeKill.minute }
    let intervals = KillMomentsTests.statistics(minutes).moments.intervals
    #expect(intervals?.count == 4 && intervals?.shortestNanoseconds == 10 * MadeKill.minute)
    #expect(intervals?.medianNanoseconds == 25 * MadeKill.minute)
    #expect(intervals?.longestNanoseconds == 40 * MadeKill.minute)
    #expect(KillMomentsTests.statistics([0]).moments.intervals == nil)
  }

  @Test("two hosts' times are not set against each other")
  func hosts() {
    let moments = KillMomentsTests.statistics([0, 1, 100, 101].map { $0 * MadeKill.minute }) { ["a", "b"][$0 % 2] }
      .moments
    #expect(moments.intervals?.count == 2 && moments.intervals?.shortestNanoseconds == 100 * MadeKill.minute)
  }

  @Test("without a wall clock a time that goes back is another boot's, and nothing is of the last day")
  func boots() {
    var statistics = KillStatistics()
    for (place, seconds) in [100, 160, 50, 53].enumerated() {
      var made = MadeKill()
      made.decision = UInt64(place + 1)
      statistics.add(made, monotonic: Int64(seconds) * 1_000_000_000)
    }
    #expect(statistics.moments.intervals?.count == 2)
    #expect(statistics.moments.intervals?.shortestNanoseconds == 3_000_000_000)
    #expect(statistics.moments.intervals?.longestNanoseconds == 60_000_000_000)
    #expect(statistics.moments.lastDay == nil)
  }

  @Test("a burst is three decisions or more, each within a minute of the one before; a group's kills are one decision")
  func bursts() {
    let seconds: [Int64] = [0, 60, 120, 181, 1000, 1001, 1002, 1003, 9000]
    let statistics = KillMomentsTests.statistics(seconds.map { $0 * 1_000_000_000 })
    let bursts = statistics.moments.bursts
    #expect(bursts.map(\.decisions) == [4, 3])
    #expect(bursts[0].firstWallNanoseconds == MadeKill.day + 1_000_000_000_000)
    #expect(bursts[0].nanoseconds == 3_000_000_000 && bursts[1].nanoseconds == 120_000_000_000)
    let group = KillStatistics.of(5) { $1.decision = 1 }
    #expect(group.moments.bursts.isEmpty && group.moments.intervals == nil)
  }

  @Test("the last 24 hours end with the log's last kill, in whatever order files come")
  func lastDay() {
    let hours: [Int64] = [30, 24, 7, 6, 5, 0]
    let statistics = KillMomentsTests.statistics(hours.map { $0 * MadeKill.hour })
    let day = statistics.moments.lastDay
    #expect(day?.endWallNanoseconds == MadeKill.day + 30 * MadeKill.hour)
    #expect(day?.decisions == 3 && day?.kills == 3 && day?.isAtLeast == false)
  }

  @Test("times beyond the bound: the oldest go, and it is said")
  func bound() {
    let count = KillMoments.momentsMax + 1
    let moments = KillMomentsTests.statistics((0..<Int64(count)).map { $0 * 1_000_000 }).moments
    #expect(moments.dropped == KillMoments.momentsMax / 4)
    #expect(moments.lastDay?.kills == count - moments.dropped && moments.lastDay?.isAtLeast == true)
  }
}
