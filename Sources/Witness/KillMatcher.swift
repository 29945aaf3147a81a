// SPDX-License-Identifier: Apache-2.0
import Events

/// Holds the kernel's log against what the probes told: finds kills that were printed and never came in. No I/O.
///
/// The kernel sends SIGKILL, which the probes see, and prints its line right after. So a line that was read can only be of
/// a kill that was sent since the log was read the last time, less what lies between signal and line; whatever is older
/// is forgotten after each reading, and a number that was given to another process meanwhile finds nobody. All of that
/// goes by one clock, ours: the log's own runs apart from it by seconds a day, and only tells two of one number apart.
/// Kernel: mm/oom_kill.c, __oom_kill_process().
package struct KillMatcher: Sendable {
  /// How long a line waits for its kill to come in, and how long after its signal a kill's line may be printed.
  package static let patienceNanoseconds: Int64 = 2_000_000_000
  /// Kills that wait for their lines at most.
  package static let witnessedMax = 2048
  /// Lines' kills that wait for a probe at most; beyond, the oldest is decided at once.
  package static let loggedMax = 512
  /// Decisions of the log that are remembered by the probes' number.
  private static let decisionsMax = 64
  /// A task that changes its name while it is killed is printed by the new one: the time must speak for it then.
  private static let renamedNanoseconds: Int64 = 1_000_000_000

  /// What the log has and the stream has not.
  package struct Missed: Sendable {
    package var kill: OOMKill
    /// By the log's clock, and by ours when it is given back, as far as a pair has told how far they are apart; nil where
    /// the line had none.
    package var moment: Int64?
  }

  /// One count of the kernel's: one signal, one line.
  private struct Witnessed: Sendable {
    var decision: UInt64
    var moment: Int64
    var pid: Int32
    var tid: Int32
    var comm: Comm
  }

  private struct Logged: Sendable {
    var missed: Missed
    var deadline: Int64
  }

  /// In the kernel's order, as are those below.
  private var witnessed: [Witnessed] = []
  private var logged: [Logged] = []
  private var decisions: [(logged: UInt64, witnessed: UInt64)] = []
  /// The log's clock less ours, by the last pair.
  private var gapNanoseconds: Int64 = 0
  /// More came in than is kept: until the next reading a line without a kill says nothing.
  private var isBlind = false

  package init() { witnessed.reserveCapacity(KillMatcher.witnessedMax) }

  /// The log should be read now: there is no room for more.
  package var isFull: Bool { witnessed.count >= KillMatcher.witnessedMax }

  /// When `expire` has something to do, on the caller's CLOCK_MONOTONIC; nil where nothing waits.
  package var deadline: Int64? { logged.first?.deadline }

  /// Kills of the log that wait, as the kernel counts them.
  package var waitingKernelCount: Int64 { logged.reduce(0) { $0 + Int64($1.missed.kill.victim.kernelCount) } }

  /// A probe told a kill: every record of one, since each that the kernel counts has a line of its own.
  package mutating func witness(_ kill: KillRecord) {
    // The kernel prints nothing of those that die because they share the memory.
    guard !kill.sharesMemory else { return }
    let one = Witnessed(
      decision: kill.decision, moment: kill.monotonicNanoseconds, pid: kill.pid, tid: kill.tid, comm: kill.comm)
    if let place = logged.firstIndex(where: { fits(one, $0.missed) }) {
      pair(one, logged.remove(at: place).missed)
    } else if isFull {
      isBlind = true
    } else {
      witnessed.append(one)
    }
  }

  /// The log tells a kill, which was printed `kernelCount` times.
  ///
  /// - Parameter now: the caller's CLOCK_MONOTONIC when it was read.
  /// - Returns: a kill that nobody can be waited for any more, where there is no room.
  package mutating func log(_ kill: OOMKill, at moment: Int64?, now: Int64) -> Missed? {
    let missed = Missed(kill: kill, moment: moment)
    var found = 0
    while found < kill.victim.kernelCount, let place = nearest(to: missed) {
      pair(witnessed.remove(at: place), missed)
      found += 1
    }
    // Where some of its counts came in, the stream has this victim: what lacks is a number, and the books tell it.
    guard found == 0, !isBlind else { return nil }
    logged.append(Logged(missed: missed, deadline: now + KillMatcher.patienceNanoseconds))
    return logged.count > KillMatcher.loggedMax ? placed(logged.removeFirst().missed) : nil
  }

  /// The log was read to its end: kills whose lines should have been there are waited for no more.
  package mutating func readToEnd(began: Int64) {
    witnessed.removeAll { $0.moment < began - KillMatcher.patienceNanoseconds }
    isBlind = false
  }

  /// Kills of the log that no probe told in time.
  package mutating func expire(now: Int64) -> [Missed] {
    let over = logged.prefix { $0.deadline <= now }.count
    defer { logged.removeFirst(over) }
    return logged.prefix(over).map { placed($0.missed) }
  }

  /// Nothing more comes in: all that wait were missed.
  package mutating func finish() -> [Missed] { expire(now: .max) }

  // MARK: Pairs

  /// The place of the kill that the line is of: of two that may be, the one that is nearer in time.
  private func nearest(to missed: Missed) -> Int? {
    var best: (place: Int, apart: Int64)?
    for (place, one) in witnessed.enumerated() where fits(one, missed) {
      let apart = missed.moment.map { abs($0 - one.moment - gapNanoseconds) } ?? 0
      if best.map({ apart < $0.apart }) ?? true { best = (place, apart) }
    }
    return best?.place
  }

  /// The line names a thread: the one that got the signal, or another of its process where that was gone.
  private func fits(_ one: Witnessed, _ missed: Missed) -> Bool {
    let victim = missed.kill.victim
    guard one.tid == victim.tid || one.pid == victim.pid || one.pid == victim.tid else { return false }
    if one.comm.name == victim.comm { return true }
    return missed.moment.map { abs($0 - one.moment - gapNanoseconds) < KillMatcher.renamedNanoseconds } ?? false
  }

  private mutating func pair(_ one: Witnessed, _ missed: Missed) {
    if let moment = missed.moment { gapNanoseconds = moment - one.moment }
    let decision = missed.kill.decision
    guard (decision.kills ?? 1) > 1, !decisions.contains(where: { $0.logged == decision.id }) else { return }
    if decisions.count == KillMatcher.decisionsMax { decisions.removeFirst() }
    decisions.append((decision.id, one.decision))
  }

  /// By our clock, and with the number that the rest of its decision has in the stream, where some of it came in.
  private func placed(_ missed: Missed) -> Missed {
    var missed = missed
    missed.moment = missed.moment.map { $0 - gapNanoseconds }
    if let known = decisions.last(where: { $0.logged == missed.kill.decision.id }) {
      missed.kill.decision.id = known.witnessed
    }
    return missed
  }
}
