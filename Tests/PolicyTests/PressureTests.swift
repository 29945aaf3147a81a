// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

/// Levels of pressure, when they change, and how long memory lasts.
@Suite struct PressureTests {
  private static func reading(
    used: Int64, swap: Int64? = nil, some: Int64? = nil, full: Int64? = nil
  ) -> PressureReading {
    var reading = PressureReading(totalPages: 10_000, availablePages: 10_000 - used)
    if let swap { (reading.swapTotalPages, reading.swapFreePages) = (10_000, 10_000 - swap) }
    func line(_ hundredths: Int64) -> PressureStall.Line {
      .init(average10Hundredths: hundredths, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 0)
    }
    if let some { reading.stall = PressureStall(some: line(some), full: full.map(line)) }
    return reading
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let reading: PressureReading
    let level: PressureLevel
    let causes: [PressureCause]

    init(_ text: String, _ reading: PressureReading, _ level: PressureLevel, _ causes: [PressureCause] = []) {
      (testDescription, self.reading, self.level, self.causes) = (text, reading, level, causes)
    }
  }

  static let rows: [Row] = [
    Row("an idle host", reading(used: 1000), .normal),
    Row("one hundredth below low", reading(used: 6999), .normal),
    Row("at low", reading(used: 7000), .low, [.memory]),
    Row("at medium", reading(used: 8500), .medium, [.memory]),
    Row("at critical", reading(used: 9500), .critical, [.memory]),
    Row("all of it, and more than all", PressureReading(totalPages: 100, availablePages: -5), .critical, [.memory]),
    Row("full swap alone is no more than low", reading(used: 1000, swap: 10_000), .low, [.swap]),
    Row("full swap under medium memory is critical", reading(used: 8600, swap: 9600), .critical, [.swap]),
    Row("half swap under medium memory is medium", reading(used: 8600, swap: 5000), .medium, [.memory]),
    Row("both at one level are both named", reading(used: 8600, swap: 8600), .medium, [.memory, .swap]),
    Row(
      "a host that stands still has memory left", reading(used: 1000, some: 6000, full: 4100), .critical,
      [.stallSome, .stallFull]),
    Row("some stall alone", reading(used: 1000, some: 1000, full: 0), .low, [.stallSome]),
    Row("no swap and no memory to speak of", PressureReading(totalPages: 0, availablePages: 0), .normal),
    Row("more than all is free", PressureReading(totalPages: 100, availablePages: 1000), .normal),
  ]

  @Test("a reading has a level, and says what made it", arguments: rows)
  func level(row: Row) {
    let (level, causes) = PressureThresholds().level(of: row.reading)
    #expect(level == row.level)
    #expect(causes == row.causes)
  }

  @Test("thresholds in order within 0 to 100 percent are taken, others are not")
  func steps() {
    #expect(PressureThresholds.Steps(low: 1, medium: 1, critical: 10_000) != nil)
    for (low, medium, critical) in [(0, 1, 2), (5, 4, 6), (1, 9, 8), (1, 2, 10_001), (-1, 2, 3)] {
      #expect(PressureThresholds.Steps(low: Int64(low), medium: Int64(medium), critical: Int64(critical)) == nil)
    }
  }

  /// Seconds, used hundredths, and the change that is expected then.
  private func changes(_ readings: [(second: Int64, used: Int64)]) -> [String] {
    var tracker = PressureTracker(PressureThresholds())
    return readings.compactMap { second, used in
      tracker.take(PressureTests.reading(used: used), nowNanoseconds: second * 1_000_000_000)
        .map { "\(second): \($0.from.name) to \($0.to.name)" }
    }
  }

  @Test("up at once, over two levels too; the same level is told once")
  func rises() {
    #expect(
      changes([(0, 1000), (1, 7100), (2, 7200), (3, 9600), (4, 9700)]) == ["1: normal to low", "3: low to critical"])
  }

  @Test("down once it was lower by the margin for the whole time")
  func falls() {
    #expect(
      changes([(0, 8600), (1, 8300), (20, 8300), (21, 8100), (30, 8100), (31, 8100), (40, 8100)])
        == ["0: normal to medium", "31: medium to low"])
  }

  @Test("a single high reading begins the wait anew, and it falls to the highest of what it saw")
  func waits() {
    #expect(
      changes([(0, 9600), (1, 1000), (8, 9600), (9, 1000), (15, 8600), (18, 1000), (19, 1000), (40, 1000), (50, 1000)])
        == ["0: normal to critical", "19: critical to medium", "50: medium to normal"])
  }

  @Test("memory that goes down by a hundred pages a second lasts as long as that")
  func trend() {
    var trend = MemoryTrend()
    for second in 0..<10 { trend.add(10_000 - Int64(second) * 100, atNanoseconds: Int64(second) * 1_000_000_000) }
    #expect(trend.pagesPerSecond == -100)
    #expect(trend.secondsLeft == 91)
  }

  @Test("too few samples, too short a time, or memory that grows: no time is told")
  func noTrend() {
    var short = MemoryTrend()
    for step in 0..<10 { short.add(1000 - Int64(step), atNanoseconds: Int64(step) * 100_000_000) }
    #expect(short.pagesPerSecond == nil)
    var few = MemoryTrend()
    few.add(1000, atNanoseconds: 0)
    few.add(0, atNanoseconds: 5_000_000_000)
    #expect(few.secondsLeft == nil)
    var growing = MemoryTrend()
    for second in 0..<10 { growing.add(Int64(second) * 7, atNanoseconds: Int64(second) * 1_000_000_000) }
    #expect(growing.pagesPerSecond == 7)
    #expect(growing.secondsLeft == nil)
    var still = MemoryTrend()
    for _ in 0..<10 { still.add(5, atNanoseconds: 1_000_000_000) }
    #expect(still.pagesPerSecond == nil)
  }

  @Test("what ended a moment ago does not go on: after a process has given back all it took, nothing runs out")
  func turns() {
    var trend = MemoryTrend()
    for second in 0..<20 { trend.add(10_000 - Int64(second) * 400, atNanoseconds: Int64(second) * 1_000_000_000) }
    #expect(trend.pagesPerSecond == -400)
    for second in 20..<29 { trend.add(5000, atNanoseconds: Int64(second) * 1_000_000_000) }
    #expect(trend.pagesPerSecond == 0 && trend.secondsLeft == nil)
  }

  @Test("what is older than the window says nothing, and many samples are no more memory than a few")
  func window() {
    var trend = MemoryTrend()
    for second in 0..<100 { trend.add(100_000 - Int64(second) * 500, atNanoseconds: Int64(second) * 1_000_000_000) }
    for step in 0..<400 {
      trend.add(50_000 - Int64(step) * 10, atNanoseconds: 200_000_000_000 + Int64(step) * 50_000_000)
    }
    #expect(trend.pagesPerSecond == -200)
  }

  @Test("a threshold below the margin of the fall is left all the same")
  func lowThreshold() throws {
    var thresholds = PressureThresholds()
    thresholds.stallFull = try #require(PressureThresholds.Steps(low: 100, medium: 200, critical: 300))
    var tracker = PressureTracker(thresholds)
    func take(_ full: Int64, _ second: Int64) -> PressureLevel? {
      let reading = PressureTests.reading(used: 1000, some: full, full: full)
      return tracker.take(reading, nowNanoseconds: second * 1_000_000_000)?.to
    }
    #expect(take(310, 0) == .critical)
    #expect(take(49, 1) == nil)
    #expect(take(49, 11) == .normal)
  }

  @Test("what is missing to the next level; nothing is above critical")
  func distance() {
    let steps = PressureThresholds().memory
    let rows: [(Int64, Int64?)] = [(0, 7000), (6999, 1), (7000, 1500), (9499, 1), (9500, nil), (10_000, nil)]
    for (used, missing) in rows { #expect(steps.distanceHundredths(from: used) == missing) }
  }
}
