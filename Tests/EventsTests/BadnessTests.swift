// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct BadnessTests {
  static let parts = BadnessParts(anonPages: 8101, filePages: 1, shmemPages: 193, swapPages: 40, pgtablePages: 25)

  @Test("the parts add up as dmesg's rss and as the score before oom_score_adj")
  func sums() {
    #expect(BadnessTests.parts.residentPages == 8295)
    #expect(BadnessTests.parts.totalPages == 8360)
  }

  static let weights: [(Int, Pages, Pages)] = [
    (0, Pages(8192), Pages(0)),
    (1, 8192, 8),
    (-50, 8192, -400),
    (300, 8192, 2400),
    (500, 71_539, 35_500),
    (1000, 8999, 8000),
    (-1000, 71_539, -71_000),
    (1000, 1000, 1000),
    (1000, 999, 0),
    (-1000, 999, 0),
    (1000, 1, 0),
    (1000, 0, 0),
    // 16 TiB of pages: no overflow, and nothing lost.
    (1000, 4_294_967_296, 4_294_967_000),
    (-999, 4_294_967_296, -4_290_672_033),
  ]

  @Test("oom_score_adj weighs thousandths of the domain, and the integer division comes first", arguments: weights)
  func adjPoints(oomScoreAdj: Int, domainPages: Pages, points: Pages) {
    #expect(Badness.adjPoints(oomScoreAdj: oomScoreAdj, domainPages: domainPages) == points)
    #expect(
      Badness.points(BadnessTests.parts, oomScoreAdj: oomScoreAdj, domainPages: domainPages) == 8360 + points)
  }

  @Test("points below zero stay below zero, since the kernel kills by them all the same")
  func negativePoints() {
    #expect(Badness.points(BadnessTests.parts, oomScoreAdj: -999, domainPages: 71_539) == -62_569)
  }

  struct Residue: Sendable {
    var points: Pages?
    var source: PointsSource?
    var adjPoints: Pages?
    var pages: Pages?
  }

  @Test(
    "what the parts do not explain is told of the kernel's own points alone",
    arguments: [
      Residue(points: 8360, source: .kernel, adjPoints: 0, pages: 0),
      Residue(points: 8424, source: .kernel, adjPoints: 0, pages: 64),
      Residue(points: 7960, source: .kernel, adjPoints: -400, pages: 0),
      Residue(points: 7900, source: .kernel, adjPoints: -400, pages: -60),
      Residue(points: 8424, source: .computed, adjPoints: 0, pages: nil),
      Residue(points: 8424, source: nil, adjPoints: 0, pages: nil),
      Residue(points: nil, source: .kernel, adjPoints: 0, pages: nil),
      Residue(points: 8424, source: .kernel, adjPoints: nil, pages: nil),
    ])
  func residue(row: Residue) {
    var badness = VictimBadness(parts: BadnessTests.parts)
    badness.points = row.points
    badness.pointsSource = row.source
    badness.adjPoints = row.adjPoints
    #expect(badness.residuePages == row.pages)
  }

  @Test("no limit is not a number of pages")
  func limits() {
    #expect(Limit.unlimited.pages == nil)
    #expect(Limit.pages(0).pages == 0)
    #expect(Limit.pages(8192).pages == 8192)
  }
}
