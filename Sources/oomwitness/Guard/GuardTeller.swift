// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy
import Witness

/// Makes events of what the guard did, after it did it.
final class GuardTeller {
  private let writer: any EventOutput
  private let identity: HostIdentity
  private let settings: GuardSettings
  private let cgroup: CgroupRef?
  private let users = UserNames()
  private let clock = Clock()
  /// The same thing is told once in so long: what cannot be changed is looked at each second.
  private static let repeatNanoseconds: Int64 = 60_000_000_000
  private let lines: CountedOutput
  private var lastFruitless: (outcome: GuardAction.Outcome, pid: Int32?, moment: Int64)?

  init(writer: any EventOutput, domain: GuardDomain, settings: GuardSettings) {
    self.writer = writer
    lines = CountedOutput(writer)
    self.settings = settings
    identity = domain.identity
    cgroup = domain.cgroup
  }

  /// Nobody reads any more.
  var isClosed: Bool { writer.isClosed }
  var failure: Int32? { writer.failure }

  func flush() {
    writer.flush()
    lines.tellLoss()
  }

  func drain() {
    writer.drain(timeoutMilliseconds: 1000)
    lines.tellLoss()
    writer.drain(timeoutMilliseconds: 1000)
  }

  /// A choice, and what came of it at once; one line for each process.
  func tell(_ outcome: GuardAction.Outcome, _ choice: GuardChoice, _ domain: GuardDomain) {
    domain.scanner.readAll()
    let candidates = domain.scanner.candidates
    let place = outcome == .failed ? choice.refused : choice.place
    let taken = place < candidates.count && outcome != .nobody ? candidates[place] : nil
    if outcome != .sent, isRepeated(outcome, taken?.pid) { return }
    var action = action(outcome, choice)
    if let taken { fill(&action, taken, domain, role: .chosen, hasDetails: true) }
    action.candidates = listed(domain, choice, victim: action.victim)
    if outcome == .sent || outcome == .wouldSend {
      action.thresholdToSignalMicroseconds = max(0, choice.signalled - choice.seen) / 1000
      if domain.targets.leftOut > 0 { action.membersLeftOut = domain.targets.leftOut }
    }
    if outcome == .failed { action.error = refusal(choice.failure) }
    write(action)
    guard outcome == .sent else { return }
    for index in 1..<max(1, domain.targets.count) { tellTarget(index, .sent, choice, domain) }
    if choice.failure != 0 { tell(.failed, choice, domain) }
  }

  private func tellTarget(
    _ index: Int, _ outcome: GuardAction.Outcome, _ choice: GuardChoice, _ domain: GuardDomain
  ) {
    let target = domain.targets[index]
    var action = action(target.failure == nil ? outcome : .failed, choice)
    fill(&action, target.candidate, domain, role: index < choice.victims ? .chosen : .group, hasDetails: index == 0)
    action.error = target.failure.map(refusal)
    write(action)
  }

  /// SIGKILL followed.
  func tellEscalation(_ choice: GuardChoice, _ domain: GuardDomain) {
    for index in 0..<domain.targets.count where domain.targets[index].goneNanoseconds == nil {
      tellTarget(index, .sent, choice, domain)
    }
  }

  /// Each that was signalled, and whether it is gone.
  func tellEnd(_ outcome: GuardAction.Outcome, _ choice: GuardChoice, _ domain: GuardDomain) {
    for index in 0..<domain.targets.count where domain.targets[index].failure == nil {
      let target = domain.targets[index]
      var action = action(target.goneNanoseconds == nil ? outcome : .exited, choice)
      action.threshold = nil
      fill(&action, target.candidate, domain, role: index < choice.victims ? .chosen : .group, hasDetails: index == 0)
      if let gone = target.goneNanoseconds {
        action.signalToExitMicroseconds = max(0, gone - choice.signalled) / 1000
        action.freedBytes = target.candidate.heldPages * Int64(identity.pageSizeBytes)
      }
      write(action)
    }
  }

  /// A made-up choice of this very moment into nowhere, so that what telling needs is there when it counts.
  func rehearse(_ domain: GuardDomain, _ reading: GuardReading) {
    var choice = GuardChoice()
    choice.next(.memory, reading, isKill: false, seen: 0)
    writer.rehearse(.guardAction(wouldTake(choice, domain)), at: .now)
  }

  /// What would be told of a choice that is not made.
  func wouldTake(_ choice: GuardChoice, _ domain: GuardDomain) -> GuardAction {
    domain.scanner.readAll()
    let taken = domain.scanner.candidates.first
    var action = action(taken == nil ? .nobody : .wouldSend, choice)
    if let taken { fill(&action, taken, domain, role: .chosen, hasDetails: true) }
    action.candidates = listed(domain, choice, victim: action.victim)
    return action
  }

  private func isRepeated(_ outcome: GuardAction.Outcome, _ pid: Int32?) -> Bool {
    let now = clock.monotonic
    if let last = lastFruitless, last.outcome == outcome, last.pid == pid,
      now - last.moment < GuardTeller.repeatNanoseconds
    {
      return true
    }
    lastFruitless = (outcome, pid, now)
    return false
  }

  private func write(_ action: GuardAction) { lines.write(.guardAction(action)) }

  private func refusal(_ number: Int32) -> String {
    number == EPERM ? "\(Wording.text(number)) (needs root, or CAP_KILL)" : Wording.text(number)
  }

  private func action(_ outcome: GuardAction.Outcome, _ choice: GuardChoice) -> GuardAction {
    var action = GuardAction(by: "oomwitness", outcome: outcome)
    action.id = max(1, choice.id)
    if outcome != .nobody { action.signal = choice.isKill ? .SIGKILL : .SIGTERM }
    action.scope = cgroup == nil ? .system : .memcg
    action.cgroup = cgroup
    action.reading = choice.reading
    action.threshold = threshold(choice)
    return action
  }

  private func threshold(_ choice: GuardChoice) -> GuardAction.Threshold {
    var threshold = GuardAction.Threshold(cause: choice.cause)
    let (thresholds, bytes) = (settings.thresholds, Int64(identity.pageSizeBytes))
    switch choice.cause {
    case .memory:
      let memory = thresholds.memoryPages(of: choice.reading.totalPages, pageSizeBytes: bytes)
      let swap = thresholds.swapPages(of: choice.reading.swapTotalPages, pageSizeBytes: bytes)
      threshold.availablePages = choice.isKill ? memory.kill : memory.terminate
      threshold.swapFreePages = choice.isKill ? swap.kill : swap.terminate
    case .stallFull: threshold.stallHundredths = thresholds.fullHundredths
    case .stallSome: threshold.stallHundredths = thresholds.someHundredths
    }
    return threshold
  }

  private func fill(
    _ action: inout GuardAction, _ candidate: GuardCandidate, _ domain: GuardDomain, role: Victim.Role,
    hasDetails: Bool
  ) {
    var victim = Victim(pid: candidate.pid, comm: candidate.comm.name, kernelCount: 0)
    victim.ppid = candidate.ppid
    victim.role = role
    victim.uid = candidate.uid
    victim.user = (try? users.name(uid: candidate.uid)) ?? nil
    victim.oomScoreAdj = candidate.oomScoreAdj
    let ticks = UInt64(max(1, identity.clockTicksPerSecond))
    let began = clock.wall(
      bootNanoseconds: Int64(
        clamping: candidate.startTimeTicks.multipliedReportingOverflow(by: 1_000_000_000 / ticks).partialValue))
    victim.startWallNanoseconds = began
    victim.ageSeconds = max(0, (clock.wall - began) / 1_000_000_000)
    victim.totalVMPages = candidate.totalVMPages
    victim.threads = Int(candidate.threads)
    if hasDetails {
      victim.exe = domain.scanner.exe.map { KernelName(bytes: Array($0)) }
      victim.cmdline = domain.arguments?.list(of: candidate.pid)
      // By the path alone: the engines' files are not read while memory is short.
      victim.cgroup = domain.scanner.cgroup.map { bytes in
        let path = KernelName(bytes: Array(bytes))
        let (read, version) = (CgroupPath(path), domain.groups?.version)
        var cgroup = CgroupRef(path: path, version: version)
        cgroup.owner = CgroupOwner(unit: read.unit, container: read.containers.last, pod: read.pod)
        return cgroup
      }
    }
    action.victim = victim
    var badness = VictimBadness(parts: candidate.parts)
    badness.points = candidate.points
    badness.pointsSource = .computed
    badness.domainPages = GuardDomain.pages(action.reading ?? GuardReading(totalPages: 0, availablePages: 0))
    badness.adjPoints = candidate.points - candidate.parts.totalPages
    action.badness = badness
    action.bonusPages = candidate.bonusPages == 0 ? nil : candidate.bonusPages
  }

  /// In the guard's own order, which patterns and --sort-by-rss make another than that of points.
  ///
  /// - Parameter victim: its group was read before the signal, which may have ended it since.
  private func listed(_ domain: GuardDomain, _ choice: GuardChoice, victim: Victim?) -> Candidates {
    let list = domain.scanner.candidates.enumerated().map { place, process in
      var candidate = Candidate(
        pid: process.pid, tid: process.pid, comm: process.comm.name, oomScoreAdj: process.oomScoreAdj)
      candidate.uid = process.uid
      // Nil where it is gone since.
      let path =
        process.pid == victim?.pid
        ? victim?.cgroup?.path : domain.scanner.cgroup(of: process).map { KernelName(bytes: Array($0)) }
      candidate.cgroup = path.map { CgroupRef(path: $0) }
      candidate.points = process.points
      candidate.pointsSource = .computed
      candidate.rank = place + 1
      candidate.parts = process.parts
      candidate.adjPoints = process.points - process.parts.totalPages
      return candidate
    }
    var candidates = Candidates(considered: max(domain.scanner.considered, list.count), list: list)
    let byPoints = settings.measure == .badness && domain.scanner.candidates.allSatisfy { $0.bonusPages == 0 }
    if byPoints, choice.place == 0, list.count > 1, let first = list[0].points, let second = list[1].points {
      candidates.runnerUpMarginPages = first - second
    }
    return candidates
  }
}
