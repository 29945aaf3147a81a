// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct RankingTests {
  /// "pid points rank" of each that is listed, or "pid why" of one that was passed over.
  private static func list(_ candidates: Candidates?) -> [String] {
    candidates?.list.map { candidate in
      if let skipped = candidate.skipped { return "\(candidate.pid) \(skipped.rawValue)" }
      return "\(candidate.pid) \(candidate.points!) \(candidate.rank!)"
    } ?? ["no candidates"]
  }

  private static func candidates(
    _ records: [KernelRecord], points: Pages? = 600, limit: UInt64? = 7, scope: Scope = .memcg, chosen: Int32 = 20,
    stored: Int? = nil, _ change: (inout Assembler.Configuration) -> Void = { _ in }
  ) -> OOMKill? {
    var assembler = Assembler.test(.kprobe, change)
    let decision = Make.decision(
      trigger: Make.trigger(control: Make.control(scope)), points: points, limit: limit,
      considered: stored ?? records.count, chosen: chosen)
    return assembler.receive([decision] + records + [Make.kill(chosen), Make.end()]).kills.first
  }

  private static let five: [KernelRecord] = [
    Make.candidate(16, Make.parts(300), points: 300), Make.candidate(17, Make.parts(400), points: 400),
    Make.candidate(18, Make.parts(600), points: 600), Make.candidate(20, Make.parts(600), points: 600),
    Make.candidate(22, Make.parts(9), points: -991, adj: -100),
  ]

  static let lengths: [(Int?, [String])] = [
    (nil, ["20 600 1", "18 600 2", "17 400 3", "16 300 4", "22 -991 5"]),
    (6, ["20 600 1", "18 600 2", "17 400 3", "16 300 4", "22 -991 5"]),
    (5, ["20 600 1", "18 600 2", "17 400 3", "16 300 4", "22 -991 5"]),
    (4, ["20 600 1", "18 600 2", "17 400 3", "16 300 4"]),
    (1, ["20 600 1"]),
    (0, []),
  ]

  @Test(
    "as many are listed as are wanted, of equals the later first; all are counted, the margin stays", arguments: lengths
  )
  func listed(wanted: Int?, list: [String]) {
    let kill = RankingTests.candidates(RankingTests.five) { $0.candidatesListed = wanted }
    #expect(RankingTests.list(kill?.candidates) == list)
    #expect(kill?.candidates?.considered == 5)
    #expect(kill?.candidates?.runnerUpMarginPages == 0)
  }

  static let margins: [(records: [KernelRecord], margin: Pages?)] = [
    ([Make.candidate(20, Make.parts(600), points: 600)], nil),
    ([Make.candidate(20, Make.parts(600), points: 600), Make.candidate(21, Make.parts(1), points: 1)], 599),
    (
      [Make.candidate(20, Make.parts(600), points: 600), Make.candidate(21, Make.parts(9), points: -991, adj: -100)],
      1591
    ),
    ([Make.candidate(20, Make.parts(600), points: 600), Make.candidate(21, Make.parts(900), points: .min)], nil),
    ([Make.candidate(21, Make.parts(1), points: 1)], nil),
  ]

  @Test("the margin is that to the best of the others that could be taken", arguments: margins.indices, [0, 1, 20])
  func margin(row: Int, wanted: Int) {
    let kill = RankingTests.candidates(RankingTests.margins[row].records) { $0.candidatesListed = wanted }
    #expect(kill?.candidates?.runnerUpMarginPages == RankingTests.margins[row].margin)
  }

  @Test("those that were passed over come last, each with why, as far as the list goes")
  func skipped() {
    let records = [
      Make.candidate(1, Make.parts(9999), skipped: .globalInit),
      Make.candidate(30, Make.parts(900), points: .min, skipped: .oomScoreAdjMin),
      Make.candidate(31, Make.parts(0), points: .min), Make.candidate(32, Make.parts(800), skipped: .alreadyVictim),
      Make.candidate(20, Make.parts(600), points: 600),
      Make.candidate(33, Make.parts(800), points: .min, skipped: .oomSkip),
      Make.candidate(34, Make.parts(800), points: .min, skipped: .inVfork),
    ]
    let all = [
      "20 600 1", "1 init", "30 oom_score_adj_min", "31 no_mm", "32 already_victim", "33 mmf_oom_skip", "34 in_vfork",
    ]
    for wanted in 0...7 {
      let kill = RankingTests.candidates(records) { $0.candidatesListed = wanted }
      #expect(RankingTests.list(kill?.candidates) == Array(all.prefix(wanted)))
    }
    #expect(RankingTests.candidates(records)?.candidates?.runnerUpMarginPages == nil)
  }

  @Test("a candidate without points was outside of the cpuset, where points are seen and no group is the domain")
  func outsideCpuset() {
    let records = [Make.candidate(30, Make.parts(5000)), Make.candidate(20, Make.parts(600), points: 600)]
    func list(_ scope: Scope, sees: Bool) -> [String] {
      RankingTests.list(
        RankingTests.candidates(records, limit: nil, scope: scope) { $0.seesBadness = sees }?.candidates)
    }
    for scope in [Scope.system, .cpuset, .mempolicy] {
      #expect(list(scope, sees: true) == ["20 600 1", "30 outside_cpuset"])
      #expect(list(scope, sees: false) == ["30 5000 1", "20 600 2"])
    }
    #expect(list(.memcg, sees: true) == ["30 5000 1", "20 600 2"])
  }

  @Test("LONG_MIN and LONG_MAX are never told as numbers", arguments: [Pages.min, .max], [Scope.memcg, .cpuset])
  func sentinels(sentinel: Pages, scope: Scope) {
    let others = [
      Make.candidate(30, Make.parts(700), points: 700), Make.candidate(31, Make.parts(5), points: sentinel),
      Make.candidate(32, Make.parts(6), points: .min, skipped: .oomSkip),
    ]
    for own in [Make.candidate(20, Make.parts(600)), Make.candidate(20, Make.parts(600), points: sentinel)] {
      let kill = RankingTests.candidates(others + [own], points: sentinel, scope: scope)
      #expect(kill?.badness?.points == 600)
      #expect(kill?.badness?.pointsSource == .computed)
      var encoder = NDJSONEncoder(host: "h", bootID: nil, pageSizeBytes: 4096)
      let line = kill.map {
        String(
          decoding: encoder.line(.oomKill($0), at: .init(wallNanoseconds: 0, monotonicNanoseconds: 0)), as: UTF8.self)
      }
      #expect(line?.contains("9223372036854775") == false)
    }
  }

  @Test("an oom origin is taken whatever it holds: it ranks first, and there is no margin")
  func origin() {
    let records = [
      Make.candidate(30, Make.parts(700), points: 700), Make.candidate(20, Make.parts(600)),
      Make.candidate(31, Make.parts(800), points: 800),
    ]
    let kill = RankingTests.candidates(records, points: .max, limit: nil, scope: .system)
    #expect(RankingTests.list(kill?.candidates) == ["20 600 1", "31 800 2", "30 700 3"])
    #expect(kill?.candidates?.runnerUpMarginPages == nil)
  }

  @Test("lost candidates make the list incomplete, and the event says so")
  func lostChunks() {
    let kill = RankingTests.candidates([Make.candidate(20, Make.parts(600), points: 600)], stored: 40)
    #expect(kill?.unavailable == ["candidates", "limit.limit_pages"])
    #expect(kill?.candidates?.considered == 40)
    let all = RankingTests.candidates([], stored: 40)
    #expect(all?.unavailable == ["candidates", "limit.limit_pages"])
    #expect(RankingTests.list(all?.candidates) == [])
    #expect(all?.badness?.points == 600)
    #expect(all?.badness?.parts == Make.parts(500))
  }

  @Test("candidates of another decision are not taken in")
  func foreignCandidates() {
    let kill = RankingTests.candidates([
      Make.candidate(20, Make.parts(600), points: 600), Make.candidate(21, Make.parts(1), points: 1, decision: 2),
    ])
    #expect(RankingTests.list(kill?.candidates) == ["20 600 1"])
    #expect(kill?.unavailable == ["candidates", "limit.limit_pages"])
  }

  @Test("points that the parts do not explain are the kernel's all the same, with the rest beside them")
  func residue() {
    let kill = RankingTests.candidates([Make.candidate(20, Make.parts(590), points: 600)])
    #expect(kill?.badness?.points == 600)
    #expect(kill?.badness?.residuePages == 10)
    #expect(kill?.candidates?.list.map(\.residuePages) == [10])
  }
}
