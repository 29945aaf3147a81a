// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The one loop: waits for the kernel, puts together, completes, tells; and keeps the books.
///
/// All effects of the witness happen here. Between kills it wakes once a minute.
package final class WitnessLoop {
  /// How long the kernel's choice is awaited without sleep.
  private static let attentionNanoseconds: Int64 = 1_000_000
  /// Snapshots under pressure are no closer than this.
  private static let refreshGapNanoseconds: Int64 = 500_000_000

  private let input: WitnessInput
  private let host: HostFacts
  private let options: Options
  private let surroundings: Surroundings
  private let clock: Clock
  private let waiter: Waiter
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
    waiter = Waiter(input: input, surroundings: surroundings, clock: clock)
    ledger = LossLedger(baseline: options.oomKillAtStart ?? host.oomKillCount)
    if options.isCrossChecked { end.killsFromLog = 0 }
  }

  /// Tells `start`, then every kill, until it is asked to end; then what is left, and the books.
  package func run(_ start: StreamStart) {
    let began = clock.monotonic
    say(.streamStart(start), clock.time(monotonic: began))
    if options.tellsPast { tellPast() }
    refresh(now: began)
    var nextPeriod = began + options.periodNanoseconds
    let stopAt = options.durationNanoseconds.map { began + $0 }
    while true {
      let woken = waiter.wait(until: [nextPeriod, input.deadline, stopAt].compactMap { $0 }.min()!)
      let oomKill = clock.monotonic >= nextPeriod ? host.oomKillCount : nil  // before the records that it counts
      input.collect(&actions)
      if input.announcesKills, woken.contains(.input), actions.isEmpty { attend() }
      let now = clock.monotonic
      input.expire(now: now, &actions)
      perform()
      if woken.contains(.pressure), now - lastRefresh > WitnessLoop.refreshGapNanoseconds { refresh(now: now) }
      if now >= nextPeriod, input.look(&actions) {
        perform()
        balance(oomKill: oomKill, isLast: false)
        refresh(now: now)
        nextPeriod = now + options.periodNanoseconds
      }
      if woken.contains(.stop) || surroundings.isOutputClosed() || (stopAt.map { now >= $0 } ?? false) { break }
      if let count = options.count, end.kills - (end.backfill?.kills ?? 0) >= count { break }
    }
    finish()
  }

  /// What the kernel's log still has of the time before the start, and how much it no longer has.
  private func tellPast() {
    end.backfill = StreamEnd.Backfill()
    while surroundings.takePast(&actions), !surroundings.isOutputClosed() { perform() }
    end.backfill!.kernelCountForgotten = ledger.baseline.map { max(0, $0 - end.backfill!.kernelCount) }
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
      case .tellLogged(var kill, let moment, let isPast): tellLogged(&kill, at: moment, isPast: isPast)
      case .tellOutcome(let outcome, let moment):
        end.outcomes += 1
        say(.oomOutcome(outcome), clock.time(monotonic: moment))
      case .tellNoKill(let every, let moment):
        end.noKills += 1
        guard var noKill = gate.pass(every, at: moment) else { continue }
        host.complete(&noKill.trigger)
        if noKill.limit != nil { host.complete(&noKill.limit!.cgroup) }
        say(.oomNoKill(noKill), clock.time(monotonic: moment))
      case .tellGuard(let action, let moment):
        // A guard of this process tells of itself, with its reasons.
        if action.sender?.pid != getpid() { say(.guardAction(action), clock.time(monotonic: moment)) }
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

  private func tellLogged(_ kill: inout OOMKill, at moment: Int64, isPast: Bool) {
    let kernelCount = kill.victim.kernelCount
    let loss = isPast ? nil : ledger.find(kernelCount: kernelCount)
    if isPast { end.backfill?.kernelCount += Int64(kernelCount) } else { end.killsFromLog? += 1 }
    if isPast, options.wasTold(kill, moment) {
      end.backfill?.killsToldBefore += 1
      return
    }
    host.completeLogged(&kill)
    if options.wants(kill) {
      end.kills += 1
      if isPast { end.backfill?.kills += 1 }
      say(.oomKill(kill), clock.time(monotonic: moment), isPast: isPast)
    } else {
      end.killsFiltered += 1
    }
    if let loss { tell(loss) }
  }

  private func tell(_ loss: Loss) { say(.loss(loss), clock.time(monotonic: clock.monotonic)) }

  /// Says an event, or books it as one that the output would not take.
  private func say(_ event: Event, _ time: EventTime, isPast: Bool = false) {
    guard !surroundings.tell(event, time) else { return }
    end.linesDropped += 1
    switch event {
    case .oomKill(let kill): ledger.drop(kernelCount: isPast ? 0 : Int64(kill.victim.kernelCount))
    case .loss(let loss): ledger.drop(kernelCount: loss.kernelCount, loss: true)
    case .streamStart, .oomOutcome, .oomNoKill, .pressure, .policyAction, .guardAction, .streamEnd:
      ledger.drop(kernelCount: 0)
    }
  }

  private func balance(oomKill: Int64?, isLast: Bool) {
    let loss = ledger.reconcile(oomKill: oomKill, waiting: input.waitingKernelCount, isLast: isLast)
    if let loss { tell(loss) }
    surroundings.balanced(ledger.balance(oomKill: oomKill, difference: loss?.kernelCount ?? 0))
  }

  private func refresh(now: Int64) {
    lastRefresh = now
    host.refresh(biggest: surroundings.biggest())
  }
}
