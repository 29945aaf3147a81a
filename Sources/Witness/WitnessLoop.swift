// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The one loop: waits for the kernel, puts together, completes, tells; and keeps the books.
///
/// All effects of the witness happen here. Between kills it wakes once a minute.
package final class WitnessLoop {
  package struct Options {
    /// Ends after so many kills told; nil: never.
    package var count: Int64?
    /// Ends after so many nanoseconds; nil: never.
    package var durationNanoseconds: Int64?
    /// Which kills are told; the others are counted alone.
    package var wants: (OOMKill) -> Bool = { _ in true }
    /// How often books and snapshots are looked at.
    package var periodNanoseconds: Int64 = 60_000_000_000

    package init() {}
  }

  /// How long the kernel's choice is awaited without sleep.
  private static let attentionNanoseconds: Int64 = 1_000_000
  /// Snapshots under pressure are no closer than this.
  private static let refreshGapNanoseconds: Int64 = 500_000_000

  private let input: WitnessInput
  private let host: HostFacts
  private let options: Options
  private let surroundings: Surroundings
  private let clock: Clock
  private var ledger: LossLedger
  private var gate = NoKillGate()
  private var end = StreamEnd()
  private var actions: [Assembler.Action] = []
  private var lastRefresh: Int64 = .min

  package init(
    input: WitnessInput, host: HostFacts, options: Options, surroundings: Surroundings, clock: Clock = Clock()
  ) {
    self.input = input
    self.host = host
    self.options = options
    self.surroundings = surroundings
    self.clock = clock
    ledger = LossLedger(baseline: host.oomKillCount)
  }

  /// Tells `start`, then every kill, until it is asked to end; then what is left, and the books.
  package func run(_ start: StreamStart) {
    let began = clock.monotonic
    say(.streamStart(start), clock.time(monotonic: began))
    refresh(now: began)
    var nextPeriod = began + options.periodNanoseconds
    let stopAt = options.durationNanoseconds.map { began + $0 }
    while true {
      let woken = wait(until: [nextPeriod, input.deadline, stopAt].compactMap { $0 }.min()!)
      let oomKill = clock.monotonic >= nextPeriod ? host.oomKillCount : nil  // before the records that it counts
      input.collect(&actions)
      if input.announcesKills, woken.contains(.input), actions.isEmpty { attend() }
      let now = clock.monotonic
      input.expire(now: now, &actions)
      perform()
      if woken.contains(.pressure), now - lastRefresh > WitnessLoop.refreshGapNanoseconds { refresh(now: now) }
      if now >= nextPeriod {
        balance(oomKill: oomKill, isLast: false)
        refresh(now: now)
        nextPeriod = now + options.periodNanoseconds
      }
      if woken.contains(.stop) || surroundings.isOutputClosed() || (stopAt.map { now >= $0 } ?? false) { break }
      if let count = options.count, end.kills >= count { break }
    }
    finish()
  }

  /// Woken, and nothing to tell yet: the kernel is choosing. What it will be told with is read now, and the choice is
  /// awaited, since to be woken again takes longer; but not for a console that takes its time.
  private func attend() {
    host.readAhead()
    let patience = clock.monotonic + WitnessLoop.attentionNanoseconds
    repeat {
      sched_yield()
      surroundings.runs()
      input.collect(&actions)
    } while actions.isEmpty && clock.monotonic < patience
  }

  /// Detached, nothing new can come: what is left is told, and the sum must be right.
  private func finish() {
    input.finish(&actions)
    let oomKill = host.oomKillCount
    perform()
    surroundings.flushOutput()
    if let loss = ledger.output() { tell(loss) }
    balance(oomKill: oomKill, isLast: true)
    end.kernelCountTold = ledger.told
    end.kernelCountLost = ledger.lost
    end.vmstatGrowth = ledger.growth(oomKill: oomKill)
    say(.streamEnd(end), clock.time(monotonic: clock.monotonic))
  }

  private func perform() {
    for action in actions {
      switch action {
      case .tell(var kill, let moment, let start): tell(&kill, at: moment, startBootNanoseconds: start)
      case .tellOutcome(let outcome, let moment):
        end.outcomes += 1
        say(.oomOutcome(outcome), clock.time(monotonic: moment))
      case .tellNoKill(let every, let moment):
        end.noKills += 1
        guard var noKill = gate.pass(every, at: moment) else { continue }
        host.complete(&noKill.trigger)
        if noKill.limit != nil { host.complete(&noKill.limit!.cgroup) }
        say(.oomNoKill(noKill), clock.time(monotonic: moment))
      case .lose(let kernelCount, let records, let detail):
        tell(ledger.lose(kernelCount: kernelCount, records: records, detail: detail))
      }
    }
    actions.removeAll(keepingCapacity: true)
    if let loss = ledger.ring(input.losses) { tell(loss) }
    if surroundings.waitingOutput() == nil, let loss = ledger.output() { tell(loss) }
  }

  private func tell(_ kill: inout OOMKill, at moment: Int64, startBootNanoseconds: Int64?) {
    ledger.tell(kernelCount: kill.victim.kernelCount)
    host.complete(&kill, startBootNanoseconds: startBootNanoseconds)
    guard options.wants(kill) else {
      end.killsFiltered += 1
      return
    }
    end.kills += 1
    if kill.source != .kmsg, kill.source != .log {
      kill.decisionToEventMicroseconds = (clock.monotonic - moment) / 1000
    }
    say(.oomKill(kill), clock.time(monotonic: moment))
  }

  private func tell(_ loss: Loss) { say(.loss(loss), clock.time(monotonic: clock.monotonic)) }

  /// Says an event, or books it as one that the output would not take.
  private func say(_ event: Event, _ time: EventTime) {
    guard !surroundings.tell(event, time) else { return }
    end.linesDropped += 1
    switch event {
    case .oomKill(let kill): ledger.drop(kernelCount: Int64(kill.victim.kernelCount))
    case .loss(let loss): ledger.drop(kernelCount: loss.kernelCount, loss: true)
    case .streamStart, .oomOutcome, .oomNoKill, .policyAction, .streamEnd: ledger.drop(kernelCount: 0)
    }
  }

  private func balance(oomKill: Int64?, isLast: Bool) {
    if let loss = ledger.reconcile(oomKill: oomKill, waiting: input.waitingKernelCount, isLast: isLast) { tell(loss) }
  }

  private func refresh(now: Int64) {
    lastRefresh = now
    host.refresh(biggest: surroundings.biggest())
  }

  private struct Woken: OptionSet {
    let rawValue: Int
    static let input = Woken(rawValue: 1)
    static let stop = Woken(rawValue: 2)
    static let pressure = Woken(rawValue: 4)
    static let timeout = Woken(rawValue: 8)
  }

  /// Sleeps until something comes or the moment is reached.
  private func wait(until moment: Int64) -> Woken {
    let waiting = surroundings.waitingOutput()
    var descriptors = [
      pollfd(fd: input.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: surroundings.stopDescriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: surroundings.pressureDescriptor, events: Int16(POLLPRI), revents: 0),
      pollfd(fd: waiting ?? -1, events: Int16(POLLOUT), revents: 0),
    ]
    let left = max(0, moment - clock.monotonic)
    let milliseconds = Int32(clamping: (left + 999_999) / 1_000_000)
    let count = poll(&descriptors, nfds_t(descriptors.count), milliseconds)
    surroundings.runs()
    guard count > 0 else { return .timeout }
    if descriptors[3].revents != 0 { surroundings.flushOutput() }
    var woken: Woken = []
    if descriptors[0].revents != 0 { woken.insert(.input) }
    if descriptors[1].revents != 0 { woken.insert(.stop) }
    if descriptors[2].revents & Int16(POLLPRI) != 0 { woken.insert(.pressure) }
    return woken
  }
}
