// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// The sums of many kills, by the numbers that are in them.
@Suite struct KillStatisticsTests {
  private static func history(_ statistics: KillStatistics) -> VictimHistory {
    statistics.victims.sums.first!.value
  }

  struct Sizes: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let pages: [Pages]
    let trend: VictimHistory.Trend
  }

  static let trends: [Sizes] = [
    Sizes(testDescription: "a leak", pages: [1000, 1200, 1400, 1900], trend: .grows),
    Sizes(testDescription: "a leak with one step back of three", pages: [1000, 1300, 1250, 1500], trend: .grows),
    Sizes(
      testDescription: "a leak through ups and downs, with as many steps down as up",
      pages: [1000, 990, 1200, 1150, 1400, 1350, 1600], trend: .grows),
    Sizes(testDescription: "no leak: up at the last alone", pages: [1000, 1005, 995, 1002, 998, 1500], trend: .varies),
    Sizes(testDescription: "up and down is no growth", pages: [1000, 1300, 1000, 1300, 1250], trend: .varies),
    Sizes(testDescription: "less than a fifth in all is no growth", pages: [1000, 1100, 1199], trend: .varies),
    Sizes(testDescription: "the same", pages: [1000, 1000, 1000], trend: .steady),
    Sizes(testDescription: "within a tenth", pages: [1050, 1000, 1100], trend: .steady),
    Sizes(testDescription: "more than a tenth", pages: [1050, 1000, 1101], trend: .varies),
    Sizes(testDescription: "it shrinks", pages: [2000, 1500, 1000], trend: .varies),
    Sizes(testDescription: "two sizes say nothing", pages: [1000, 5000], trend: .unclear),
  ]

  @Test("a victim grows, is steady or varies by its sizes", arguments: trends)
  func trend(sizes: Sizes) {
    let statistics = KillStatistics.of(sizes.pages.count) { $1.pages = sizes.pages[$0] }
    let history = KillStatisticsTests.history(statistics)
    #expect(history.trend == sizes.trend)
    #expect(history.samples.map(\.heldPages) == sizes.pages)
    #expect(history.leastPages == sizes.pages.min() && history.mostPages == sizes.pages.max())
  }

  @Test("files that come the newest first are put in order of time")
  func newestFirst() {
    var statistics = KillStatistics()
    for (place, pages) in [2000, 1600, 1300, 1000].enumerated() {
      var made = MadeKill()
      (made.decision, made.pages) = (UInt64(place + 1), Pages(pages))
      statistics.add(made, at: MadeKill.day - Int64(place) * MadeKill.hour)
    }
    let history = KillStatisticsTests.history(statistics)
    #expect(history.samples.map(\.heldPages) == [1000, 1300, 1600, 2000])
    #expect(history.trend == .grows)
    #expect(statistics.moments.intervals?.medianNanoseconds == MadeKill.hour)
  }

  @Test("many samples are thinned, and the first and the last stay")
  func thinned() {
    let statistics = KillStatistics.of(1000) { $1.pages = Pages(1000 + $0) }
    let samples = KillStatisticsTests.history(statistics).samples
    #expect(samples.count <= VictimHistory.samplesMax && samples.count > VictimHistory.samplesMax / 2)
    #expect(samples.first?.heldPages == 1000 && samples.last?.heldPages == 1999)
    #expect(samples.map(\.heldPages) == samples.map(\.heldPages).sorted())
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let make: @Sendable (inout MadeKill) -> Void
    let reason: Bystander.Reason?
    var other: String?
  }

  static let bystanders: [Case] = [
    Case(testDescription: "the largest is nobody's bystander", make: { _ in }, reason: nil),
    Case(
      testDescription: "by its oom_score_adj",
      make: {
        ($0.pages, $0.adj) = (1000, 500)
        $0.others = [MadeKill.candidate("hog", pages: 2000, adj: 0), MadeKill.candidate("sh", pages: 10, adj: 0)]
      }, reason: .adj, other: "hog"),
    Case(
      testDescription: "a positive oom_score_adj that decided nothing",
      make: {
        ($0.pages, $0.adj) = (2000, 500)
        $0.others = [MadeKill.candidate("hog", pages: 1000, adj: 0)]
      }, reason: nil),
    Case(
      testDescription: "an oom_score_adj that all have, as in a pod",
      make: {
        ($0.pages, $0.adj) = (1000, 968)
        $0.others = [MadeKill.candidate("hog", pages: 999, adj: 968), MadeKill.candidate("sh", pages: 1010, adj: 968)]
      }, reason: nil),
    Case(
      testDescription: "a raised oom_score_adj, and a larger one that is protected",
      make: {
        ($0.pages, $0.adj) = (1000, 500)
        $0.others = [MadeKill.candidate("mysqld", pages: 2000, adj: -500)]
      }, reason: .largerProtected, other: "mysqld"),
    Case(
      testDescription: "a larger one has a lower oom_score_adj",
      make: { $0.others = [MadeKill.candidate("mysqld", pages: 2500, adj: -900)] }, reason: .largerProtected,
      other: "mysqld"),
    Case(
      testDescription: "a larger one may not be killed at all",
      make: { $0.others = [MadeKill.candidate("mysqld", pages: 2500, adj: -1000)] }, reason: .largerProtected,
      other: "mysqld"),
    Case(
      testDescription: "a larger one that the kernel passed for another reason",
      make: { $0.others = [MadeKill.candidate("hog", pages: 2500, adj: 0)] }, reason: nil),
    Case(testDescription: "less than a tenth of the domain", make: { $0.pages = 399 }, reason: .smallShare),
    Case(testDescription: "a tenth of the domain", make: { $0.pages = 400 }, reason: nil),
    Case(testDescription: "of the chosen one's group", make: { $0.role = .group }, reason: .group),
    Case(
      testDescription: "vm.oom_kill_allocating_task",
      make: { $0.change = { $0.decision.path = .allocatingTask } }, reason: .allocatingTask),
    Case(
      testDescription: "sysrq-f is somebody's wish",
      make: {
        $0.pages = 1
        $0.change = { $0.decision.path = .sysrq }
      }, reason: nil),
    Case(
      testDescription: "a report without sizes",
      make: {
        $0.change = {
          $0.badness = nil
          $0.candidates = nil
        }
      }, reason: nil),
  ]

  @Test("who died for another's memory", arguments: bystanders)
  func bystander(row: Case) {
    var made = MadeKill()
    row.make(&made)
    let bystander = made.kill.bystander
    #expect(bystander?.reason == row.reason)
    #expect(bystander?.other?.text == row.other)
  }

  @Test("a victim is a bystander where half of its choices were for others; a group's deaths are not its choices")
  func bystanderTrend() {
    let mixed = KillStatistics.of(4) { place, made in
      if place < 2 { made.others = [MadeKill.candidate("mysqld", pages: 2500, adj: -900)] }
    }
    #expect(KillStatisticsTests.history(mixed).trend == .bystander)
    #expect(KillStatisticsTests.history(mixed).bystanders == [.largerProtected: 2])
    let grouped = KillStatistics.of(9) { place, made in
      made.decision = UInt64(place / 3 + 1)
      made.limit = 1000
      if place % 3 > 0 { (made.role, made.pages) = (.group, 10) }
    }
    let history = KillStatisticsTests.history(grouped)
    #expect(history.trend == .steady && history.groupKills == 6 && history.sizes == 3)
    #expect(grouped.kills == 9 && grouped.decisions == 3)
    let members = KillStatistics.of(2) { $1.role = .group }
    #expect(KillStatisticsTests.history(members).trend == .bystander)
  }

  @Test("one name at two places, or on two hosts, is two victims; a pod's containers are one")
  func victimsApart() {
    let pod = "/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef/"
    let paths = [
      "/system.slice/a.service", "/system.slice/b.service", pod + String(repeating: "0a", count: 32),
      pod + String(repeating: "0b", count: 32),
    ]
    var statistics = KillStatistics.of(4) { $1.path = paths[$0] }
    #expect(statistics.victims.count == 3 && statistics.repeatedVictims.count == 1)
    #expect(statistics.repeatedVictims[0].key.place == KillPlaceTests.pod("01234567-89ab-cdef-0123-456789abcdef"))
    #expect(statistics.containers.count == 2 && statistics.pods.count == 1 && statistics.units.count == 2)
    #expect(statistics.processes.count == 1 && statistics.cgroups.count == 4)
    statistics.add(MadeKill(), at: nil, host: "b")
    #expect(statistics.victims.count == 4 && statistics.hosts[KernelName("b")]?.kills == 1)
  }

  @Test("what the log lacks is counted: times, heads, tables")
  func lacks() {
    let statistics = KillStatistics.of(6, from: nil) { place, made in
      switch place {
      case 0: made.change = { $0.trigger = nil }
      case 1: made.change = { $0.candidates = nil }
      case 2:
        made.change = {
          $0.candidates = nil
          $0.trigger = nil
        }
      case 3:
        made.change = {
          $0.candidates = nil
          $0.decision.path = .allocatingTask
        }
      default: break
      }
    }
    #expect(statistics.withoutTime == 6 && statistics.tally.firstWallNanoseconds == nil)
    #expect(statistics.withoutHead == 2 && statistics.withoutTable == 2 && statistics.incomplete == 3)
    #expect(statistics.withoutTableAlone == 1 && statistics.withTable == 3)
    #expect(statistics.days.isEmpty && statistics.hours.isEmpty && statistics.moments.lastDay == nil)
  }

  @Test("a sharer of a victim's memory is none of the kernel's kills")
  func sharers() {
    #expect(KillStatistics.of(3) { $1.role = $0 == 0 ? .chosen : .sharesMemory }.kills == 1)
  }

  @Test("names beyond the bound are counted, and take no memory")
  func bounds() {
    let over = 10
    let statistics = KillStatistics.of(KillStatistics.namesMax + over, from: nil) { place, made in
      made.comm = "n\(place)"
      made.path = nil
    }
    #expect(statistics.processes.count == KillStatistics.namesMax && statistics.processes.dropped == over)
    #expect(statistics.kindsDropped == 2 * over)  // processes and victims
    #expect(statistics.kills == KillStatistics.namesMax + over)
  }

  @Test("days and hours are UTC's, below 1970 too")
  func calendar() {
    var statistics = KillStatistics()
    for (place, wall) in [MadeKill.day - 1, MadeKill.day, MadeKill.day + MadeKill.hour, -1].enumerated() {
      var made = MadeKill()
      made.decision = UInt64(place + 1)
      statistics.add(made, at: wall)
    }
    let day = MadeKill.day / (24 * MadeKill.hour)
    #expect(statistics.days.sums.mapValues(\.kills) == [day - 1: 1, day: 2, -1: 1])
    #expect(statistics.byHourOfDay[23] == 2 && statistics.byHourOfDay[0] == 1 && statistics.byHourOfDay[1] == 1)
  }
}
