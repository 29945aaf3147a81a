// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

/// What the ring lost against what the log told in its place.
@Suite struct RingLossesTests {
  /// What happens, in order; times are milliseconds, counts are the ring's own since its start.
  enum Step: Sendable {
    case notice(Int64, records: Int64 = 0, waiting: Int64 = 0)
    /// The log was read to its end: the ring's count before, and when that began.
    case read(Int64, at: Int64)
    case settleDue(waiting: Int64)
    case tell(Int)
    case finish(Int64)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var steps: [Step]
    /// Kernel counts that are told as lost, and as told from the log; those that wait.
    var lost: Int64 = 0
    var fromLog: Int64 = 0
    var waiting: Int64 = 0
    /// When the last `read` asks for another, in milliseconds.
    var again: Int64?
  }

  static let rows: [Row] = [
    Row(testDescription: "nothing lost", steps: [.notice(0), .read(0, at: 500), .settleDue(waiting: 0), .finish(0)]),
    Row(
      testDescription: "a count waits for the log, and for a second reading",
      steps: [.notice(3), .read(3, at: 100), .settleDue(waiting: 0)], waiting: 3, again: 200),
    Row(
      testDescription: "the first reading that is late enough began with nothing lost",
      steps: [.notice(3), .read(3, at: 250), .settleDue(waiting: 3)], waiting: 3, again: 450),
    Row(
      testDescription: "a reading that began too soon after settles nothing",
      steps: [.read(3, at: 250), .read(3, at: 449), .settleDue(waiting: 3)], waiting: 3, again: 450),
    Row(
      testDescription: "the log is about to tell them all",
      steps: [.read(3, at: 250), .read(3, at: 450), .settleDue(waiting: 3), .tell(3), .notice(3)], fromLog: 3,
      again: 650),
    Row(
      testDescription: "the log has one of them",
      steps: [.read(3, at: 250), .read(3, at: 450), .settleDue(waiting: 1), .tell(1), .finish(3)], lost: 2, fromLog: 1,
      again: 650),
    Row(
      testDescription: "what was lost after the first reading began waits on",
      steps: [.read(3, at: 250), .read(5, at: 450), .settleDue(waiting: 3)], fromLog: 3, waiting: 2, again: 650),
    Row(
      testDescription: "the log told them before they were noticed",
      steps: [.tell(2), .read(2, at: 250), .read(2, at: 450), .settleDue(waiting: 0)], fromLog: 2, again: 650),
    Row(
      testDescription: "a kill that no ring lost does not stand for a later one that it did",
      steps: [.tell(1), .notice(0), .read(1, at: 250), .read(1, at: 450), .settleDue(waiting: 0)], lost: 1, again: 650),
    Row(
      testDescription: "a kill of the log stands for one loss only",
      steps: [
        .read(1, at: 250), .read(1, at: 450), .settleDue(waiting: 1), .tell(1), .read(2, at: 700), .read(2, at: 900),
        .settleDue(waiting: 0),
      ], lost: 1, fromLog: 1, again: 1100),
    Row(testDescription: "at the end nothing waits", steps: [.notice(2), .tell(1), .finish(2)], lost: 1, fromLog: 1),
  ]

  static func ring(_ kernelCount: Int64, records: Int64 = 0) -> LossCounters {
    var counters = LossCounters()
    counters.kernelCount = kernelCount
    counters.records = records
    return counters
  }

  @Test("a lost kill is told from the log, or as lost, and once", arguments: rows)
  func table(row: Row) {
    var losses = RingLosses(now: 0)
    var last: Int64 = 0
    var again: Int64?
    for step in row.steps {
      switch step {
      case .notice(let count, let records, let waiting):
        last = count
        losses.notice(ring: RingLossesTests.ring(count, records: records), waiting: waiting)
      case .read(let count, let at):
        last = count
        again = losses.read(ring: RingLossesTests.ring(count), began: at * 1_000_000)
      case .settleDue(let waiting): losses.settleDue(waiting: waiting)
      case .tell(let count): losses.tell(kernelCount: count)
      case .finish(let count):
        last = count
        losses.finish(ring: RingLossesTests.ring(count))
      }
    }
    #expect(losses.counters.kernelCount == row.lost)
    #expect(losses.counters.fromLog == row.fromLog)
    #expect(losses.waitingKernelCount(ring: RingLossesTests.ring(last)) == row.waiting)
    #expect(again == row.again.map { $0 * 1_000_000 })
  }

  @Test("records without a kill among them are told at once, with one they wait with it")
  func details() {
    var losses = RingLosses(now: 0)
    losses.notice(ring: RingLossesTests.ring(0, records: 7), waiting: 0)
    #expect(losses.counters.records == 7)
    losses.notice(ring: RingLossesTests.ring(1, records: 9), waiting: 0)
    #expect(losses.counters.records == 7)
    losses.finish(ring: RingLossesTests.ring(1, records: 9))
    #expect(losses.counters.records == 9)
    #expect(losses.counters.kernelCount == 1)
  }
}
