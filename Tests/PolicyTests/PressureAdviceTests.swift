// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

/// When to look again, who grew, and whom to stop.
@Suite struct PressureAdviceTests {
  static let second: Int64 = 1_000_000_000

  private static func reading(_ available: Pages, of total: Pages = 1_000_000) -> PressureReading {
    PressureReading(totalPages: total, availablePages: available)
  }

  struct Sleep: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Seconds and available pages of the looks; the last one's sleep counts.
    let looks: [(second: Int64, available: Pages)]
    var level = PressureLevel.normal
    var isWoken = true
    let nanoseconds: Int64
  }

  static let sleeps: [Sleep] = [
    Sleep(testDescription: "nothing is known yet", looks: [(0, 900_000)], nanoseconds: 10 * second),
    Sleep(testDescription: "nothing changes", looks: [(0, 900_000), (10, 900_000)], nanoseconds: 10 * second),
    Sleep(testDescription: "memory comes back", looks: [(0, 500_000), (10, 900_000)], nanoseconds: 10 * second),
    Sleep(
      testDescription: "nobody tells of stall, so it is looked for", looks: [(0, 900_000)], isWoken: false,
      nanoseconds: 2 * second),
    Sleep(
      testDescription: "above normal the fall is looked for", looks: [(0, 200_000)], level: .low,
      nanoseconds: 2 * second),
    Sleep(
      testDescription: "half of the time to the threshold at the rate that was seen",
      looks: [(0, 900_000), (10, 800_000)], nanoseconds: 10 * second),
    Sleep(
      testDescription: "the same, twice as fast and nearer", looks: [(0, 600_000), (10, 400_000)],
      nanoseconds: 5 * second / 2),
    Sleep(
      testDescription: "never less than a second, however fast", looks: [(0, 900_000), (1, 301_000)],
      nanoseconds: second),
    Sleep(
      testDescription: "a burst is remembered for a while", looks: [(0, 900_000), (10, 500_000), (15, 500_000)],
      nanoseconds: 5 * second),
    Sleep(
      testDescription: "two looks at one moment tell no rate", looks: [(3, 900_000), (3, 400_000)],
      nanoseconds: 10 * second),
    Sleep(testDescription: "more is free than there is", looks: [(0, 9), (1, 9_000_000)], nanoseconds: 10 * second),
  ]

  @Test("it sleeps as long as no threshold can be reached", arguments: sleeps)
  func sleep(row: Sleep) {
    var timer = PressureTimer(PressureThresholds(), isWoken: row.isWoken)
    let slept = row.looks.map {
      timer.sleepNanoseconds(
        after: PressureAdviceTests.reading($0.available), level: row.level,
        nowNanoseconds: $0.second * PressureAdviceTests.second)
    }
    #expect(slept.last == row.nanoseconds)
  }

  @Test("without any memory the timer goes on") func emptyTimer() {
    var timer = PressureTimer(PressureThresholds(), isWoken: true)
    let empty = PressureReading(totalPages: 0, availablePages: 0)
    #expect(timer.sleepNanoseconds(after: empty, level: .normal, nowNanoseconds: 0) == 10 * PressureAdviceTests.second)
  }

  private static func process(_ pid: Int32, _ pages: Pages, start: Int64? = 1) -> ProcessSnapshot {
    var process = Make.process(pid, pages)
    process.startBootNanoseconds = start
    return process
  }

  @Test("growth is by process and not by number, a new one has taken all it holds, and the first look tells none")
  func growth() {
    var growth = ProcessGrowth()
    let before = [
      PressureAdviceTests.process(2, 100), PressureAdviceTests.process(3, 500), PressureAdviceTests.process(4, 50),
      PressureAdviceTests.process(5, 70, start: nil),
    ]
    #expect(growth.grown(before, nowNanoseconds: 5).map(\.pagesPerSecond) == [nil, nil, nil, nil])
    growth.take(before, nowNanoseconds: 0)
    let after = [
      PressureAdviceTests.process(2, 300), PressureAdviceTests.process(3, 400),
      PressureAdviceTests.process(4, 60, start: 9), PressureAdviceTests.process(5, 71, start: nil),
      PressureAdviceTests.process(6, 20),
    ]
    let grown = growth.grown(after, nowNanoseconds: 2 * PressureAdviceTests.second)
    #expect(grown.map(\.pagesPerSecond) == [100, -50, 30, 1, 10])
    #expect(ProcessGrowth.fastest(grown, 3).map(\.process.pid) == [2, 4, 6])
    #expect(ProcessGrowth.biggest(grown, 2).map(\.process.pid) == [3, 2])
    #expect(growth.grown(after, nowNanoseconds: 0).allSatisfy { $0.pagesPerSecond == nil })
    #expect(ProcessGrowth.biggest([(PressureAdviceTests.process(7, 0), nil)], 5).isEmpty)
  }

  @Test("whom to stop is in the kernel's order, with what comes back; never init, -1000, ourselves, or who has nothing")
  func suggestions() {
    var fileOnly = Make.process(7, 0)
    fileOnly.parts = BadnessParts(anonPages: 0, filePages: 9000, shmemPages: 50, swapPages: 0, pgtablePages: 0)
    let processes = [
      Make.process(1, 5000, skipped: .globalInit), Make.process(2, 4000, adj: -1000, skipped: .oomScoreAdjMin),
      Make.process(3, 3000), Make.process(4, 2000), Make.process(5, 1000), Make.process(6, 10), fileOnly,
    ]
    let standings = Standings(processes, domain: .system(ramPages: 10_000, swapPages: 0))
    let found = PressureAdvice.suggestions(
      standings, PressureAdviceTests.reading(400, of: 10_000), PressureThresholds(), sparing: [4])
    #expect(found.map(\.pid) == [3, 5, 6])
    #expect(found.map(\.levelAfter) == [.normal, .medium, .critical])
    #expect(found.map(\.freesPages) == [3000, 1000, 10])
    #expect(
      PressureAdvice.suggestions(
        Standings([], domain: .system(ramPages: 1, swapPages: 0)), PressureAdviceTests.reading(0, of: 0),
        PressureThresholds(), sparing: []
      ).isEmpty)
  }

  @Test("what the kernel is asked for brings memory below medium, and is never too little to ask for")
  func missing() {
    let rows: [(available: Pages, total: Pages, wanted: Pages)] = [
      (500, 10_000, 1301), (0, 10_000, 1801), (5000, 10_000, 64), (1799, 10_000, 64), (0, 0, 64),
      (-500, 10_000, 1801), (180_000, 1_000_000, 100), (0, 1 << 50, 64),
    ]
    for row in rows {
      #expect(
        PressureAdvice.missingPages(
          PressureAdviceTests.reading(row.available, of: row.total), below: PressureThresholds(), least: 64)
          == row.wanted)
    }
  }
}
