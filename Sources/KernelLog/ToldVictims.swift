// SPDX-License-Identifier: Apache-2.0
import Events

/// The last victims that were told, so that a line of the reaper finds its decision.
struct ToldVictims: Sendable {
  private struct Victim {
    var tids: [Int32]
    var pid: Int32
    var comm: KernelName
    var decision: UInt64
    var at: LogLine
  }

  private let limit: Int
  /// The oldest first.
  private var victims: [Victim] = []

  init(limit: Int) { self.limit = limit }

  mutating func add(_ kill: OOMKill, tids: [Int32], at line: LogLine) {
    if victims.count == limit { victims.removeFirst() }
    victims.append(
      Victim(tids: tids, pid: kill.victim.pid, comm: kill.victim.comm, decision: kill.decision.id, at: line))
  }

  /// What the reaper did; nil where its process is not among those told. The exit itself is not in the log.
  mutating func outcome(_ reaper: ReaperLine, _ line: LogLine) -> OOMOutcome? {
    guard let place = victims.lastIndex(where: { $0.tids.contains(reaper.tid) }) else { return nil }
    let victim = victims.remove(at: place)
    var outcome = OOMOutcome(decisionID: victim.decision, pid: victim.pid, comm: victim.comm, exited: false)
    outcome.reaper = reaper.hasReaped ? .finished : .started
    if reaper.hasReaped, let end = line.monotonicNanoseconds, let start = victim.at.monotonicNanoseconds, end >= start {
      outcome.reaperEndMicroseconds = (end - start) / 1000
    }
    return outcome
  }
}
