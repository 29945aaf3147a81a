// SPDX-License-Identifier: Apache-2.0
import Events

/// One decision of the kernel while its records come in, and the events that it ends in.
struct OpenDecision: Sendable {
  struct VictimState: Sendable {
    var record: KillRecord
    /// How often the kernel has counted it.
    var count: Int
  }

  let record: DecisionRecord
  /// The decision's own record was lost: only kills are known.
  let isOrphan: Bool
  private(set) var victims: [VictimState] = []
  private var cgroups: [CgroupRecord] = []
  /// The lowest group of each of them, by name: most that is asked for is one of these.
  private var lowest: [CgroupRef] = []
  private var argv: ArgvRecord?
  private var lastKillNanoseconds: Int64?

  init(_ record: DecisionRecord) {
    self.record = record
    isOrphan = false
  }

  /// A kill whose decision did not fit the ring.
  init(orphan kill: KillRecord) {
    let trigger = TriggerRecord(
      cgroupID: 0, pid: 0, tid: 0, uid: 0, oomScoreAdj: 0, isKernelThread: false, comm: Comm(low: 0, high: 0),
      control: nil)
    record = DecisionRecord(
      decision: kill.decision, monotonicNanoseconds: kill.monotonicNanoseconds, trigger: trigger, domainPages: nil,
      chosenPoints: nil, limitCgroupID: nil, considered: 0, stored: 0, chosenPID: kill.pid, message: nil,
      inferred: false, group: false, expectMore: true)
    isOrphan = true
  }

  /// When to stop waiting for more. Seen decisions end by their own record; the time is for one that was lost.
  ///
  /// Nil before the first kill: the kernel prints its whole report first, which takes a slow console many seconds, and
  /// oom_lock lets no other decision in meanwhile. Kernel: mm/oom_kill.c, oom_kill_process(), dump_header().
  var deadline: Int64? {
    let endIsSeen = !record.inferred && !isOrphan
    return lastKillNanoseconds.map {
      $0 + (endIsSeen ? Assembler.hookedDecisionPatienceNanoseconds : Assembler.decisionPatienceNanoseconds)
    }
  }

  mutating func add(_ cgroup: CgroupRecord) {
    cgroups.append(cgroup)
    guard let first = cgroup.levels.first else { return }
    lowest.append(CgroupRef(path: cgroup.path(of: 0), id: first.id, version: cgroup.version))
  }

  mutating func add(_ argv: ArgvRecord) { self.argv = argv }

  /// False where there is no room for one more victim.
  mutating func add(_ kill: KillRecord) -> Bool {
    lastKillNanoseconds = kill.monotonicNanoseconds
    let count = kill.sharesMemory ? 0 : 1
    if let index = victims.firstIndex(where: {
      $0.record.pid == kill.pid && $0.record.startBootNanoseconds == kill.startBootNanoseconds
    }) {
      victims[index].count += count
      return true
    }
    guard victims.count < Assembler.killsPerDecisionMax else { return false }
    victims.append(VictimState(record: kill, count: count))
    return true
  }

  /// Scope and the trigger's own facts; the tracepoint rung concludes the scope from whose limit was hit.
  func scope(_ configuration: Assembler.Configuration) -> Scope? {
    if let control = record.trigger.control { return control.scope }
    guard record.inferred else { return nil }
    if record.limitCgroupID != nil { return .memcg }
    // With one node no cpuset and no policy can be what ran out, nor by sysrq-f; else the tracepoint does not tell.
    return configuration.hasManyMemoryNodes && !record.isSysrq ? nil : .system
  }

  func trigger(victimPID: Int32?) -> Trigger {
    var trigger = Trigger(record.trigger)
    trigger.isVictim = victimPID.map { $0 == record.trigger.pid }
    trigger.cgroup = reference(record.trigger.cgroupID)
    return trigger
  }

  func limit(_ configuration: Assembler.Configuration) -> BindingLimit? {
    guard !isOrphan else { return nil }
    var limit = BindingLimit()
    limit.totalPages = record.domainPages
    limit.inferred = record.inferred ? true : nil
    guard let id = record.limitCgroupID else { return limit }
    limit.cgroup = reference(id)
    guard let (cgroup, index) = limitLevel else { return limit }
    let level = cgroup.levels[index]
    limit.limit = level.limit
    limit.usagePages = level.usagePages
    if cgroup.version == 2 {
      limit.swapLimit = level.swapLimit
      limit.swapUsagePages = level.swapUsagePages
    } else {
      limit.swapUsagePages = max(0, level.swapUsagePages - level.usagePages)
      limit.swapLimit = level.swapLimit.pages.map { .pages(max(0, $0 - (level.limit.pages ?? 0))) } ?? .unlimited
    }
    for ancestor in cgroup.levels.indices.dropFirst(index + 1) {
      guard let path = cgroup.path(of: ancestor) else { break }
      let level = cgroup.levels[ancestor]
      limit.ancestors.append(.init(path: path, limit: level.limit, usagePages: level.usagePages))
    }
    return limit
  }

  /// The same for all kills of the decision; nil where the kernel did not choose among any.
  func candidates(_ ranking: Ranking) -> Candidates? {
    isOrphan || record.considered == 0 ? nil : ranking.candidates(reference: reference)
  }

  func event(
    _ victim: VictimState, index: Int, ranking: Ranking, candidates: Candidates?,
    configuration: Assembler.Configuration
  ) -> OOMKill {
    let source = configuration.source
    var decision = Decision(id: record.decision)
    // A member that shares the chosen one's memory is killed for that first, and counted as a member after.
    let isGroup = victim.count > 0 && victim.record.pid != record.chosenPID
    decision.path = path
    decision.message = record.message
    decision.kills = victims.count
    decision.index = index + 1

    var kill = OOMKill(decision: decision, source: source, victim: describe(victim, isGroup: isGroup))
    kill.scope = scope(configuration)
    if !isOrphan { kill.trigger = trigger(victimPID: victim.record.pid) }
    kill.limit = limit(configuration)
    kill.badness = badness(victim, ranking: ranking, domainPages: record.domainPages)
    kill.candidates = candidates
    kill.unavailable = unavailable(ranking, configuration)
    return kill
  }

  /// How the kernel came to it: one for all kills of the decision. A group's chosen one is counted twice.
  private var path: Decision.Path? {
    let counted = victims.filter { $0.count > 0 }
    if counted.count > 1 || counted.contains(where: { $0.count > 1 }) { return .memcgGroup }
    if record.isSysrq { return .sysrq }
    guard record.trigger.control != nil else { return nil }
    return isAllocatingTask ? .allocatingTask : .scan
  }

  private var isAllocatingTask: Bool { record.message?.contains("oom_kill_allocating_task") == true }

  private func describe(_ state: VictimState, isGroup: Bool) -> Victim {
    let record = state.record
    var victim = Victim(pid: record.pid, comm: record.comm.name, kernelCount: state.count)
    victim.tid = record.tid
    victim.ppid = record.parentPID
    victim.role = state.count == 0 ? .sharesMemory : isGroup ? .group : .chosen
    victim.uid = record.uid
    victim.oomScoreAdj = record.oomScoreAdj
    victim.parentComm = record.parentComm.name
    victim.cgroup = reference(record.cgroupID)
    victim.totalVMPages = record.totalVMPages
    victim.threads = record.threads
    if let argv, argv.pid == record.pid { victim.cmdline = argv.arguments }
    return victim
  }

  /// The parts that the kernel scored, where it scored this one; else those at the kill.
  private func badness(_ victim: VictimState, ranking: Ranking, domainPages: Pages?) -> VictimBadness {
    let scored = ranking.scored(pid: victim.record.pid)
    var badness = VictimBadness(parts: scored?.parts ?? victim.record.parts)
    badness.domainPages = domainPages
    badness.adjPoints = domainPages.map {
      Badness.adjPoints(oomScoreAdj: victim.record.oomScoreAdj, domainPages: $0)
    }
    // oom_kill_allocating_task does not score: chosen_points is 0 there, and no number of the kernel's.
    let isScored = record.considered > 0 && !isAllocatingTask
    if victim.record.pid == record.chosenPID, isScored, let points = record.chosenPoints,
      !Ranking.isSentinel(points)
    {
      badness.points = points
      badness.pointsSource = .kernel
    } else if let points = scored?.points {
      badness.points = points
      badness.pointsSource = .kernel
    } else if let adjPoints = badness.adjPoints {
      badness.points = badness.parts.totalPages + adjPoints
      badness.pointsSource = .computed
    }
    return badness
  }

  private func unavailable(_ ranking: Ranking, _ configuration: Assembler.Configuration) -> [String] {
    var names: [String] = []
    if isOrphan { names += ["scope", "trigger", "limit"] }
    if isOrphan || ranking.count < record.stored { names.append("candidates") }
    if record.inferred, scope(configuration) == nil { names.append("scope") }
    if record.inferred, record.domainPages == nil {
      names += OpenDecision.domainFields
      if record.considered > 0 { names += OpenDecision.candidatesDomainFields }
    }
    if path == nil { names.append("decision.path") }
    if record.trigger.control == nil {
      names += ["decision.message", "trigger.gfp_mask", "trigger.gfp_flags", "trigger.order"]
    }
    if record.limitCgroupID != nil, limitLevel == nil { names.append("limit.limit_pages") }
    return names
  }

  /// What cannot be computed where the size of the domain is not known.
  private static let domainFields = [
    "limit.total_pages", "badness.points", "badness.total_pages", "badness.breakdown.adj_points",
  ]
  private static let candidatesDomainFields = [
    "candidates.runner_up_margin", "candidates.list.points", "candidates.list.rank",
    "candidates.list.breakdown.adj_points",
  ]

  private var limitLevel: (CgroupRecord, Int)? {
    guard let id = record.limitCgroupID else { return nil }
    for cgroup in cgroups {
      if let index = cgroup.levels.firstIndex(where: { $0.id == id }) { return (cgroup, index) }
    }
    return nil
  }

  /// A group by its id, with its path where one of the decision's records has it.
  private func reference(_ id: UInt64) -> CgroupRef? {
    guard id != 0 else { return nil }
    if let known = lowest.first(where: { $0.id == id }) { return known }
    for cgroup in cgroups {
      if let index = cgroup.levels.firstIndex(where: { $0.id == id }) {
        return CgroupRef(path: cgroup.path(of: index), id: id, version: cgroup.version)
      }
    }
    return CgroupRef(id: id, version: cgroups.first?.version)
  }
}

extension Trigger {
  /// Without the group's path, which only the decision knows.
  init(_ record: TriggerRecord) {
    self.init()
    pid = record.pid
    tid = record.tid
    comm = record.comm.name
    uid = record.uid
    oomScoreAdj = record.oomScoreAdj
    if record.cgroupID != 0 { cgroup = CgroupRef(id: record.cgroupID) }
    if let control = record.control {
      gfpMask = control.gfpMask
      gfpFlags = GFPFlags.names(control.gfpMask)
      order = control.order
    }
  }
}
