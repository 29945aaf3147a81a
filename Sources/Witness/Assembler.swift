// SPDX-License-Identifier: Apache-2.0
import Events

/// Puts the kernel's records together to events: a state machine without I/O.
///
/// A decision opens with its record, gathers candidates, control groups and kills, and closes when the kernel has left
/// oom_kill_process(), when the next decision opens (oom_lock lets one be open at a time), or at a deadline.
/// Source: bpf/include/wire.h tells what comes in which order.
package struct Assembler: Sendable {
  /// What the caller has to do.
  package enum Action: Sendable {
    /// Tell this kill, after what the host knows of the victim has been added.
    case tell(OOMKill, at: Int64, startBootNanoseconds: Int64?)
    /// Tell this kill, which the kernel's log has and no probe told: the host knows nothing of that time any more.
    ///
    /// - Parameter isPast: before the stream, and so not in the growth of the kernel's count.
    case tellLogged(OOMKill, at: Int64, isPast: Bool)
    case tellOutcome(OOMOutcome, at: Int64)
    case tellNoKill(OOMNoKill, at: Int64)
    case tellGuard(GuardAction, at: Int64)
    /// A table of ours was full: this many kernel counts, or victims, go untold.
    case lose(kernelCount: Int64, records: Int64, detail: String)
  }

  package struct Configuration: Sendable {
    package var source: Source
    /// How many candidates are listed; nil: all.
    package var candidatesListed: Int? = 20
    /// The return of oom_badness() is seen in scans: a candidate without points was passed over.
    package var seesBadness = false
    /// More than one NUMA node has memory: what ran out may have been a part of them.
    package var hasManyMemoryNodes = false
    /// The end of exit_mmap() is seen.
    package var seesMemoryFreed = false

    package var pageSizeBytes: Int

    package init(source: Source, pageSizeBytes: Int) {
      self.source = source
      self.pageSizeBytes = pageSizeBytes
    }
  }

  /// Bounds: of what one decision may hold, and of victims that are followed to their end.
  package static let candidatesMax = 16_384
  package static let killsPerDecisionMax = 4096
  /// After a kill, how long a decision waits for more of them or for its end.
  ///
  /// The kernel prints between two kills, and a serial console takes its time; the tracepoint rung always waits this out.
  package static let decisionPatienceNanoseconds: Int64 = 50_000_000
  package static let hookedDecisionPatienceNanoseconds: Int64 = 2_000_000_000

  package var configuration: Configuration
  private var open: OpenDecision?
  /// Kept from decision to decision, so that a kill allocates nothing for each candidate.
  private var candidates: [CandidateRecord] = []
  private var outcomes: OutcomeTracker
  private var guards = GuardWatch()
  /// Outcomes of the open decision's victims: told after their kills.
  private var heldOutcomes: [Action] = []

  package init(_ configuration: Configuration) {
    self.configuration = configuration
    outcomes = OutcomeTracker(
      seesMemoryFreed: configuration.seesMemoryFreed, pageSizeBytes: configuration.pageSizeBytes)
    candidates.reserveCapacity(Assembler.candidatesMax)
  }

  /// When `expire` has something to do, on CLOCK_MONOTONIC; nil where nothing waits.
  package var deadline: Int64? {
    [open?.deadline, outcomes.deadline].compactMap { $0 }.min()
  }

  /// Kills of the open decision as the kernel counts them: not told yet.
  package var waitingKernelCount: Int64 { Int64(open?.victims.reduce(0) { $0 + $1.count } ?? 0) }

  /// Takes one record; appends what is to be done to `actions`.
  package mutating func receive(_ record: KernelRecord, actions: inout [Action]) {
    switch record {
    case .decision(let decision):
      close(actions: &actions)
      candidates.removeAll(keepingCapacity: true)
      open = OpenDecision(decision)
    case .candidate(let candidate, let decision):
      guard decision == open?.record.decision, candidates.count < Assembler.candidatesMax else { return }
      candidates.append(candidate)
    case .cgroup(let cgroup): if cgroup.decision == open?.record.decision { open!.add(cgroup) }
    case .argv(let argv): if argv.decision == open?.record.decision { open!.add(argv) }
    case .kill(let kill): receive(kill, actions: &actions)
    case .decisionEnd(let decision, let counted, let time): end(decision, counted: counted, at: time, actions: &actions)
    case .noKill(let noKill): receive(noKill, actions: &actions)
    case .guardSignal(let signal):
      actions.append(.tellGuard(guards.receive(signal), at: signal.monotonicNanoseconds))
    case .outcome(let outcome): if let told = outcomes.receive(outcome) { hold(told, actions: &actions) }
    }
  }

  /// Ends what has waited long enough.
  package mutating func expire(now: Int64, actions: inout [Action]) {
    if let deadline = open?.deadline, deadline <= now { close(actions: &actions) }
    for told in outcomes.expire(now: now) { hold(told, actions: &actions) }
  }

  /// Ends everything that is open: the stream ends.
  package mutating func finish(actions: inout [Action]) {
    close(actions: &actions)
    actions += outcomes.finish().map { .tellOutcome($0.outcome, at: $0.moment) }
  }

  /// A group's first victim may be gone before its last is killed.
  private mutating func hold(_ told: OutcomeTracker.Told, actions: inout [Action]) {
    let action = Action.tellOutcome(told.outcome, at: told.moment)
    if told.outcome.decisionID == open?.record.decision { heldOutcomes.append(action) } else { actions.append(action) }
  }

  private mutating func receive(_ kill: KillRecord, actions: inout [Action]) {
    if open?.record.decision != kill.decision {
      close(actions: &actions)
      candidates.removeAll(keepingCapacity: true)
      open = OpenDecision(orphan: kill)
    }
    guard open!.add(kill) else {
      actions.append(
        .lose(
          kernelCount: kill.sharesMemory ? 0 : 1, records: 1,
          detail: "more than \(Assembler.killsPerDecisionMax) kills in one decision"))
      return
    }
    let (isFollowed, earlier) = outcomes.follow(kill)
    if let earlier { hold(earlier, actions: &actions) }
    if !isFollowed {
      actions.append(.lose(kernelCount: 0, records: 1, detail: "too many victims at once to follow each to its end"))
    }
    if open!.record.inferred, !kill.expectMore { close(actions: &actions) }
  }

  private mutating func end(_ decision: UInt64, counted: Int, at time: Int64, actions: inout [Action]) {
    guard open?.record.decision == decision else { return }
    if counted == 0, open!.victims.isEmpty {
      let record = open!.record
      var noKill = OOMNoKill(reason: .chosenTaskDying, source: configuration.source)
      noKill.scope = record.trigger.control?.scope
      noKill.trigger = open!.trigger(victimPID: nil)
      noKill.limit = open!.limit(configuration)
      noKill.pid = record.chosenPID
      noKill.considered = record.considered
      noKill.comm = candidates.first { $0.pid == record.chosenPID }?.comm.name
      if !outcomes.isVictim(record.chosenPID) {
        actions.append(.tellNoKill(noKill, at: record.monotonicNanoseconds))
      }
      open = nil
      return
    }
    close(actions: &actions)
  }

  private mutating func receive(_ record: NoKillRecord, actions: inout [Action]) {
    // Other threads of a process that was killed, and is dying of it, come this way again and again.
    if let pid = record.pid, outcomes.isVictim(pid) { return }
    var noKill = OOMNoKill(reason: record.reason, source: configuration.source)
    // The limit is not settled yet where the allocating task was dying: only whose domain it was is known.
    let scopeKnown = record.reason == .noKillableProcess || record.limitCgroupID != nil
    noKill.scope = scopeKnown ? record.trigger.control?.scope : nil
    if record.limitCgroupID != nil { noKill.scope = .memcg }
    noKill.trigger = Trigger(record.trigger)
    noKill.limit = record.limitCgroupID.map { id in
      var limit = BindingLimit()
      limit.cgroup = CgroupRef(id: id)
      limit.totalPages = record.domainPages
      return limit
    }
    noKill.pid = record.pid
    noKill.tid = record.tid
    noKill.comm = record.pid == nil ? nil : record.comm.name
    noKill.considered = record.reason == .noKillableProcess ? record.considered : nil
    actions.append(.tellNoKill(noKill, at: record.monotonicNanoseconds))
  }

  private mutating func close(actions: inout [Action]) {
    guard let decision = open else { return }
    open = nil
    // The programs keep the best of them in no order.
    candidates.sort { $0.order < $1.order }
    let ranking = Ranking(candidates, decision: decision, configuration: configuration)
    let listed = decision.candidates(ranking)
    for (index, victim) in decision.victims.enumerated() {
      var kill = decision.event(
        victim, index: index, ranking: ranking, candidates: listed, configuration: configuration)
      kill.afterGuardAction = guards.before(decision.record.monotonicNanoseconds)
      actions.append(
        .tell(kill, at: decision.record.monotonicNanoseconds, startBootNanoseconds: victim.record.startBootNanoseconds))
    }
    actions += heldOutcomes
    heldOutcomes.removeAll()
  }
}
