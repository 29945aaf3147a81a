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
  private var breadth = GuardBreadth()
  private var last: (availablePages: Pages, moment: Int64)?
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

  /// Names of containers are looked up where memory is not short for at least so long.
  private static let calmNanoseconds: Int64 = 100_000_000
  /// Not while it is proved that nothing is allocated.
  var looksForNames = true

  /// Until `stop` can be read, the deadline (CLOCK_MONOTONIC), or the group is gone.
  func run(stop: Int32, deadlineNanoseconds: Int64?) -> End {
    while true {
      guard let reading = domain.meter.reading() else { return .groupGone }
      let now = SystemClock.monotonic
      if let deadlineNanoseconds, now >= deadlineNanoseconds { return .asked }
      let (need, cause) = need(reading, now)
      defer { last = (reading.availablePages, now) }
      var pause: Int64 = 0
      switch machine.step(need, victimIsGone: domain.targets.areGone, now: now) {
      case .rest(let until):
        pause =
          until.map { $0 - now } ?? GuardPace.nanoseconds(reading, settings.thresholds, pageSizeBytes: pageSizeBytes)
        if looksForNames, pause >= GuardLoop.calmNanoseconds { domain.names?.refresh(now: now) }
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
    if cause == .memory { breadth.choose(availablePages: reading.availablePages, now: seen) }
    guard domain.scan(reading, settings) else { return fail(.nobody) }
    if settings.isDryRun { return rehearse() }
    take(
      need == .kill ? SIGKILL : SIGTERM, wantedPages: cause == .memory ? wantedPages(reading, seen) : 0,
      fewest: cause == .memory ? breadth.fewest : 1)
    guard domain.targets.count > 0 else { return fail(choice.failure == 0 ? .nobody : .failed) }
    if need == .kill { domain.targets.takeMemory() }
    addMembers(of: domain.targets[0].candidate, need == .kill ? SIGKILL : SIGTERM)
    machine.signalled(kill: need == .kill, now: choice.signalled)
    if cause != .memory { stall.acted(now: choice.signalled) }
    afterSignal()
    teller.tell(.sent, choice, domain)
  }

  /// Signals the first who can be, and those after it until what they hold is enough: many small ones can take memory
  /// faster than it comes back one by one.
  private func take(_ number: Int32, wantedPages: Pages, fewest: Int) {
    let (scanner, targets) = (domain.scanner, domain.targets)
    var place = 0
    var heldPages: Pages = 0
    while place < scanner.candidates.count || scanner.readNext(behind: place) {
      guard place < scanner.candidates.count else { continue }
      let candidate = scanner.candidates[place]
      place += 1
      if targets.count == 0 { domain.keepDetails(of: candidate) }
      guard targets.hold(candidate) else { continue }
      if targets.count == 1 { domain.arguments?.wait() }
      beforeSignal()
      guard targets.signal(number, from: targets.count - 1) else {
        if choice.failure == 0 { (choice.failure, choice.refused) = (targets.dropLast(), place - 1) }
        continue
      }
      if targets.count == 1 { (choice.signalled, choice.place) = (SystemClock.monotonic, place - 1) }
      choice.victims = targets.count
      // Pages of files are others' too, and stay.
      heldPages += candidate.parts.anonPages + candidate.parts.swapPages
      let isEnough = heldPages >= wantedPages && targets.count >= fewest
      if isEnough || targets.count == GuardBreadth.victimsMax || settings.extent != .process { return }
    }
  }

  /// What is taken from memory meanwhile has to come back too.
  private static let aheadNanoseconds: Int64 = 50_000_000

  /// What is missing to the first threshold, and will be at the speed of the last two readings.
  private func wantedPages(_ reading: GuardReading, _ now: Int64) -> Pages {
    let threshold = settings.thresholds.memoryPages(of: reading.totalPages, pageSizeBytes: pageSizeBytes).terminate
    let missing = max(0, threshold - reading.availablePages)
    guard let last, now > last.moment else { return missing }
    let fallen = min(max(0, last.availablePages - reading.availablePages), 1 << 32)
    let ahead = fallen * GuardLoop.aheadNanoseconds / max(1_000_000, now - last.moment)
    return missing + min(ahead, reading.totalPages / 8)
  }

  private func rehearse() {
    guard let candidate = domain.scanner.candidates.first else { return fail(.nobody) }
    domain.keepDetails(of: candidate)
    domain.arguments?.wait()
    choice.signalled = SystemClock.monotonic
    fail(.wouldSend)
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
    domain.scanner.forEachMember(of: members, domainPages: pages) {
      domain.verdict($0, preferences)
    } _: { member in
      if !domain.targets.contains(pid: member.pid) { _ = domain.targets.hold(member) }
    }
    _ = domain.targets.signal(number, from: 1)
    if number == SIGKILL { domain.targets.takeMemory() }
  }

  private func escalate(_ reading: GuardReading) {
    let now = SystemClock.monotonic
    guard domain.targets.signal(SIGKILL) else {
      machine.failed(now: now)
      (choice.failure, choice.refused) = (domain.targets[0].failure ?? 0, choice.place)
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
    var heldPages: Pages = 0
    for index in 0..<domain.targets.count where domain.targets[index].goneNanoseconds != nil {
      let parts = domain.targets[index].candidate.parts
      heldPages += parts.anonPages + parts.swapPages
    }
    breadth.end(heldPages: heldPages, now: SystemClock.monotonic)
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
    machine.failed(now: SystemClock.monotonic)
    afterSignal()
    teller.tell(outcome, choice, domain)
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
  /// How many were chosen by themselves: the targets behind them are members of a group.
  var victims = 0
  /// Who could not be signalled, and why; 0: nobody.
  var refused = 0
  var failure: Int32 = 0

  mutating func next(
    _ cause: GuardAction.Threshold.Cause, _ reading: GuardReading, isKill: Bool, seen: Int64
  ) {
    id += 1
    (self.cause, self.reading, self.isKill, self.seen) = (cause, reading, isKill, seen)
    (place, signalled, victims, refused, failure) = (0, 0, 0, 0, 0)
  }
}
