// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

/// When the guard acts: thresholds, the order of its signals, stalls, and how long it may sleep.
@Suite struct GuardTests {
  private static let second: Int64 = 1_000_000_000

  private static func reading(_ available: Int64, swapFree: Int64 = 0, of swap: Int64 = 0) -> GuardReading {
    GuardReading(totalPages: 10_000, availablePages: available, swapTotalPages: swap, swapFreePages: swapFree)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let reading: GuardReading
    let need: GuardNeed

    init(_ text: String, _ reading: GuardReading, _ need: GuardNeed) {
      (testDescription, self.reading, self.need) = (text, reading, need)
    }
  }

  static let rows: [Row] = [
    Row("half is there", reading(5000), .none),
    Row("one page above 10 percent", reading(1001), .none),
    Row("10 percent, no swap", reading(1000), .terminate),
    Row("5 percent, no swap", reading(500), .kill),
    Row("nothing at all", reading(0), .kill),
    Row("no memory but swap", reading(0, swapFree: 5000, of: 10_000), .none),
    Row("no swap but memory", reading(5000, swapFree: 0, of: 10_000), .none),
    Row("both at their threshold", reading(1000, swapFree: 1000, of: 10_000), .terminate),
    Row("memory for a kill, swap for a term", reading(10, swapFree: 900, of: 10_000), .terminate),
    Row("both for a kill", reading(10, swapFree: 10, of: 10_000), .kill),
    Row("numbers that cannot be", GuardReading(totalPages: 0, availablePages: -1), .kill),
  ]

  @Test("memory and swap both have to be short", arguments: rows)
  func needs(row: Row) { #expect(GuardThresholds().need(row.reading, pageSizeBytes: 4096) == row.need) }

  @Test("a choice that did not help is followed by one of twice as many, and one that helped by one")
  func breadth() {
    var (breadth, now, available): (GuardBreadth, Int64, Int64) = (GuardBreadth(), 1_000_000_000_000, 1000)
    var seen: [Int] = []
    // What came back of 512 pages, and after how many milliseconds memory was short again.
    for (gained, pause) in [(0, 40), (100, 40), (255, 40), (-900, 40), (0, 40), (300, 40), (0, 40), (0, 600), (0, 40)] {
      breadth.choose(availablePages: available, now: now)
      seen.append(breadth.fewest)
      breadth.end(heldPages: 512, now: now)
      available += Int64(gained)
      now += Int64(pause) * 1_000_000
    }
    #expect(seen == [1, 2, 4, 8, 16, 16, 1, 2, 1])
    breadth.end(heldPages: 0, now: now)
    breadth.choose(availablePages: 0, now: now)
    #expect(breadth.fewest == 1, "nobody is gone")
  }

  @Test("of a share and a size the lower counts, as in earlyoom; a size alone counts alone")
  func sizes() throws {
    var thresholds = GuardThresholds()
    thresholds.memoryKibibytes = try GuardNumbers.kibibytes("400")
    #expect(thresholds.memoryPages(of: 10_000, pageSizeBytes: 4096) == .init(terminate: 100, kill: 50)!)
    thresholds.memoryKibibytes = try GuardNumbers.kibibytes("400000000")
    #expect(thresholds.memoryPages(of: 10_000, pageSizeBytes: 4096) == .init(terminate: 1000, kill: 500)!)
    thresholds.memoryHundredths = nil
    #expect(thresholds.memoryPages(of: 10_000, pageSizeBytes: 4096) == .init(terminate: 10_000, kill: 10_000)!)
  }

  @Test(
    "thresholds are read as earlyoom reads them",
    arguments: [
      ("10", 1000, 500), ("20,18", 2000, 1800), ("2.5", 250, 125), ("0.05,0", 5, 0), ("100,100", 10_000, 10_000),
    ])
  func percents(text: String, terminate: Int64, kill: Int64) throws {
    #expect(try GuardNumbers.percents(text) == .init(terminate: terminate, kill: kill)!)
  }

  @Test("what is no threshold says why")
  func badPercents() {
    for text in ["", "x", "10,", ",5", "1,2,3", "1.234", "-1", "10%", " 5", "1e1", "99999999999999999999"] {
      #expect(throws: GuardNumbers.Failure.notANumber(text)) { try GuardNumbers.percents(text) }
    }
    for text in ["0", "101", "100.01"] {
      #expect(throws: GuardNumbers.Failure.outOfRange(text)) { try GuardNumbers.percents(text) }
    }
    #expect(throws: GuardNumbers.Failure.outOfRange("200")) { try GuardNumbers.percents("10,200") }
    #expect(throws: GuardNumbers.Failure.outOfOrder(terminate: "5", kill: "10")) { try GuardNumbers.percents("5,10") }
    #expect(throws: GuardNumbers.Failure.outOfOrder(terminate: "1", kill: "2")) { try GuardNumbers.kibibytes("1,2") }
  }

  // MARK: The order of signals

  /// A machine that was led through a story.
  private struct Story {
    var machine = GuardMachine()
    var now: Int64 = 0

    mutating func at(_ seconds: Double, _ need: GuardNeed, gone: Bool = false) -> GuardMachine.Action {
      now = Int64((seconds * 1e9).rounded())
      return machine.step(need, victimIsGone: gone, now: now)
    }

    mutating func signalled(kill: Bool) { machine.signalled(kill: kill, now: now) }
  }

  @Test("calm, SIGTERM, it goes, memory is there: calm")
  func goesOnTerm() {
    var story = Story()
    #expect(story.at(0, .none) == .rest(until: nil))
    #expect(story.at(1, .terminate) == .choose(.terminate))
    story.signalled(kill: false)
    #expect(story.at(1.001, .terminate) == .rest(until: 1_006_000_000))
    #expect(story.at(1.002, .terminate, gone: true) == .ended)
    #expect(story.at(1.003, .none) == .rest(until: nil) && story.machine.state == .calm)
  }

  @Test("it ignores SIGTERM: SIGKILL when the grace is over")
  func ignoresTerm() {
    var story = Story()
    #expect(story.at(0, .terminate) == .choose(.terminate))
    story.signalled(kill: false)
    #expect(story.at(4.999, .terminate) == .rest(until: 5 * GuardTests.second))
    #expect(story.at(5, .terminate) == .escalate)
    story.signalled(kill: true)
    #expect(story.at(5.1, .kill) == .rest(until: 5_105_000_000))
    #expect(story.at(5.2, .kill, gone: true) == .ended)
  }

  @Test("memory falls below the second threshold while it has its grace: SIGKILL at once")
  func escalatesEarly() {
    var story = Story()
    #expect(story.at(0, .terminate) == .choose(.terminate))
    story.signalled(kill: false)
    #expect(story.at(0.01, .kill) == .escalate)
  }

  @Test("memory came back, and it lives on: it is let be")
  func spares() {
    var story = Story()
    #expect(story.at(0, .terminate) == .choose(.terminate))
    story.signalled(kill: false)
    #expect(story.at(1, .none) == .rest(until: 1_005_000_000))
    #expect(story.at(5, .none) == .spared && story.machine.state == .calm)
  }

  @Test("nobody else is taken before memory had time to come back")
  func waitsForMemory() {
    var story = Story()
    #expect(story.at(0, .kill) == .choose(.kill))
    story.signalled(kill: true)
    #expect(story.at(0.1, .kill, gone: true) == .ended)
    #expect(story.at(0.101, .kill) == .rest(until: 106_000_000))
    #expect(story.at(0.119, .kill) == .rest(until: 120_000_000))
    #expect(story.at(0.12, .kill) == .choose(.kill))
  }

  @Test("a killed one that does not go is given up, and the next may be taken")
  func givesUp() {
    var story = Story()
    #expect(story.at(0, .kill) == .choose(.kill))
    story.signalled(kill: true)
    #expect(story.at(1.999, .kill) == .rest(until: 2 * GuardTests.second))
    #expect(story.at(2, .kill) == .gaveUp)
    #expect(story.at(2, .kill) == .choose(.kill))
  }

  @Test("where nobody may be taken it pauses, and then looks again")
  func pauses() {
    var story = Story()
    #expect(story.at(0, .kill) == .choose(.kill))
    story.machine.failed(now: 0)
    #expect(story.at(0.5, .kill) == .rest(until: GuardTests.second))
    #expect(story.at(1, .kill) == .choose(.kill))
  }

  // MARK: Stalls and sleep

  @Test("a stall has to last, begins anew when it drops, and is mute after an action")
  func stalls() {
    var thresholds = GuardThresholds()
    thresholds.fullHundredths = 6000
    var stall = GuardStall()
    func take(_ seconds: Int64, _ full: Int64?) -> GuardAction.Threshold.Cause? {
      var reading = GuardTests.reading(5000)
      reading.fullHundredths = full
      reading.someHundredths = 10_000
      return stall.take(reading, thresholds, now: seconds * GuardTests.second)
    }
    #expect(take(0, 6000) == nil && take(19, 9000) == nil && take(20, 6000) == .stallFull)
    #expect(take(21, 5999) == nil && take(22, 6000) == nil && take(41, 6000) == nil && take(42, 6000) == .stallFull)
    stall.acted(now: 42 * GuardTests.second)
    #expect(take(43, 9000) == nil && take(57, 9000) == nil && take(62, 9000) == nil && take(63, 9000) == .stallFull)
    #expect(take(64, nil) == nil)
  }

  @Test("it sleeps a second at most, two milliseconds at least, and else as long as memory lasts")
  func pace() {
    func milliseconds(_ reading: GuardReading) -> Int64 {
      GuardPace.nanoseconds(reading, GuardThresholds(), pageSizeBytes: 4096) / 1_000_000
    }
    #expect(milliseconds(GuardTests.reading(900)) == 2)
    // 80 MiB above the threshold of 39 MiB.
    #expect(milliseconds(GuardTests.reading(1000 + 20_480)) == 10)
    #expect(milliseconds(GuardTests.reading(900, swapFree: 1000 + 20_480, of: 10_000)) == 80)
    #expect(milliseconds(GuardReading(totalPages: 1 << 24, availablePages: 1 << 24)) == 1000)
    #expect(milliseconds(GuardReading(totalPages: .max, availablePages: .max)) == 1000)
  }
}
