// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import KernelProbe
import Policy

/// Applies rules to what runs, then to what starts: at each exec where BPF may be loaded, and on rounds.
final class ProtectionWatch {
  private let protector: Protector
  private let setter: AdjSetter
  private let writer: any EventOutput
  let pollSeconds: Double
  private let probe: ExecProbe?
  private let deadline: Double?
  /// What was told of processes that cannot be changed, so that each round does not tell it again.
  private var told: Set<String> = []
  private var lostBefore: UInt64 = 0
  private let lines: CountedOutput

  init(
    protector: Protector, probe: ExecProbe?, journalPath: String, writer: any EventOutput, pollSeconds: Double,
    duration: Double?
  ) {
    self.protector = protector
    self.probe = probe
    setter = AdjSetter(protector: protector, journalPath: journalPath)
    self.writer = writer
    lines = CountedOutput(writer)
    self.pollSeconds = pollSeconds
    deadline = duration.map { ProtectionWatch.now + $0 }
  }

  /// Programs are seen as they start, not on rounds alone.
  var seesStarts: Bool { probe != nil }

  /// Until `stop` can be read, the deadline, or until nobody reads any more.
  func run(stop: Int32) throws {
    try round(.start)
    var next = ProtectionWatch.now + pollSeconds
    while !writer.isClosed {
      let until = min(next, deadline ?? .infinity)
      if wait(stop, seconds: until - ProtectionWatch.now) { break }
      if takeExecs() || ProtectionWatch.now >= next {
        try round(.poll)
        next = ProtectionWatch.now + pollSeconds
      }
      writer.flush()
      if let deadline, ProtectionWatch.now >= deadline { break }
    }
    writer.drain(timeoutMilliseconds: 1000)
  }

  /// True where it is to end.
  private func wait(_ stop: Int32, seconds: Double) -> Bool {
    let ring: Int32 = if let probe { probe.descriptor } else { -1 }
    var descriptors = [
      pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
      pollfd(fd: ring, events: Int16(POLLIN), revents: 0),
      pollfd(fd: writer.waitingDescriptor ?? -1, events: Int16(POLLOUT), revents: 0),
    ]
    _ = poll(&descriptors, 3, Int32(clamping: Int(max(0, seconds) * 1000 + 1)))
    return descriptors[0].revents != 0
  }

  /// True where some were lost, so that all have to be looked at.
  private func takeExecs() -> Bool {
    guard let probe else { return false }
    probe.consume { exec in
      if protector.mayMatch(pid: exec.pid, comm: exec.comm.name) { look(exec.pid, exec.comm.name) }
    }
    let lost = probe.lost
    guard lost > lostBefore else { return false }
    tell(
      .loss(
        Loss(
          reason: .ringFull, kernelCount: 0, records: Int64(clamping: lost - lostBefore),
          detail:
            "\(lost - lostBefore) programs started faster than they could be looked at; all processes were instead")))
    lostBefore = lost
    return true
  }

  private func look(_ pid: Int32, _ comm: KernelName) {
    switch protector.verdict(pid: pid) {
    case .none: return
    case .set(let rule): set(pid, comm, rule, sharers: [], cause: .exec)
    case .disagree(let first, let second): disagree(pid, comm, first, second, cause: .exec)
    }
  }

  /// All processes.
  private func round(_ cause: PolicyAction.Cause) throws {
    let plan = try protector.plan()
    if cause == .start {
      let maker = PlanMaker(plan, protector: protector)
      if maker.refuses() { throw ExitStatus.failed }
      try maker.warn()
      try setter.openJournal()
    }
    let refused = Set(plan.disagreements.flatMap { [$0.pid, $0.otherPID ?? $0.pid] })
    for each in plan.disagreements { disagree(each.pid, each.comm, each.first, each.second, cause: cause) }
    for change in plan.changes where change.sharesMemoryWith == nil {
      let process = plan.processes[change.index]
      guard !refused.contains(process.pid) else { continue }
      set(process.pid, process.comm.name, change.rule, sharers: plan.sharers(of: change.index), cause: cause)
    }
  }

  private func set(
    _ pid: Int32, _ comm: KernelName, _ rule: ProtectionRule, sharers: [Int32], cause: PolicyAction.Cause
  ) {
    let subject = protector.subject(pid: pid)?.subject
    func action(_ outcome: PolicyAction.Outcome, _ before: Int?, _ after: Int?) -> PolicyAction {
      var action = PolicyAction(
        outcome: outcome, cause: cause, pid: pid, comm: subject?.comm ?? comm, rule: rule.name,
        adjWanted: rule.oomScoreAdj)
      action.reason = rule.reason
      action.user = subject?.user
      action.cgroup = subject?.cgroup.map { CgroupRef(path: $0) }
      action.cgroup?.owner = subject?.cgroup.flatMap(CgroupOwner.init(path:))
      (action.adjBefore, action.adjAfter) = (before, after)
      return action
    }
    switch setter.set(pid: pid, to: rule, sharers: sharers) {
    case .nothing, .gone: return
    case .set(let before, let after, let sharers):
      tell(.policyAction(action(.applied, before, after)))
      for sharer in sharers {
        var shared = action(.applied, sharer.before, after)
        (shared.pid, shared.comm, shared.sharesMemoryWith) = (sharer.pid, sharer.comm, pid)
        tell(.policyAction(shared))
      }
    case .failed(let before, let sentence):
      guard told.insert("\(pid) \(rule.name) \(sentence)").inserted else { return }
      var failure = action(.failed, before, nil)
      failure.error = sentence
      tell(.policyAction(failure))
    }
  }

  private func disagree(
    _ pid: Int32, _ comm: KernelName, _ first: ProtectionRule, _ second: ProtectionRule, cause: PolicyAction.Cause
  ) {
    guard told.insert("\(pid) \(first.origin) \(second.origin)").inserted else { return }
    var failure = PolicyAction(
      outcome: .failed, cause: cause, pid: pid, comm: comm, rule: first.name, adjWanted: first.oomScoreAdj)
    failure.error = "\(Wording.name(second)) wants \(second.oomScoreAdj): left alone"
    tell(.policyAction(failure))
  }

  private func tell(_ event: Event) {
    if told.count > ProtectionWatch.toldMax { told.removeAll() }
    lines.write(event)
  }

  /// Then all is forgotten, and may be told once more.
  private static let toldMax = 10_000

  private static var now: Double { Double(EventTime.now.monotonicNanoseconds ?? 0) / 1e9 }
}
