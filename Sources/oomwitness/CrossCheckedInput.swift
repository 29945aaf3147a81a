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
  private var ringLosses: RingLosses

  init(_ inner: RecordInput, _ tail: LogTail) {
    self.inner = inner
    self.tail = tail
    let now = clock.monotonic
    ringLosses = RingLosses(now: now)
    // Kills from the time when the probes were attached.
    readAt = now
    inner.onKill = { [unowned self] in witness($0) }
  }

  var descriptor: Int32 { inner.descriptor }
  var announcesKills: Bool { inner.announcesKills }
  var deadline: Int64? { [inner.deadline, readAt, tail.deadline, matcher.deadline].compactMap { $0 }.min() }
  var waitingKernelCount: Int64 {
    inner.waitingKernelCount + max(waitingInLog, ringLosses.waitingKernelCount(ring: inner.losses))
  }
  var losses: LossCounters { ringLosses.counters }
  private var waitingInLog: Int64 { matcher.waitingKernelCount + tail.waitingKernelCount }

  func collect(_ actions: inout [Assembler.Action]) {
    inner.collect(&actions)
    let ring = inner.losses
    ringLosses.notice(ring: ring, waiting: waitingInLog)
    if readAt == nil, ringLosses.waitingKernelCount(ring: ring) > 0 {
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
    ringLosses.finish(ring: inner.losses)
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
    // A kill is on the ring before it is printed: with what has come meanwhile, each line finds its own.
    readAt = nil
    inner.collect(&actions)
    matcher.readToEnd(began: began)
    let again = ringLosses.read(ring: ring, began: began)
    readAt = [readAt, again].compactMap { $0 }.min()
    settleDue()
  }

  private func take(_ events: [LoggedEvent], _ actions: inout [Assembler.Action]) {
    let now = clock.monotonic
    for logged in events {
      guard case .oomKill(let kill) = logged.event else { continue }
      if let oldest = matcher.log(kill, at: logged.monotonicNanoseconds, now: now) { tell(oldest, &actions) }
    }
  }

  private func tell(_ one: KillMatcher.Missed, _ actions: inout [Assembler.Action]) {
    ringLosses.tell(kernelCount: one.kill.victim.kernelCount)
    actions.append(.tellLogged(one.kill, at: one.moment ?? clock.monotonic, isPast: false))
  }

  /// A report that is open may be of a kill that a probe told.
  private func settleDue() {
    if tail.waitingKernelCount == 0 { ringLosses.settleDue(waiting: matcher.waitingKernelCount) }
  }
}
