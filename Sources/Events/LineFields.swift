// SPDX-License-Identifier: Apache-2.0

/// The fields of a line after its envelope, in whatever order they come, and the event that they make.
struct LineFields {
  private var texts: [String: String] = [:]
  private var numbers: [String: Int64] = [:]
  private var flags: [String: Bool] = [:]
  /// `unavailable` and `causes`.
  private var lists: [String: [String]] = [:]
  private var decision: Decision?
  private var trigger: Trigger?
  private var limit: BindingLimit?
  private var victim: Victim?
  private var badness: VictimBadness?
  private var candidates: Candidates?
  private var memory: MemoryState?
  private var stall: PressureStall?
  private var afterGuardAction: AfterGuardAction?
  private var threshold: GuardAction.Threshold?
  private var reading: GuardReading?
  private var probes: [StreamStart.Probe] = []
  private var biggest: [PressureEvent.Process] = []
  private var growing: [PressureEvent.Process] = []
  private var suggestions: [PressureEvent.Suggestion] = []
  private var cleanup: PressureEvent.Cleanup?
  /// `process` of a policy_action, `task` of an oom_no_kill, `sender` of a guard_action, `victim` of an oom_outcome.
  private var task = Task()
  private var group = CgroupFields()

  private struct Task {
    var pid: Int32?
    var tid: Int32?
    var name = NameFields()
    var user: String?
    var group = CgroupFields()
  }

  /// Takes the value of a field; false where it is none that is known.
  mutating func take(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "decision": decision = try Decision(&json)
    case "trigger": trigger = try Trigger(&json)
    case "limit": limit = try BindingLimit(&json)
    case "victim": victim = try Victim(&json)
    case "badness": badness = try VictimBadness(&json)
    case "candidates": candidates = try Candidates(&json)
    case "memory": memory = try MemoryState(&json)
    case "pressure_stall": stall = try PressureStall(&json)
    case "after_guard_action": afterGuardAction = try AfterGuardAction(&json)
    case "threshold": threshold = try GuardAction.Threshold(&json)
    case "reading": reading = try GuardReading(&json)
    case "process", "task", "sender": try takeTask(&json)
    case "cleanup": cleanup = try PressureEvent.Cleanup(&json)
    case "biggest", "growing", "suggestions", "probes": try takeList(key, &json)
    case "unavailable", "causes": lists[key] = try json.texts()
    case "latency", "trend":
      try json.object { (json, key) throws(JSONReader.Fault) in
        numbers[key] = try json.whole()
        return true
      }
    default:
      if try group.take(key, &json) { return true }
      return try takeValue(key, &json)
    }
    return true
  }

  private mutating func takeValue(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch try json.kind() {
    case .text: texts[key] = try json.text()
    case .number: numbers[key] = try json.whole()
    case .flag: flags[key] = try json.flag()
    case .object, .array, .nothing: return false
    }
    return true
  }

  private mutating func takeTask(_ json: inout JSONReader) throws(JSONReader.Fault) {
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": task.pid = try json.whole()
      case "tid": task.tid = try json.whole()
      case "comm": task.name.text = try json.text()
      case "comm_hex": task.name.hex = try json.text()
      case "user": task.user = try json.text()
      default: return try task.group.take(key, &json)
      }
      return true
    }
  }

  private mutating func takeList(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) {
    try json.array { (json) throws(JSONReader.Fault) in
      switch key {
      case "biggest": if let process = try PressureEvent.Process(&json) { biggest.append(process) }
      case "growing": if let process = try PressureEvent.Process(&json) { growing.append(process) }
      case "suggestions": if let suggestion = try PressureEvent.Suggestion(&json) { suggestions.append(suggestion) }
      default: if let probe = try StreamStart.Probe(&json) { probes.append(probe) }
      }
    }
  }

  private func number<Number: FixedWidthInteger>(_ key: String) -> Number? {
    numbers[key].flatMap { Number(exactly: $0) }
  }

  /// Nil where the type is not known, or lacks what it must have.
  var event: Event? {
    switch texts["type"] {
    case "stream_start": streamStart
    case "oom_kill": oomKill
    case "oom_outcome": oomOutcome
    case "oom_no_kill": oomNoKill
    case "loss": loss
    case "pressure": pressure
    case "policy_action": policyAction
    case "guard_action": guardAction
    case "stream_end": streamEnd
    default: nil
    }
  }

  private var streamStart: Event? {
    guard let version = texts["version"], let release = texts["kernel_release"], let machine = texts["architecture"],
      let page: Int = number("page_size"), let source = texts["source"].flatMap(Source.init)
    else { return nil }
    return .streamStart(
      StreamStart(
        version: version, kernelRelease: release, architecture: machine, pageSizeBytes: page, source: source,
        probes: probes, unavailable: lists["unavailable"] ?? []))
  }

  private var oomKill: Event? {
    guard let decision, let victim, let source = texts["source"].flatMap(Source.init) else { return nil }
    var kill = OOMKill(decision: decision, source: source, victim: victim)
    kill.unavailable = lists["unavailable"] ?? []
    kill.scope = texts["scope"].flatMap(Scope.init)
    (kill.trigger, kill.limit, kill.badness) = (trigger, limit, badness)
    (kill.candidates, kill.memory, kill.pressureStall) = (candidates, memory, stall)
    kill.afterGuardAction = afterGuardAction
    kill.decisionToEventMicroseconds = numbers["decision_to_event_us"]
    return .oomKill(kill)
  }

  private var oomOutcome: Event? {
    guard let decision, let victim, let exited = flags["exited"] else { return nil }
    var outcome = OOMOutcome(decisionID: decision.id, pid: victim.pid, comm: victim.comm, exited: exited)
    outcome.reaper = texts["reaper"].flatMap(OOMOutcome.Reaper.init)
    outcome.reaperStartMicroseconds = numbers["reaper_start_us"]
    outcome.reaperEndMicroseconds = numbers["reaper_end_us"]
    outcome.exitMicroseconds = numbers["exit_us"]
    outcome.memoryFreedMicroseconds = numbers["memory_freed_us"]
    outcome.freedBytes = numbers["freed_bytes"]
    return .oomOutcome(outcome)
  }

  private var oomNoKill: Event? {
    guard let reason = texts["reason"].flatMap(OOMNoKill.Reason.init), let source = texts["source"].flatMap(Source.init)
    else { return nil }
    var noKill = OOMNoKill(reason: reason, source: source)
    noKill.scope = texts["scope"].flatMap(Scope.init)
    (noKill.trigger, noKill.limit) = (trigger, limit)
    (noKill.pid, noKill.tid, noKill.comm) = (task.pid, task.tid, task.name.name)
    (noKill.considered, noKill.repeated) = (number("considered"), number("repeated"))
    return .oomNoKill(noKill)
  }

  private var loss: Event? {
    guard let reason = texts["reason"].flatMap(Loss.Reason.init), let kernelCount = numbers["kernel_count"],
      let records = numbers["records"]
    else { return nil }
    return .loss(Loss(reason: reason, kernelCount: kernelCount, records: records, detail: texts["detail"] ?? ""))
  }

  private var pressure: Event? {
    guard let level = texts["level"].flatMap({ PressureLevel(name: $0) }),
      let previous = texts["previous_level"].flatMap({ PressureLevel(name: $0) }),
      let total = numbers["total_pages"], let available = numbers["available_pages"]
    else { return nil }
    let isOfGroup = texts["scope"] == Scope.memcg.rawValue
    var reading = PressureReading(
      cgroup: isOfGroup ? group.reference : nil, totalPages: total, availablePages: available)
    (reading.swapTotalPages, reading.swapFreePages) = (numbers["swap_total_pages"], numbers["swap_free_pages"])
    reading.stall = stall
    let causes = (lists["causes"] ?? []).compactMap { PressureCause(rawValue: $0) }
    var event = PressureEvent(level: level, previous: previous, causes: causes, reading: reading)
    event.availablePagesPerSecond = numbers["available_pages_per_second"]
    event.secondsLeft = numbers["seconds_left"]
    (event.biggest, event.growing, event.suggestions) = (biggest, growing, suggestions)
    event.cleanup = cleanup
    return .pressure(event)
  }

  private var policyAction: Event? {
    guard let outcome = texts["outcome"].flatMap(PolicyAction.Outcome.init),
      let cause = texts["cause"].flatMap(PolicyAction.Cause.init), let pid = task.pid, let comm = task.name.name,
      let rule = texts["rule"], let wanted: Int = number("oom_score_adj_wanted")
    else { return nil }
    var action = PolicyAction(outcome: outcome, cause: cause, pid: pid, comm: comm, rule: rule, adjWanted: wanted)
    (action.user, action.cgroup, action.reason) = (task.user, task.group.reference, texts["reason"])
    (action.adjBefore, action.adjAfter) = (number("oom_score_adj_before"), number("oom_score_adj_after"))
    (action.sharesMemoryWith, action.error) = (number("shares_memory_with"), texts["error"])
    return .policyAction(action)
  }

  private var guardAction: Event? {
    guard let by = texts["by"], let outcome = texts["outcome"].flatMap(GuardAction.Outcome.init) else { return nil }
    var action = GuardAction(by: by, outcome: outcome)
    action.signal = texts["signal"].flatMap(GuardAction.Signal.init)
    action.id = number("action_id")
    if let pid = task.pid, let comm = task.name.name { action.sender = GuardAction.Sender(pid: pid, comm: comm) }
    action.scope = texts["scope"].flatMap(Scope.init)
    // Whose the group is the victim says.
    (action.cgroup, action.threshold, action.reading) = (group.cgroup, threshold, reading)
    (action.victim, action.badness, action.candidates) = (victim, badness, candidates)
    (action.bonusPages, action.membersLeftOut) = (numbers["bonus_pages"], number("members_left_out"))
    action.thresholdToSignalMicroseconds = numbers["threshold_to_signal_us"]
    action.signalToExitMicroseconds = numbers["signal_to_exit_us"]
    (action.freedBytes, action.error) = (numbers["freed_bytes"], texts["error"])
    return .guardAction(action)
  }

  private var streamEnd: Event? {
    guard let kills = numbers["kills"] else { return nil }
    var end = StreamEnd()
    end.kills = kills
    end.kernelCountTold = numbers["kernel_count_told"] ?? 0
    end.kernelCountLost = numbers["kernel_count_lost"] ?? 0
    end.vmstatGrowth = numbers["vmstat_oom_kill_growth"]
    end.outcomes = numbers["outcomes"] ?? 0
    end.noKills = numbers["no_kills"] ?? 0
    end.linesDropped = numbers["lines_dropped"] ?? 0
    end.killsFiltered = numbers["kills_filtered"] ?? 0
    end.killsFromLog = numbers["kills_from_log"]
    if let backfilled = numbers["kills_backfilled"] {
      var backfill = StreamEnd.Backfill()
      backfill.kills = backfilled
      backfill.kernelCount = numbers["kernel_count_backfilled"] ?? 0
      backfill.killsToldBefore = max(0, numbers["kills_told_before"] ?? 0)
      backfill.kernelCountForgotten = numbers["kernel_count_forgotten"]
      end.backfill = backfill
    }
    return .streamEnd(end)
  }
}

extension StreamStart.Probe {
  fileprivate init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var (name, refusal): (String?, String?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "name": name = try json.text()
      case "refusal": refusal = try json.text()
      default: return false
      }
      return true
    }
    guard let name else { return nil }
    self.init(name: name, refusal: refusal)
  }
}
