// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

/// The log against the probes: what is told once, and what was missed.
@Suite struct KillMatcherTests {
  /// What happens, in order; times are milliseconds of our clock, those of `log` are the log's.
  enum Step: Sendable {
    case probe(Int32, tid: Int32? = nil, _ comm: String = "hog", at: Int64, shares: Bool = false, decision: UInt64 = 1)
    case log(
      Int32, pid: Int32? = nil, _ comm: String = "hog", at: Int64?, read: Int64, count: Int = 1, decision: UInt64 = 900,
      kills: Int = 1)
    case readToEnd(Int64)
    case expire(Int64)
    case finish
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var steps: [Step]
    /// `TID COMM COUNT DECISION` of each kill that was missed.
    var missed: [String] = []
    var waiting: Int64 = 0
  }

  static let rows: [Row] = [
    Row(
      testDescription: "the probe comes first, then the line",
      steps: [.probe(7, at: 100), .log(7, at: 100, read: 300), .finish]),
    Row(
      testDescription: "the line comes first, then the probe",
      steps: [.log(7, at: 100, read: 100), .probe(7, at: 100), .expire(9000), .finish]),
    Row(
      testDescription: "a line that no probe tells is waited for, and then was missed",
      steps: [.log(7, at: 100, read: 300), .expire(2299)], waiting: 1),
    Row(
      testDescription: "after that time it is told", steps: [.log(7, at: 100, read: 300), .expire(2300), .finish],
      missed: ["7 hog 1 900"]),
    Row(
      testDescription: "at the end nothing is waited for", steps: [.log(7, at: 100, read: 300), .finish],
      missed: ["7 hog 1 900"]),
    Row(
      testDescription: "a kill that was never printed is nobody's loss",
      steps: [.probe(7, at: 100), .readToEnd(300), .expire(9000), .finish]),
    Row(
      testDescription: "a group's chosen one is printed twice and comes in twice",
      steps: [
        .probe(7, at: 100), .probe(7, at: 101), .probe(8, at: 102),
        .log(7, at: 100, read: 300, count: 2, kills: 2), .log(8, at: 102, read: 300, kills: 2), .finish,
      ]),
    Row(
      testDescription: "one count of two came in: the victim is in the stream, the other count is a number",
      steps: [.probe(7, at: 100), .log(7, at: 100, read: 300, count: 2, kills: 2), .finish]),
    Row(
      testDescription: "neither count came in: one event with both",
      steps: [.log(7, at: 100, read: 300, count: 2), .finish], missed: ["7 hog 2 900"]),
    Row(
      testDescription: "a group's second line names another thread of the process",
      steps: [.probe(7, at: 100), .probe(7, tid: 9, at: 101), .log(9, pid: 7, at: 100, read: 300, count: 2), .finish]),
    Row(
      testDescription: "a group's member that was missed has the decision of those that came in",
      steps: [
        .probe(7, at: 100, decision: 3), .log(7, at: 100, read: 300, kills: 2), .log(8, at: 101, read: 300, kills: 2),
        .finish,
      ], missed: ["8 hog 1 3"]),
    Row(
      testDescription: "who dies because it shares the memory is not printed, and stands for nobody",
      steps: [.probe(7, at: 100, shares: true), .log(7, at: 100, read: 300), .finish], missed: ["7 hog 1 900"]),
    Row(
      testDescription: "a worker got the signal, and the line names it too",
      steps: [.probe(7, tid: 9, at: 100), .log(9, at: 100, read: 300), .finish]),
    Row(
      testDescription: "the line names the process by its leader",
      steps: [.probe(7, tid: 9, at: 100), .log(7, at: 100, read: 300), .finish]),
    Row(
      testDescription: "the line names a thread, and the report's table its process",
      steps: [.probe(7, at: 100), .log(9, pid: 7, at: 100, read: 300), .finish]),
    Row(
      testDescription: "a pid that another process got is another kill",
      steps: [
        .probe(7, at: 100), .log(7, at: 100, read: 300), .readToEnd(300), .log(7, at: 9000, read: 9300), .finish,
      ], missed: ["7 hog 1 900"]),
    Row(
      testDescription: "a kill whose line was lost does not stand for the next process of its pid",
      steps: [.probe(7, at: 100), .readToEnd(2200), .log(7, at: 9000, read: 9300), .finish],
      missed: ["7 hog 1 900"]),
    Row(
      testDescription: "a kill so young that its line may not be there yet is kept",
      steps: [.probe(7, at: 100), .readToEnd(2100), .log(7, at: 101, read: 2300), .finish]),
    Row(
      testDescription: "one number, two processes between two readings: two kills, two lines",
      steps: [
        .probe(7, at: 100), .probe(7, at: 9000), .log(7, at: 9000, read: 9300), .log(7, at: 100, read: 9300), .finish,
      ]),
    Row(
      testDescription: "one number, two lines, one kill: one was missed",
      steps: [.probe(7, at: 9000), .log(7, at: 100, read: 9300), .log(7, at: 9000, read: 9300), .finish],
      missed: ["7 hog 1 900"]),
    Row(
      testDescription: "another name is another process, however near the number",
      steps: [.probe(7, "cat", at: 100), .log(7, at: 5000, read: 5300), .finish], missed: ["7 hog 1 900"]),
    Row(
      testDescription: "but a name that changed while it was killed is the same by its time",
      steps: [.probe(7, "cat", at: 100), .log(7, at: 101, read: 300), .finish]),
    Row(
      testDescription: "the log's clock may be hours away from ours",
      steps: [.probe(7, at: 100), .log(7, at: 9_000_100, read: 300), .log(8, at: 9_000_100, read: 300), .finish],
      missed: ["8 hog 1 900"]),
    Row(
      testDescription: "a line without a time goes by number and name",
      steps: [.probe(7, at: 100), .log(7, at: nil, read: 300), .log(7, "cat", at: nil, read: 300), .finish],
      missed: ["7 cat 1 900"]),
    Row(testDescription: "nothing at all", steps: [.readToEnd(5), .expire(10), .finish]),
  ]

  static func text(_ missed: KillMatcher.Missed) -> String {
    let victim = missed.kill.victim
    return "\(victim.tid!) \(victim.comm.text) \(victim.kernelCount) \(missed.kill.decision.id)"
  }

  private static func take(_ step: Step, _ matcher: inout KillMatcher) -> [KillMatcher.Missed] {
    switch step {
    case .probe(let pid, let tid, let comm, let at, let shares, let decision):
      guard case .kill(var kill) = Make.kill(pid, tid: tid, at: at * 1_000_000, shares: shares, decision: decision)
      else { return [] }
      kill.comm = Make.comm(comm)
      matcher.witness(kill)
      return []
    case .log(let tid, let pid, let comm, let at, let read, let count, let decision, let kills):
      var victim = Victim(pid: pid ?? tid, comm: KernelName(comm), kernelCount: count)
      victim.tid = tid
      var kill = OOMKill(decision: Decision(id: decision), source: .kmsg, victim: victim)
      kill.decision.kills = kills
      return matcher.log(kill, at: at.map { $0 * 1_000_000 }, now: read * 1_000_000).map { [$0] } ?? []
    case .readToEnd(let began):
      matcher.readToEnd(began: began * 1_000_000)
      return []
    case .expire(let now): return matcher.expire(now: now * 1_000_000)
    case .finish: return matcher.finish()
    }
  }

  @Test("each kill of the log is found among those of the probes, or was missed", arguments: rows)
  func table(row: Row) {
    var matcher = KillMatcher()
    var missed: [String] = []
    for step in row.steps { missed += KillMatcherTests.take(step, &matcher).map(KillMatcherTests.text) }
    #expect(missed == row.missed)
    #expect(matcher.waitingKernelCount == row.waiting)
    #expect((matcher.deadline == nil) == (row.waiting == 0))
  }

  @Test("a missed kill's time is by our clock, less the gap that the last pair had")
  func moment() {
    var matcher = KillMatcher()
    for step in [Step.log(6, at: 4000, read: 300), .expire(9000)] {
      #expect(KillMatcherTests.take(step, &matcher).allSatisfy { $0.moment == 4_000_000_000 })
    }
    for step in [Step.probe(7, at: 100), .log(7, at: 5100, read: 300), .log(8, at: 5200, read: 300)] {
      #expect(KillMatcherTests.take(step, &matcher).isEmpty)
    }
    #expect(matcher.finish().map(\.moment) == [200_000_000])
  }

  @Test("lines beyond the limit are decided at once, the oldest first")
  func loggedLimit() {
    var matcher = KillMatcher()
    var missed: [String] = []
    for tid in 1...Int32(KillMatcher.loggedMax + 2) {
      missed += KillMatcherTests.take(.log(tid, at: 100, read: 300), &matcher).map(KillMatcherTests.text)
    }
    #expect(missed == ["1 hog 1 900", "2 hog 1 900"])
    #expect(matcher.waitingKernelCount == Int64(KillMatcher.loggedMax))
  }

  @Test("with more kills than are kept a line that finds none says nothing, until the log was read")
  func witnessedLimit() {
    var matcher = KillMatcher()
    for pid in 1...Int32(KillMatcher.witnessedMax) { _ = KillMatcherTests.take(.probe(pid, at: 100), &matcher) }
    #expect(matcher.isFull)
    _ = KillMatcherTests.take(.probe(100_000, at: 100), &matcher)
    _ = KillMatcherTests.take(.log(100_000, at: 100, read: 300), &matcher)
    #expect(matcher.finish().isEmpty)
    matcher.readToEnd(began: 9_000_000_000)
    #expect(!matcher.isFull)
    _ = KillMatcherTests.take(.log(100_001, at: 9000, read: 9300), &matcher)
    #expect(matcher.finish().map(KillMatcherTests.text) == ["100001 hog 1 900"])
  }
}
