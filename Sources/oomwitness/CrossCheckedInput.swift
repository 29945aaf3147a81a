// SPDX-License-Identifier: Apache-2.0
import Events
import KernelLog
import Witness

/// The probes' records, with the kernel's log as a cross-check: a kill that was printed and did not come in is told from there.
///
/// The log never wakes the loop, since it speaks of many things. It is read a moment after kills were told, when the ring
/// reported kills that it lost, at the minute's tick, and at the end; always after what came in was written.
final class CrossCheckedInput: WitnessInput {
  /// How long after a kill the log is read: a storm's kills are looked up together, and a single one's line is there.
  private static let delayNanoseconds: Int64 = 200_000_000
  /// How much longer it is put off while there is always something to write.
  private static let postponedMax: Int64 = 1_000_000_000

  private let inner: RecordInput
  private let tail: LogTail
  private let clock = Clock()
  private var matcher = KillMatcher()
  /// When the log is to be read; nil where nothing asks for it.
  private var readAt: Int64?
  /// What the ring lost, less what the log told of it.
  private(set) var losses = LossCounters()
  /// The ring's own count of lost kills, as far as `losses` has it.
  private var ringSettled: Int64 = 0
  private var ringNoticed: Int64 = 0
  /// The log was read and the ring's losses not settled since: a report in it may go on.
  private var isRead = false
  /// Kernel counts of kills that the log told, and those of them that were taken from the ring's losses.
  private var missed: (told: Int64, ofRing: Int64) = (0, 0)

  init(_ inner: RecordInput, _ tail: LogTail) {
    self.inner = inner
    self.tail = tail
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
    let lost = inner.losses.kernelCount
    if lost != ringNoticed {
      ringNoticed = lost
      readAt = clock.monotonic
    } else if lost == ringSettled, !isRead {
      settle()
    }
  }

  func expire(now: Int64, _ actions: inout [Assembler.Action]) {
    inner.expire(now: now, &actions)
    // What came in is written first; the loop comes back at once.
    if let readAt, now >= readAt, actions.isEmpty || now - readAt >= CrossCheckedInput.postponedMax { read(&actions) }
    take(tail.advance(to: now), &actions)
    for kill in matcher.expire(now: now) { tell(kill, &actions) }
    if isRead, tail.waitingKernelCount == 0 { settle() }
  }

  func look(_ actions: inout [Assembler.Action]) { read(&actions) }

  /// Detached first: what is printed after that no probe sees.
  func finish(_ actions: inout [Assembler.Action]) {
    inner.finish(&actions)
    take(tail.read() + tail.flush(), &actions)
    for kill in matcher.finish() { tell(kill, &actions) }
    settle()
  }

  private func witness(_ kill: KillRecord) {
    matcher.witness(kill)
    let moment = matcher.isFull ? clock.monotonic : kill.monotonicNanoseconds + CrossCheckedInput.delayNanoseconds
    readAt = min(readAt ?? .max, moment)
  }

  private func read(_ actions: inout [Assembler.Action]) {
    readAt = nil
    let began = clock.monotonic
    take(tail.read(), &actions)
    // A kill is on the ring before it is printed: with what has come meanwhile, each line finds its own.
    inner.collect(&actions)
    matcher.readToEnd(began: began)
    isRead = true
    if tail.waitingKernelCount == 0 { settle() }
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

  /// Passes on what the ring lost. Of its kills those that the log has are not lost; where others were taken for them,
  /// the sum is right all the same, since vmstat's count is held against it.
  private func settle() {
    isRead = false
    let ring = inner.losses
    let fresh = ring.kernelCount - ringSettled
    let fromLog = min(fresh, max(0, missed.told + waitingInLog - missed.ofRing))
    let lost = losses.kernelCount + fresh - fromLog
    let told = losses.fromLog + fromLog
    losses = ring
    (losses.kernelCount, losses.fromLog) = (lost, told)
    ringSettled = ring.kernelCount
    ringNoticed = max(ringNoticed, ringSettled)
    // A kill that no ring lost is not kept to stand for one that it will lose.
    missed.ofRing = fresh == 0 && waitingInLog == 0 ? missed.told : missed.ofRing + fromLog
  }
}
