// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// Reads memory, decides, signals, and only then tells of it: from a reading to the signal nothing is allocated, and no
/// process is started.
final class GuardLoop {
  /// Why it ended.
  enum End { case asked, groupGone }

  private let domain: GuardDomain
  private let settings: GuardSettings
  private let teller: GuardTeller
  private let pageSizeBytes: Int64
  private var machine: GuardMachine
  private var stall = GuardStall()
  private var choice = GuardChoice()
  /// Called once the first signal of a choice is sent, before anything is told: the proof gives back what it took there.
  var afterSignal: () -> Void = {}
  /// Called once somebody is chosen.
  var beforeSignal: () -> Void = {}

  init(domain: GuardDomain, settings: GuardSettings, teller: GuardTeller) {
    self.domain = domain
    self.settings = settings
    self.teller = teller
    pageSizeBytes = Int64(domain.identity.pageSizeBytes)
    machine = GuardMachine(settings.timing)
  }

  /// Until `stop` can be read, the deadline (CLOCK_MONOTONIC), or the group is gone.
  func run(stop: Int32, deadlineNanoseconds: Int64?) -> End {
    while true {
      guard let reading = domain.meter.reading() else { return .groupGone }
      let now = GuardLoop.now
      if let deadlineNanoseconds, now >= deadlineNanoseconds { return .asked }
      let (need, cause) = need(reading, now)
      var pause: Int64 = 0
      switch machine.step(need, victimIsGone: domain.targets.areGone, now: now) {
      case .rest(let until):
        pause =
          until.map { $0 - now } ?? GuardPace.nanoseconds(reading, settings.thresholds, pageSizeBytes: pageSizeBytes)
      case .choose(let need): choose(need, cause ?? .memory, reading, seen: now)
      case .escalate: escalate(reading)
      case .ended: finish(.exited, reading)
      case .spared: finish(.spared, reading)
      case .gaveUp: giveUp(reading)
      }
      if let deadlineNanoseconds { pause = min(pause, max(0, deadlineNanoseconds - now)) }
      teller.flush()
      if domain.targets.wait(nanoseconds: pause, other: stop) || teller.isClosed { return .asked }
    }
  }

  /// What is needed by amounts, else by stalls.
  private func need(_ reading: GuardReading, _ now: Int64) -> (GuardNeed, GuardAction.Threshold.Cause?) {
    let need = settings.thresholds.need(reading, pageSizeBytes: pageSizeBytes)
    let stalled = stall.take(reading, settings.thresholds, now: now)
    if need != .none { return (need, .memory) }
    return stalled.map { (.terminate, $0) } ?? (.none, nil)
  }

  private func choose(
    _ need: GuardNeed, _ cause: GuardAction.Threshold.Cause, _ reading: GuardReading, seen: Int64
  ) {
    choice.next(cause, reading, isKill: need == .kill, seen: seen)
    let number = need == .kill ? SIGKILL : SIGTERM
    guard domain.scan(reading, settings) else { return fail(.nobody) }
    for index in 0..<domain.scanner.candidates.count {
      choice.place = index
      let candidate = domain.scanner.candidates[index]
      domain.scanner.keepDetails(of: candidate.pid)
      if settings.isDryRun { return fail(.wouldSend) }
      guard domain.targets.hold(candidate) else { continue }
      beforeSignal()
      guard domain.targets.signal(number) else {
        choice.failure = domain.targets[0].failure ?? 0
        domain.targets.release()
        afterSignal()
        teller.tell(.failed, choice, domain)
        continue
      }
      choice.signalled = GuardLoop.now
      if need == .kill { domain.targets.takeMemory() }
      addMembers(of: candidate, number)
      machine.signalled(kill: need == .kill, now: choice.signalled)
      if cause != .memory { stall.acted(now: choice.signalled) }
      afterSignal()
      teller.tell(.sent, choice, domain)
      return
    }
    fail(.nobody)
  }

  /// Those who go with the one that was taken, each held and looked at as it was.
  private func addMembers(of candidate: GuardCandidate, _ number: Int32) {
    guard settings.extent != .process else { return }
    let (domain, preferences) = (domain, settings.preferences)
    let pages = GuardDomain.pages(choice.reading)
    var group: Int32 = -1
    defer { if group >= 0 { close(group) } }
    let members: GuardScanner.Members
    if settings.extent == .processGroup {
      guard candidate.processGroup > 1, candidate.processGroup != getpgrp() else { return }
      members = .processGroup(candidate.processGroup)
    } else {
      // Of the root all are members.
      guard let path = domain.scanner.cgroup, path.count > 1, let opened = domain.groups?.open(path) else { return }
      group = opened
      members = .controlGroup(descriptor: opened)
    }
    domain.scanner.forEachMember(of: members, domainPages: pages) { pid in
      preferences.verdict { domain.scanner.field($0, of: pid) }
    } _: { member in
      if !domain.targets.contains(pid: member.pid) { _ = domain.targets.hold(member) }
    }
    _ = domain.targets.signal(number, from: 1)
    if number == SIGKILL { domain.targets.takeMemory() }
  }

  private func escalate(_ reading: GuardReading) {
    let now = GuardLoop.now
    guard domain.targets.signal(SIGKILL) else {
      machine.failed(now: now)
      choice.failure = domain.targets[0].failure ?? 0
      (choice.isKill, choice.reading) = (true, reading)
      teller.tell(.failed, choice, domain)
      return domain.targets.release()
    }
    domain.targets.takeMemory()
    machine.signalled(kill: true, now: now)
    (choice.isKill, choice.reading) = (true, reading)
    teller.tellEscalation(choice, domain)
  }

  private func finish(_ outcome: GuardAction.Outcome, _ reading: GuardReading) {
    choice.reading = reading
    teller.tellEnd(outcome, choice, domain)
    domain.targets.release()
  }

  private func giveUp(_ reading: GuardReading) {
    for index in 0..<domain.targets.count where domain.targets[index].goneNanoseconds == nil {
      domain.scanner.remember(stuck: domain.targets[index].candidate)
    }
    finish(.survived, reading)
  }

  /// Nothing was sent: it is told, and looked at again after a pause.
  private func fail(_ outcome: GuardAction.Outcome) {
    machine.failed(now: GuardLoop.now)
    afterSignal()
    teller.tell(outcome, choice, domain)
  }

  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// One choice of the guard's, as numbers alone.
struct GuardChoice {
  /// Counts, from 1.
  var id: UInt64 = 0
  var cause = GuardAction.Threshold.Cause.memory
  var reading = GuardReading(totalPages: 0, availablePages: 0)
  var isKill = false
  /// Where the one that was taken stands among the candidates.
  var place = 0
  /// CLOCK_MONOTONIC: when the reading was there, and when the signal was sent.
  var seen: Int64 = 0
  var signalled: Int64 = 0
  var failure: Int32 = 0

  mutating func next(
    _ cause: GuardAction.Threshold.Cause, _ reading: GuardReading, isKill: Bool, seen: Int64
  ) {
    id += 1
    (self.cause, self.reading, self.isKill, self.seen) = (cause, reading, isKill, seen)
    (place, signalled, failure) = (0, 0, 0)
  }
}
