// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// Pressure in words, and the document of one look.
@Suite struct PressureSentenceTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var change: @Sendable (inout PressureEvent) -> Void
    let sentence: String
  }

  static func process(_ comm: String, _ pid: Int32, _ pages: Pages, rate: Int64? = nil) -> PressureEvent.Process {
    var candidate = Candidate(pid: pid, tid: pid, comm: KernelName(comm), oomScoreAdj: 0)
    candidate.parts = BadnessParts(anonPages: pages, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0)
    return PressureEvent.Process(row: ScoreRow(candidate: candidate), pagesPerSecond: rate)
  }

  static let rows: [Row] = [
    Row(
      testDescription: "the system, and nothing more is known", change: { _ in },
      sentence: "Memory pressure on the whole system is medium (was low): 90.0 % of 39.1 MiB is used, "
        + "3.9 MiB can still be had."),
    Row(
      testDescription: "swap, stall, and the time that is left",
      change: {
        ($0.reading.swapTotalPages, $0.reading.swapFreePages) = (1000, 750)
        $0.reading.stall = PressureStall(some: line(1234), full: line(5))
        ($0.availablePagesPerSecond, $0.secondsLeft) = (-256, 7)
      },
      sentence: "Memory pressure on the whole system is medium (was low): 90.0 % of 39.1 MiB is used, "
        + "3.9 MiB can still be had, 25.0 % of swap is used, tasks stood still for memory in 12.3 % of the last 10 s, "
        + "all at once in 0.0 %. At 1.0 MiB a second it is gone in 7 s."),
    Row(
      testDescription: "the biggest grows itself, and is whom to stop; names are safe for a terminal",
      change: {
        $0.reading.cgroup = CgroupRef(path: KernelName("/a\u{1b}b"))
        $0.biggest = [process("ja\u{7}va", 12, 512)]
        $0.growing = [process("ja\u{7}va", 12, 512, rate: 256)]
        $0.suggestions = [.init(pid: 12, comm: KernelName("ja\u{7}va"), freesPages: 500, levelAfter: .normal)]
      },
      sentence: "Memory pressure on cgroup /a\\x1bb is medium (was low): 90.0 % of 39.1 MiB is used, "
        + "3.9 MiB can still be had. The biggest is ja\\x07va (pid 12) with 2.0 MiB, and it takes 1.0 MiB more each "
        + "second. To stop ja\\x07va (pid 12) gives back 2.0 MiB and leaves it normal."),
    Row(
      testDescription: "another grows, and the group is a container's",
      change: {
        $0.reading.cgroup = Samples.ownedGroup
        $0.biggest = [process("db", 3, 512)]
        $0.growing = [process("cron", 4, 10, rate: 256)]
      },
      sentence: "Memory pressure on container web of pod shop/cart-0 is medium (was low): 90.0 % of 39.1 MiB is used, "
        + "3.9 MiB can still be had. The biggest is db (pid 3) with 2.0 MiB; cron (pid 4) takes 1.0 MiB more each second."
    ),
    Row(
      testDescription: "the page cache was dropped",
      change: {
        $0.cleanup = .init(
          action: .dropCaches, availableBeforePages: 1000, availableAfterPages: 1512, milliseconds: 12)
      }, sentence: "Dropping the clean page cache took 12 ms: 2.0 MiB more can be had on the whole system."),
    Row(
      testDescription: "the kernel would not give back what was asked for",
      change: {
        var cleanup = PressureEvent.Cleanup(
          action: .reclaim, availableBeforePages: 1000, availableAfterPages: 744, milliseconds: 3)
        (cleanup.cgroup, cleanup.wantedPages) = (CgroupRef(path: KernelName("/a")), 512)
        cleanup.error = "no right"
        $0.cleanup = cleanup
      },
      sentence:
        "Asking the kernel to take back 2.0 MiB from cgroup /a failed in 3 ms: no right (1.0 MiB less can be had)."
    ),
  ]

  static func line(_ hundredths: Int64) -> PressureStall.Line {
    .init(average10Hundredths: hundredths, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 0)
  }

  @Test("pressure is said with its numbers", arguments: rows)
  func sentences(row: Row) {
    var event = PressureEvent(
      level: .medium, previous: .low, causes: [.memory],
      reading: PressureReading(totalPages: 10_000, availablePages: 1000))
    row.change(&event)
    #expect(Explanation(pageSizeBytes: 4096).sentence(event) == row.sentence)
  }

  @Test("a time is no more exact than a guess")
  func durations() {
    let rows: [(Int64, String)] = [
      (0, "less than 1 s"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
      (172_799, "47 h"), (172_800, "2 d"),
    ]
    for (seconds, text) in rows { #expect(Explanation.duration(seconds: seconds) == text) }
  }

  @Test(
    "the schema of status has each field that a look can have, and no others",
    .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
  func document() {
    let full = Samples.fullPressure
    let documents = [
      PressureStatusDocument(
        pageSizeBytes: 4096,
        targets: [
          .init(full.reading, (.critical, full.causes)), .init(Samples.minimalPressure.reading, (.normal, [])),
        ]),
      PressureStatusDocument(pageSizeBytes: 65_536, targets: [.init(Samples.minimalPressure.reading, (.low, [.swap]))]),
    ]
    let lines = ScoreSchemaTests.lines(documents.map { document in { document.encode(into: &$0) } })
    #expect(SchemaJudge.judged("pressure.v1.schema.json", lines, wantsAllFields: true) == "judged: True\n")
    #expect(documents.map(\.level) == [.critical, .low])
  }
}
