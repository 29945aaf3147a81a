// SPDX-License-Identifier: Apache-2.0
import Events
import History
import TestSupport
import Testing

/// What is remembered of the minutes before a kill.
@Suite struct MemoryRecorderTests {
  static let second: Int64 = 1_000_000_000

  static func reading(available: Pages = 50_000, stall: Int64? = 0, _ processes: [(Int32, Pages)]) -> MemoryReading {
    var host = PressureReading(totalPages: 100_000, availablePages: available)
    if let stall {
      let line = PressureStall.Line(
        average10Hundredths: stall, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 0)
      host.stall = PressureStall(some: line, full: line)
    }
    return MemoryReading(
      host: host,
      processes: processes.map { pid, pages in
        MemoryReading.Process(
          pid: pid, startBootNanoseconds: Int64(pid), comm: Comm(low: 0x62, high: 0), residentPages: pages,
          swapPages: 0)
      })
  }

  /// Looks at these seconds; each process has a size at each.
  static func recorder(_ seconds: [Int64], _ processes: (Int64) -> [(Int32, Pages)]) -> MemoryRecorder {
    var recorder = MemoryRecorder()
    for at in seconds {
      recorder.hurry(nowNanoseconds: at * second - second)
      let hasLooked = recorder.sample(clock: { at * second }, read: { reading(processes(at)) })
      #expect(hasLooked)
    }
    return recorder
  }

  static func kill(pid: Int32 = 42, pages: Pages = 9000, age: Int64? = nil) -> OOMKill {
    var made = MadeKill()
    made.pages = pages
    made.change = { kill in
      kill.victim.pid = pid
      kill.victim.ageSeconds = age
    }
    return made.kill
  }

  struct Pace: Sendable {
    var available: Pages = 50_000
    var stall: Int64? = 0
    var costNanoseconds: Int64 = 0
    var nextNanoseconds: Int64
  }

  static let paces = [
    Pace(nextNanoseconds: 10 * second), Pace(stall: nil, nextNanoseconds: 10 * second),
    Pace(available: 9999, nextNanoseconds: second), Pace(available: 10_000, nextNanoseconds: 10 * second),
    Pace(stall: 100, nextNanoseconds: second), Pace(stall: 99, nextNanoseconds: 10 * second),
    Pace(costNanoseconds: 11_000_000, nextNanoseconds: 11 * second),
    Pace(available: 0, costNanoseconds: 11_000_000, nextNanoseconds: 1_100_000_000),
    Pace(costNanoseconds: -5, nextNanoseconds: 10 * second),
  ]

  @Test(
    "it looks every ten seconds, every second where memory is short, and less often where a look costs much",
    arguments: paces)
  func pace(pace: Pace) {
    var recorder = MemoryRecorder()
    var times = [7 * MemoryRecorderTests.second, 7 * MemoryRecorderTests.second + pace.costNanoseconds]
    recorder.sample(clock: { times.removeFirst() }) {
      MemoryRecorderTests.reading(available: pace.available, stall: pace.stall, [])
    }
    #expect(recorder.dueNanoseconds == 7 * MemoryRecorderTests.second + pace.nextNanoseconds)
    let early = recorder.dueNanoseconds - 1
    let hasLooked = recorder.sample(clock: { early }, read: { fatalError("it is not due") })
    #expect(!hasLooked)
    #expect(recorder.count == 1)
  }

  @Test("what cannot be read is counted, and tried again later")
  func unreadable() {
    var recorder = MemoryRecorder()
    let hasLooked = recorder.sample(clock: { 0 }, read: { nil })
    #expect(!hasLooked)
    #expect(recorder.failures == 1)
    #expect(recorder.dueNanoseconds == 10 * MemoryRecorderTests.second)
    #expect(recorder.before(MemoryRecorderTests.kill(), monotonicNanoseconds: 5) == nil)
  }

  @Test("a kill has its victim first, then who grew most, then the biggest; its own size comes from the kernel")
  func series() throws {
    // Each process, what it begins with, and how much of the time it takes.
    let sizes: [(pid: Int32, base: Pages, slope: Pages)] = [
      (42, 0, 10), (1, 90_000, 0), (2, 500, 1), (3, 500, 3), (4, 900, -1), (5, 10, 2), (6, 0, 4), (7, 0, 5),
    ]
    let recorder = MemoryRecorderTests.recorder([100, 110, 120]) { at in
      sizes.map { ($0.pid, $0.base + $0.slope * at) }
    }
    let record = try #require(
      recorder.before(MemoryRecorderTests.kill(), monotonicNanoseconds: 121 * MemoryRecorderTests.second))
    #expect(record.millisecondsBefore == [21_000, 11_000, 1000, 0])
    #expect(record.processes.map(\.pid) == [42, 7, 6, 3, 5, 1])
    #expect(record.processes[0].residentPages == [1000, 1100, 1200, 9000])
    #expect(record.processes[0].moments == [0, 1, 2, 3])
    #expect(record.processes.map(\.isVictim) == [true, false, false, false, false, false])
    #expect(record.availablePages == [50_000, 50_000, 50_000])
    #expect(record.someHundredths == [0, 0, 0])
    var json = JSONWriter()
    record.encode(into: &json)
    #expect(MemoryBefore(json: json.bytes) == record)
  }

  @Test(
    "a victim that came between two looks has its size at the kill alone, and another with its number before is not it")
  func youngVictim() throws {
    let young = MemoryRecorderTests.recorder([100, 110]) { _ in [(1, 5)] }
    let record = try #require(
      young.before(MemoryRecorderTests.kill(age: 3), monotonicNanoseconds: 115 * MemoryRecorderTests.second))
    #expect(record.processes[0].moments == [2])
    #expect(record.processes[0].residentPages == [9000])
    let reused = MemoryRecorderTests.recorder([100, 110]) { _ in [(42, 5)] }
    let other = try #require(
      reused.before(MemoryRecorderTests.kill(age: 3), monotonicNanoseconds: 115 * MemoryRecorderTests.second))
    #expect(other.processes[0].residentPages == [9000])
  }

  @Test("memory holds 360 looks of 24 processes, a record ten minutes and 120 moments")
  func bounds() throws {
    let recorder = MemoryRecorderTests.recorder(Array(1...1000)) { at in
      (1...60).map { (pid: Int) -> (Int32, Pages) in (Int32(pid), Pages(pid) * at) }
    }
    #expect(recorder.count == 360)
    let record = try #require(
      recorder.before(MemoryRecorderTests.kill(pid: 60), monotonicNanoseconds: 1000 * MemoryRecorderTests.second))
    #expect(record.millisecondsBefore.count == 121)
    #expect(record.millisecondsBefore.dropLast().last == 0)
    #expect(record.millisecondsBefore.first == 357_000)
    #expect(zip(record.millisecondsBefore, record.millisecondsBefore.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(record.processes.count == 5)
    #expect(record.processes.allSatisfy { $0.pid > 36 })
    let late = recorder.before(MemoryRecorderTests.kill(), monotonicNanoseconds: 1700 * MemoryRecorderTests.second)
    #expect(late == nil)
    var json = JSONWriter()
    record.encode(into: &json)
    #expect(json.bytes.count < 12_000)
  }

  static let junk = [
    "", "{}", "[]", #"{"total_pages":1}"#, #"{"total_pages":1,"before_ms":[5,0],"available_pages":[1,2]}"#,
    #"{"total_pages":1,"before_ms":[5,0],"available_pages":[1],"processes":[{"pid":1,"comm":"a","at":[9],"resident_pages":[1]}]}"#,
    #"{"total_pages":1,"before_ms":[5,0],"available_pages":[1],"processes":[{"pid":1,"comm":"a","at":[-1],"resident_pages":[1]}]}"#,
    #"{"total_pages":1,"before_ms":[5,0],"available_pages":[1],"processes":[{"pid":1,"comm":"a","at":[0,1],"resident_pages":[1]}]}"#,
    #"{"total_pages":0,"before_ms":[5,0],"available_pages":[1]}"#,
  ]

  @Test("a record that contradicts itself is none", arguments: junk)
  func refusesJunk(text: String) { #expect(MemoryBefore(json: Array(text.utf8)) == nil) }

  @Test("a kill is stored with the memory before it, thirty a minute")
  func stored() throws {
    let kept = Kept()
    let clock = FakeClock()
    let store = kept.store { $0.clock = clock.read }
    store.recorder = MemoryRecorderTests.recorder([4990, 5000]) { _ in [(7, 1000)] }
    for number in 1...40 { store.take(Kept.line(number)) }
    store.close()
    #expect(store.status.memoryRecords == 30)
    #expect(store.status.memoryRecordsOmitted == 10)
    let rows = try kept.rows()
    #expect(rows.map(\.hasMemory) == (1...40).map { $0 <= 30 })
    let record = try #require(try kept.reader().memory(1))
    #expect(record.processes.map(\.pid) == [1001, 7])
    #expect(record.millisecondsBefore == [11_000, 1000, 0])
    #expect(try kept.reader().memory(31) == nil)
  }
}
