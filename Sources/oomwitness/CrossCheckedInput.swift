// SPDX-License-Identifier: Apache-2.0
import Events
import KernelLog
import Witness

/// The probes' records, with the kernel's log as a cross-check: a kill that was printed and did not come in is told from there.
///
/// The log never wakes the loop, since it speaks of many things. It is read at the start, a moment after kills were told or
/// the ring lost some, at the minute's tick, and at the end; always after what came in was written, and a little at a
/// time, so that no kill waits for it.
final class CrossCheckedInput: WitnessInput {
  /// How long after a kill the log is read: a storm's kills are looked up together, and a single one's line is there.
  private static let delayNanoseconds: Int64 = 200_000_000
  /// How much longer it is put off while there is always something to write.
  private static let postponedMax: Int64 = 1_000_000_000
  /// Records of the log that are read between two looks at the ring: less than a millisecond's work.
  private static let recordsAtOnce = 128

  private let inner: RecordInput
  private let tail: LogTail
  private let clock = Clock()
  private var matcher = KillMatcher()
  /// When the log is to be read, or to be read on; nil where nothing asks for it.
  private var readAt: Int64?
  /// What the ring lost, less what the log told of it.
  private(set) var losses = LossCounters()
  /// The ring's own count of lost kills, as far as `losses` has it.
  private var ringSettled: Int64 = 0
  /// The ring's counters of some time ago: a kill that they count has its line by now.
  private var aged: (losses: LossCounters, moment: Int64)
  /// Such counters, with the log read after them, but for a report in it that may go on.
  private var due: LossCounters?
  /// Kernel counts of kills that the log told, and those of them that were taken from the ring's losses.
  private var missed: (told: Int64, ofRing: Int64) = (0, 0)

  init(_ inner: RecordInput, _ tail: LogTail) {
    self.inner = inner
    self.tail = tail
    aged = (inner.losses, clock.monotonic)
    // Kills from the time when the probes were attached.
    readAt = aged.moment
    inner.onKill = { [unowned self] in witness($0) }
  }

  var descriptor: Int32 { inner.descriptor }
  var announcesKills: Bool { inner.announcesKills }
  var deadline: Int64? { [inner.deadline, readAt, tail.deadline, matcher.deadline].compactMap { $0 }.min() }
  var waitingKernelCount: Int64 {
    inner.waitingKernelCount + max(waitingInLog, inner.losses.kernelCount - ringSettled)
  }
  private var waitingInLog: Int64 { matcher.waitingKernelCount + tail.waitingKernelCount }

  func collect(_ actions: inout [Assembler.Action]) {
    inner.collect(&actions)
    let ring = inner.losses
    if ring.kernelCount == ringSettled {
      settle(ring)
    } else if readAt == nil {
      readAt = clock.monotonic + CrossCheckedInput.delayNanoseconds
    }
  }

  func expire(now: Int64, _ actions: inout [Assembler.Action]) {
    inner.expire(now: now, &actions)
    // What came in is written first; the loop comes back at once.
    if let readAt, now >= readAt, actions.isEmpty || now - readAt >= CrossCheckedInput.postponedMax { read(&actions) }
    take(tail.advance(to: now), &actions)
    for kill in matcher.expire(now: now) { tell(kill, &actions) }
    settleDue()
  }

  func look(_ actions: inout [Assembler.Action]) -> Bool {
    read(&actions)
    return tail.isAtEnd
  }

  /// Detached first: what is printed after that no probe sees.
  func finish(_ actions: inout [Assembler.Action]) {
    inner.finish(&actions)
    take(tail.read() + tail.flush(), &actions)
    for kill in matcher.finish() { tell(kill, &actions) }
    settle(inner.losses)
  }

  private func witness(_ kill: KillRecord) {
    matcher.witness(kill)
    let moment = matcher.isFull ? clock.monotonic : kill.monotonicNanoseconds + CrossCheckedInput.delayNanoseconds
    readAt = min(readAt ?? .max, moment)
  }

  /// A part of what the log has, and what follows from it once there is no more.
  private func read(_ actions: inout [Assembler.Action]) {
    let began = clock.monotonic
    let ring = inner.losses
    take(tail.read(records: CrossCheckedInput.recordsAtOnce), &actions)
    guard tail.isAtEnd else {
      readAt = readAt ?? began
      return
    }
    readAt = nil
    // A kill is on the ring before it is printed: with what has come meanwhile, each line finds its own.
    inner.collect(&actions)
    matcher.readToEnd(began: began)
    if began - aged.moment >= CrossCheckedInput.delayNanoseconds {
      due = aged.losses
      aged = (ring, began)
    }
    settleDue()
    if ring.kernelCount != ringSettled {
      readAt = min(readAt ?? .max, aged.moment + CrossCheckedInput.delayNanoseconds)
    }
  }

  private func take(_ events: [LoggedEvent], _ actions: inout [Assembler.Action]) {
    let now = clock.monotonic
    for logged in events {
      guard case .oomKill(let kill) = logged.event else { continue }
      if let oldest = matcher.log(kill, at: logged.monotonicNanoseconds, now: now) { tell(oldest, &actions) }
    }
  }

  private func tell(_ one: KillMatcher.Missed, _ actions: inout [Assembler.Action]) {
    missed.told += Int64(one.kill.victim.kernelCount)
    actions.append(.tellLogged(one.kill, at: one.moment ?? clock.monotonic, isPast: false))
  }

  private func settleDue() {
    guard let ring = due, tail.waitingKernelCount == 0 else { return }
    due = nil
    if ring.kernelCount > ringSettled { settle(ring) }
  }

  /// Passes on what the ring lost. Of its kills those that the log has are not lost; where others were taken for them,
  /// the sum is right all the same, since vmstat's count is held against it.
  private func settle(_ ring: LossCounters) {
    let fresh = ring.kernelCount - ringSettled
    let fromLog = min(fresh, max(0, missed.told + waitingInLog - missed.ofRing))
    var passed = ring
    passed.kernelCount = losses.kernelCount + fresh - fromLog
    passed.fromLog = losses.fromLog + fromLog
    losses = passed
    ringSettled = ring.kernelCount
    // A kill that no ring lost is not kept to stand for one that it will lose.
    missed.ofRing = fresh == 0 && waitingInLog == 0 ? missed.told : missed.ofRing + fromLog
  }
}
