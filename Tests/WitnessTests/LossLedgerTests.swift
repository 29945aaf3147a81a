// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

@Suite struct LossLedgerTests {
  private static func counters(_ kernelCount: Int64, _ records: Int64, _ details: Int64 = 0, _ untracked: Int64 = 0)
    -> LossCounters
  {
    var counters = LossCounters()
    counters.kernelCount = kernelCount
    counters.records = records
    counters.details = details
    counters.untrackedVictims = untracked
    return counters
  }

  private static func text(_ loss: Loss?) -> String? {
    loss.map { "\($0.reason.rawValue) \($0.kernelCount) \($0.records): \($0.detail)" }
  }

  @Test("what BPF lost is told once, as the difference to what was told before")
  func ring() {
    var ledger = LossLedger(baseline: 100)
    #expect(ledger.ring(LossCounters()) == nil)
    #expect(
      LossLedgerTests.text(ledger.ring(LossLedgerTests.counters(2, 5, 3)))
        == "ring_full 2 5: the ring had no room for 5 records, 2 of them kills and 3 of detail")
    #expect(ledger.ring(LossLedgerTests.counters(2, 5, 3)) == nil)
    #expect(
      LossLedgerTests.text(ledger.ring(LossLedgerTests.counters(2, 6, 4)))
        == "ring_full 0 1: the ring had no room for 1 records, 0 of them kills and 1 of detail")
    #expect(
      LossLedgerTests.text(ledger.ring(LossLedgerTests.counters(2, 6, 4, 3)))
        == "ring_full 0 0: the ring had no room for 0 records, 0 of them kills and 0 of detail; "
        + "the end of 3 victims is not followed")
    #expect(ledger.lost == 2)
    #expect(ledger.told == 0)
  }

  @Test("kills that the ring lost and the log has are told as records, and not as lost kills")
  func ringWithLog() {
    var ledger = LossLedger(baseline: 100)
    var counters = LossLedgerTests.counters(1, 9, 3)
    counters.fromLog = 4
    #expect(
      LossLedgerTests.text(ledger.ring(counters))
        == "ring_full 1 9: the ring had no room for 9 records, 5 of them kills and 3 of detail; "
        + "the kernel's log has 4 of these kills, which are told from there")
    #expect(ledger.ring(counters) == nil)
    #expect(ledger.lost == 1)
  }

  @Test("a kill that is found after it was told as lost is taken back, and no more than was told")
  func find() {
    var ledger = LossLedger(baseline: 100)
    #expect(ledger.find(kernelCount: 1) == nil)
    #expect(ledger.told == 1)
    #expect(ledger.reconcile(oomKill: 102, isLast: false)?.kernelCount == 1)
    #expect(
      LossLedgerTests.text(ledger.find(kernelCount: 2))
        == "vmstat_mismatch -1 0: the kernel's log has 1 of the kills that were told as lost, "
        + "and they are told from there")
    #expect(ledger.find(kernelCount: 1) == nil)
    #expect([ledger.told, ledger.lost] == [4, 0])
    // What the ring told as lost is not taken back: the cross-check counts before it tells.
    _ = ledger.ring(LossLedgerTests.counters(3, 3))
    #expect(ledger.find(kernelCount: 1) == nil)
    #expect(ledger.lost == 3)
  }

  @Test("dropped lines are told once, and the kills in them as lost")
  func output() {
    var ledger = LossLedger(baseline: 100)
    #expect(ledger.output() == nil)
    ledger.tell(kernelCount: 3)
    ledger.drop(kernelCount: 2)
    ledger.drop(kernelCount: 0)
    #expect(ledger.told == 1)
    #expect(
      LossLedgerTests.text(ledger.output())
        == "output_full 2 2: the reader of the output was too slow: 2 lines were dropped, "
        + "kills that the kernel counts 2 times among them")
    #expect(ledger.output() == nil)
    #expect(ledger.lost == 2)
    ledger.drop(kernelCount: 2, loss: true)
    #expect(ledger.lost == 0)
    #expect(ledger.output()?.kernelCount == 2)
    #expect(ledger.lost == 2)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var baseline: Int64? = 100
    var told: [Int] = []
    var tableFull: Int64 = 0
    var ring: Int64 = 0
    var oomKill: Int64?
    var waiting: Int64 = 0
    var isLast = false
    var loss: String?
    var lost: Int64
    var growth: Int64?
  }

  private static func mismatch(_ count: Int64, _ growth: Int64, _ told: Int64, _ lost: Int64) -> String {
    "vmstat_mismatch \(count) 0: /proc/vmstat counts \(growth) kills since the stream began; "
      + "the stream told \(told), and \(lost) as lost"
  }

  static let rows: [Row] = [
    Row(testDescription: "all told", told: [1, 2, 0, 1], oomKill: 104, isLast: true, lost: 0, growth: 4),
    Row(testDescription: "nothing at all", oomKill: 100, isLast: true, lost: 0, growth: 0),
    Row(
      testDescription: "one missed", told: [1], oomKill: 102, loss: mismatch(1, 2, 1, 0), lost: 1, growth: 2),
    Row(
      testDescription: "some missed, besides those that are told as lost", told: [1], tableFull: 2, ring: 3,
      oomKill: 110, isLast: true, loss: mismatch(4, 10, 1, 5), lost: 9, growth: 10),
    Row(
      testDescription: "lost and told make up the growth", told: [1], tableFull: 2, ring: 3, oomKill: 106, lost: 5,
      growth: 6),
    Row(
      testDescription: "kills since the count was read are no error before the end", told: [1, 1], oomKill: 101,
      lost: 0, growth: 1),
    Row(
      testDescription: "at the end too many told is told as less than nothing lost", told: [1, 1], oomKill: 101,
      isLast: true, loss: mismatch(-1, 1, 2, 0), lost: -1, growth: 1),
    Row(
      testDescription: "a kill whose decision is still open is not lost", told: [1], oomKill: 102, waiting: 1, lost: 0,
      growth: 2),
    Row(
      testDescription: "beside one that waits another is lost", told: [1], oomKill: 103, waiting: 1,
      loss: mismatch(1, 3, 1, 0), lost: 1, growth: 3),
    Row(
      testDescription: "a kernel that does not count", baseline: nil, told: [1], oomKill: nil, isLast: true, lost: 0,
      growth: nil),
    Row(
      testDescription: "a count that could not be read when it began", baseline: nil, told: [1], oomKill: 105,
      isLast: true, lost: 0, growth: nil),
    Row(
      testDescription: "a count that cannot be read now", told: [1], oomKill: nil, isLast: true, lost: 0, growth: nil),
  ]

  @Test("told and lost make up the growth of vmstat's count, and a second look finds nothing new", arguments: rows)
  func reconcile(row: Row) {
    var ledger = LossLedger(baseline: row.baseline)
    for count in row.told { ledger.tell(kernelCount: count) }
    _ = ledger.lose(kernelCount: row.tableFull, records: 1, detail: "")
    _ = ledger.ring(LossLedgerTests.counters(row.ring, row.ring))
    let loss = ledger.reconcile(oomKill: row.oomKill, waiting: row.waiting, isLast: row.isLast)
    #expect(LossLedgerTests.text(loss) == row.loss)
    #expect(ledger.told == Int64(row.told.reduce(0, +)))
    #expect(ledger.lost == row.lost)
    #expect(ledger.growth(oomKill: row.oomKill) == row.growth)
    if let growth = row.growth, row.isLast { #expect(ledger.told + ledger.lost == growth) }
    #expect(ledger.reconcile(oomKill: row.oomKill, waiting: row.waiting, isLast: row.isLast)?.kernelCount == nil)
  }

  @Test("a table that was full is told with its own words")
  func tableFull() {
    var ledger = LossLedger(baseline: nil)
    let loss = ledger.lose(kernelCount: 3, records: 4, detail: "why")
    #expect(LossLedgerTests.text(loss) == "table_full 3 4: why")
    #expect(ledger.lost == 3)
  }
}
