// SPDX-License-Identifier: Apache-2.0
import Events

/// Makes events of a finished report: what was printed becomes a field, what was not is named as unavailable.
///
/// Kernel: mm/oom_kill.c, dump_header(), dump_tasks(), dump_oom_summary(), __oom_kill_process().
struct EventBuilder {
  /// One process of the decision, with each line that the kernel printed of its death.
  private struct Process {
    var pid: Int32
    var isPIDKnown: Bool
    var role: Victim.Role
    var printed: [OOMReport.Kill]
    var row: TaskTable.Row?
  }

  private let log: LogSource
  private let report: OOMReport
  private let scoring: LogScoring
  private let paths: ConstraintLine.Paths

  init(_ log: LogSource, _ report: OOMReport) {
    self.log = log
    self.report = report
    paths = EventBuilder.paths(report)
    scoring = LogScoring(log, report, paths)
  }

  /// The events of all kills in the kernel's order, each with the lines that it was made of.
  func kills(decision id: UInt64) -> [(OOMKill, [OOMReport.Kill])] {
    let processes = processes()
    return processes.enumerated().map { place, process in
      var decision = Decision(id: id)
      decision.message = process.printed[0].line.message?.rawValue
      decision.path = path(process.printed[0].line.message)
      decision.kills = processes.count
      decision.index = place + 1
      return (kill(process, decision), process.printed)
    }
  }

  /// Nobody could be chosen.
  func noKillable() -> OOMNoKill { noKill(.noKillableProcess, isMemcg: report.usage.isEmpty ? nil : true) }

  /// The chosen one was gone already.
  func noKill(_ exiting: ExitingLine) -> OOMNoKill {
    var noKill = noKill(.chosenTaskDying, isMemcg: exiting.message == .memcg)
    noKill.tid = exiting.tid
    noKill.pid = report.table?.row(tid: exiting.tid)?.pid ?? chosenPID
    noKill.comm = exiting.comm
    return noKill
  }

  private func noKill(_ reason: OOMNoKill.Reason, isMemcg: Bool?) -> OOMNoKill {
    var noKill = OOMNoKill(reason: reason, source: log.source)
    noKill.scope = report.constraint?.scope ?? (isMemcg == true ? .memcg : nil)
    noKill.trigger = trigger(victim: nil)
    noKill.limit = limit(scope: noKill.scope)
    noKill.considered = report.hasHole ? nil : report.table?.count
    return noKill
  }

  // MARK: Processes

  /// Lines of one process become one: a group's chosen process is printed at its choice and again among the members.
  private func processes() -> [Process] {
    var found: [Process] = []
    var placeByTID: [Int32: Int] = [:]
    for (order, kill) in report.kills.enumerated() {
      let tid = kill.line.tid
      if let place = placeByTID[tid] {
        found[place].printed.append(kill)
        continue
      }
      let row = report.table?.row(tid: tid)
      let isFirst = order == 0 && !kill.isAfterGroupLine
      if row == nil, !isFirst, report.isChosenAgain(kill.line), found.first?.printed.count == 1, report.table != nil {
        found[0].printed.append(kill)
        placeByTID[tid] = 0
        continue
      }
      let isChosen = isFirst || (report.constraint != nil && (row?.pid ?? tid) == report.constraint?.chosenTID)
      let pid = row?.pid ?? (isChosen ? chosenPID : nil)
      placeByTID[tid] = found.count
      found.append(
        Process(
          pid: pid ?? tid, isPIDKnown: pid != nil, role: isChosen ? .chosen : .group, printed: [kill],
          row: row ?? pid.flatMap { report.table?.row(pid: $0) }))
    }
    return found
  }

  /// A scan goes over processes, so that the chosen task's id is a process's; vm.oom_kill_allocating_task takes a thread.
  private var chosenPID: Int32? {
    guard let constraint = report.constraint else { return nil }
    if let row = report.table?.row(tid: constraint.chosenTID) { return row.pid }
    return report.kills.first?.line.message == .allocatingTask ? nil : constraint.chosenTID
  }

  /// The limit's cgroup and the chosen one's, as far as all lines agree.
  private static func paths(_ report: OOMReport) -> ConstraintLine.Paths {
    guard let constraint = report.constraint else {
      return ConstraintLine.Paths(oomPath: report.limitPaths?.limit, taskPath: report.limitPaths?.task)
    }
    let killed = report.kills.first { !$0.isAfterGroupLine && $0.line.tid == constraint.chosenTID }
    // Both are read from the chosen task at almost the same time; a name that changed in between fits no reading.
    let comm = killed?.line.comm ?? report.table?.row(tid: constraint.chosenTID)?.comm
    var paths = constraint.paths(comm: comm, oomPath: report.statsPath)
    if report.isConstraintCut {
      paths.taskPath = nil
      paths.oomPath = report.statsPath
    }
    return paths
  }

  /// How the kernel came to its choice; nil where a head without which two ways look the same was not printed.
  private func path(_ message: KillMessage?) -> Decision.Path? {
    if report.groupPath != nil { return .memcgGroup }
    if message == .allocatingTask { return .allocatingTask }
    if message == .memcg { return .scan }
    return message == nil ? nil : report.header.map { $0.order == -1 ? .sysrq : .scan }
  }

  // MARK: Kills

  private func kill(_ process: Process, _ decision: Decision) -> OOMKill {
    let line = process.printed[0].line
    let isChosen = process.role == .chosen
    var victim = Victim(pid: process.pid, comm: line.comm, kernelCount: process.printed.count)
    victim.tid = line.tid
    victim.role = process.role
    victim.uid = line.uid ?? process.row?.uid
    victim.oomScoreAdj = line.oomScoreAdj ?? process.row?.oomScoreAdj
    victim.totalVMPages = log.units.pages(kilobytes: line.totalVMKilobytes)
    if isChosen, let path = paths.taskPath { victim.cgroup = group(path) }

    var kill = OOMKill(decision: decision, source: log.source, victim: victim)
    kill.scope = report.constraint?.scope ?? (line.message == .memcg ? .memcg : nil)
    kill.trigger = trigger(victim: process)
    kill.limit = limit(scope: kill.scope)
    kill.badness = scoring.badness(of: line, row: process.row)
    if let sacrifice = report.sacrifice, sacrifice.tid == line.tid { kill.badness?.procOOMScore = sacrifice.score }
    if isChosen, line.message != .allocatingTask, !report.hasHole {
      kill.candidates = scoring.candidates(victim: line, row: process.row)
    }
    kill.memory = report.memInfo.state(log.units)
    kill.unavailable = unavailable(kill, process).map(\.rawValue)
    return kill
  }

  /// Whose it is goes by the path: the log may be another host's.
  private func group(_ path: KernelName) -> CgroupRef {
    var group = CgroupRef(path: path, version: report.cgroupVersion)
    group.owner = CgroupOwner(path: path)
    return group
  }

  private func trigger(victim: Process?) -> Trigger? {
    guard let header = report.header else { return nil }
    var trigger = Trigger()
    trigger.comm = header.comm
    trigger.oomScoreAdj = header.oomScoreAdj
    trigger.gfpMask = header.gfpMask
    trigger.gfpFlags = header.gfpFlags
    trigger.order = header.order
    guard let task = report.task else { return trigger }
    let row = report.table?.row(tid: task.tid)
    trigger.tid = task.tid
    trigger.pid = row?.pid
    trigger.uid = task.uid ?? row?.uid
    if let chosenPID, trigger.pid == chosenPID || task.tid == report.constraint?.chosenTID {
      trigger.pid = chosenPID
      if let path = paths.taskPath { trigger.cgroup = group(path) }
    }
    // Only a worker of the kernel's asks for order -1, by sysrq-f: it has one thread, and is nobody's victim.
    if header.order == -1 { trigger.pid = task.tid }
    guard let victim else { return trigger }
    if task.tid == victim.printed[0].line.tid {
      trigger.isVictim = true
      if victim.isPIDKnown { trigger.pid = victim.pid }
    } else if let pid = trigger.pid, victim.isPIDKnown {
      trigger.isVictim = pid == victim.pid
    }
    return trigger
  }

  private func limit(scope: Scope?) -> BindingLimit? {
    guard let scope else { return nil }
    var limit = BindingLimit()
    limit.totalPages = scoring.domainPages
    guard scope == .memcg else { return limit.totalPages == nil ? nil : limit }
    let path = report.statsPath ?? paths.oomPath
    guard path != nil || report.usage[.memory] != nil else { return nil }
    if let path { limit.cgroup = group(path) }
    let memory = report.usage[.memory]
    limit.limit = memory.map { log.units.limit(kilobytes: $0.limitKilobytes) }
    limit.usagePages = memory.map { log.units.pages(kilobytes: $0.usageKilobytes) }
    limit.swapLimit = scoring.swapLimit
    limit.swapUsagePages = scoring.swapUsagePages
    limit.inferred = false
    return limit
  }

  private func unavailable(_ kill: OOMKill, _ process: Process) -> [UnavailableField] {
    var fields: [UnavailableField] = []
    func note(_ field: UnavailableField, if isMissing: Bool) {
      if isMissing { fields.append(field) }
    }
    note(.scope, if: kill.scope == nil)
    note(.decisionPath, if: kill.decision.path == nil)
    note(.trigger, if: kill.trigger == nil)
    if let trigger = kill.trigger {
      note(.triggerPID, if: trigger.pid == nil)
      note(.triggerUID, if: trigger.uid == nil)
      note(.triggerCgroup, if: trigger.cgroup == nil)
    }
    note(.limit, if: kill.limit == nil)
    if let limit = kill.limit {
      note(.limitPath, if: kill.scope == .memcg && limit.cgroup?.path == nil)
      note(.limitTotalPages, if: limit.totalPages == nil)
      note(.limitAncestors, if: kill.scope == .memcg)
    }
    note(.victimPID, if: !process.isPIDKnown)
    note(.victimCgroup, if: kill.victim.cgroup?.path == nil)
    fields += [.victimPPID, .victimStartTime, .victimThreads]
    note(.badness, if: kill.badness == nil)
    let hasScore = report.sacrifice.map { $0.tid == kill.victim.tid && $0.score != nil } ?? false
    note(.badnessProcOOMScore, if: hasScore && kill.badness == nil)
    note(.badnessPoints, if: kill.badness != nil && kill.badness?.points == nil)
    note(.badnessTotalPages, if: kill.badness != nil && kill.badness?.domainPages == nil)
    let hasScan = process.role == .chosen && kill.decision.path != .allocatingTask
    note(.candidates, if: kill.candidates == nil && hasScan)
    let eligible = kill.candidates?.list.filter { $0.skipped == nil } ?? []
    note(.candidatesPoints, if: eligible.contains { $0.points == nil })
    if eligible.contains(where: { $0.rank == nil }) { fields += [.candidatesRank, .candidatesMargin] }
    note(.memory, if: kill.memory == nil)
    return fields
  }
}
