// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// Sleeps until the kernel tells of stall or memory could have come near a threshold, looks, and tells changes of level.
final class PressureWatch {
  /// A change waits so long for a second look at the processes, where there was none before; critical never waits.
  private static let secondLookNanoseconds: Int64 = 300_000_000
  /// So near to a threshold, in hundredths of a percent, processes are looked at, so that a change can tell who grew.
  private static let nearHundredths: Int64 = 500

  private let looker: PressureLooker
  private let thresholds: PressureThresholds
  let targets: [PressureTarget]
  private let details: PressureDetails
  private let handlers: HandlerSet
  private let cleanups: CleanupRunner
  private let writer: any EventOutput
  private let endNanoseconds: Int64?
  private let lines: CountedOutput

  init(
    looker: PressureLooker, thresholds: PressureThresholds, targets: [PressureTarget], details: PressureDetails,
    handlers: HandlerSet, cleanups: CleanupRunner, writer: any EventOutput, duration: Double?
  ) {
    self.looker = looker
    self.thresholds = thresholds
    self.targets = targets
    self.details = details
    self.handlers = handlers
    self.cleanups = cleanups
    self.writer = writer
    lines = CountedOutput(writer)
    endNanoseconds = duration.map { SystemClock.monotonic + Int64($0 * 1e9) }
  }

  /// Until `stop` can be read, the end of its time, or until nobody reads any more.
  func run(stop: Int32) {
    while !writer.isClosed {
      let now = SystemClock.monotonic
      if let endNanoseconds, now >= endNanoseconds { break }
      for target in targets {
        if now >= target.dueNanoseconds { look(at: target, now) }
        if let pending = target.pending, now >= pending.dueNanoseconds { tell(pending.change, of: target) }
      }
      handlers.step(nowNanoseconds: now)
      clean()
      for loss in handlers.losses(nowNanoseconds: now) { lines.write(.loss(loss)) }
      writer.flush()
      if wait(stop) { break }
    }
    for target in targets { if let pending = target.pending { tell(pending.change, of: target) } }
    for loss in handlers.end() { lines.write(.loss(loss)) }
    writer.drain(timeoutMilliseconds: 1000)
  }

  /// True where it is to end.
  private func wait(_ stop: Int32) -> Bool {
    var descriptors = [
      pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
      pollfd(fd: writer.waitingDescriptor ?? -1, events: Int16(POLLOUT), revents: 0),
    ]
    var ranges: [Range<Int>] = []
    for target in targets {
      let polls = target.polls
      ranges.append(descriptors.count..<(descriptors.count + polls.count))
      descriptors += polls
    }
    descriptors += handlers.polls + cleanups.polls
    var due = targets.map { min($0.dueNanoseconds, $0.pending?.dueNanoseconds ?? .max) }
    due += [handlers.dueNanoseconds, endNanoseconds].compactMap { $0 }
    let left = max(0, (due.min() ?? .max) - SystemClock.monotonic)
    let milliseconds = Int32(clamping: left / 1_000_000 + 1)
    guard poll(&descriptors, nfds_t(descriptors.count), milliseconds) > 0 else { return false }
    let now = SystemClock.monotonic
    for (target, range) in zip(targets, ranges) { target.take(descriptors[range], nowNanoseconds: now) }
    return descriptors[0].revents != 0
  }

  private func look(at target: PressureTarget, _ now: Int64) {
    let reading: PressureReading
    do throws(PressureLooker.Obstacle) {
      reading = try looker.reading(target.path)
    } catch {
      if !target.isGone { Diagnostic.say("\(error.sentence); it is looked for again every 10 s") }
      target.isGone = true
      target.retry(nowNanoseconds: now)
      return
    }
    target.isGone = false
    let change = target.take(reading, nowNanoseconds: now)
    if let change { self.change(change, of: target, now) }
    if target.tracker.level > .normal || isNear(reading) { details.refresh(nowNanoseconds: now) }
  }

  private func isNear(_ reading: PressureReading) -> Bool {
    thresholds.level(of: reading, slackHundredths: PressureWatch.nearHundredths).level > .normal
  }

  /// Tells it, at once or after a second look; what happens meanwhile becomes one change.
  private func change(_ change: PressureTracker.Change, of target: PressureTarget, _ now: Int64) {
    var change = change
    if let before = target.pending?.change { change.from = before.from }
    target.pending = nil
    guard change.from != change.to else { return }
    if change.to > change.from, change.to < .critical, !details.hasLook(nowNanoseconds: now) {
      details.refresh(nowNanoseconds: now)
      target.pending = .init(change: change, dueNanoseconds: now + PressureWatch.secondLookNanoseconds)
      return
    }
    tell(change, of: target)
  }

  private func tell(_ change: PressureTracker.Change, of target: PressureTarget) {
    target.pending = nil
    guard let reading = target.reading else { return }
    var event = PressureEvent(level: change.to, previous: change.from, causes: change.causes, reading: reading)
    event.availablePagesPerSecond = target.trend.pagesPerSecond
    event.secondsLeft = target.trend.secondsLeft
    details.complete(&event, thresholds, nowNanoseconds: SystemClock.monotonic)
    tell(event)
    if change.to > change.from, change.to >= .medium {
      cleanups.begin(for: target.path, nowNanoseconds: SystemClock.monotonic)
    }
  }

  private func clean() {
    guard let (path, reading, cleanup) = cleanups.step(),
      let target = targets.first(where: { $0.path == path })
    else { return }
    let level = target.tracker.level
    var event = PressureEvent(
      level: level, previous: level, causes: level == .normal ? [] : thresholds.level(of: reading).causes,
      reading: reading)
    event.cleanup = cleanup
    tell(event)
  }

  private func tell(_ event: PressureEvent) {
    let time = EventTime.now
    lines.write(.pressure(event), at: time)
    handlers.take(event, at: time, nowNanoseconds: SystemClock.monotonic)
  }
}
