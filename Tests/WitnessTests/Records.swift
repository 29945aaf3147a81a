// SPDX-License-Identifier: Apache-2.0
import Events
import Witness

/// Kernel records made by hand, with defaults for what a test does not care for.
enum Make {
  /// Bytes of a name as they lie in a `comm`.
  static func comm(_ name: String) -> Comm {
    var bytes = Array(name.utf8.prefix(16))
    bytes += [UInt8](repeating: 0, count: 16 - bytes.count)
    return bytes.withUnsafeBytes {
      Comm(low: $0.loadUnaligned(as: UInt64.self), high: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
  }

  /// 100 anonymous pages and so on, so that each part can be told from the others.
  static func parts(_ anon: Pages, file: Pages = 0, shmem: Pages = 0, swap: Pages = 0, pgtable: Pages = 0)
    -> BadnessParts
  { BadnessParts(anonPages: anon, filePages: file, shmemPages: shmem, swapPages: swap, pgtablePages: pgtable) }

  static func trigger(
    pid: Int32 = 10, tid: Int32? = nil, cgroup: UInt64 = 7, control: TriggerRecord.OOMControl? = control()
  ) -> TriggerRecord {
    TriggerRecord(
      cgroupID: cgroup, pid: pid, tid: tid ?? pid, uid: 1000, oomScoreAdj: 0, isKernelThread: false,
      comm: comm("asker"), control: control)
  }

  static func control(_ scope: Scope = .memcg, gfpMask: UInt32 = 0xcc0, order: Int = 0) -> TriggerRecord.OOMControl {
    TriggerRecord.OOMControl(scope: scope, gfpMask: gfpMask, order: order)
  }

  static func decision(
    _ id: UInt64 = 1, at time: Int64 = 1_000_000, trigger: TriggerRecord = trigger(), domain: Pages? = 10_000,
    points: Pages? = 600, limit: UInt64? = 7, considered: Int = 2, stored: Int? = nil, chosen: Int32 = 20,
    message: String? = "Memory cgroup out of memory"
  ) -> KernelRecord {
    .decision(
      DecisionRecord(
        decision: id, monotonicNanoseconds: time, trigger: trigger, domainPages: domain, chosenPoints: points,
        limitCgroupID: limit, considered: considered, stored: stored ?? considered, chosenPID: chosen,
        message: message, inferred: false, group: false, expectMore: false, isSysrq: trigger.control?.order == -1))
  }

  /// As mark_victim alone tells it.
  static func inferred(
    _ id: UInt64 = 1, at time: Int64 = 1_000_000, limit: UInt64? = 7, considered: Int = 2, chosen: Int32 = 20,
    domain: Pages? = 8192, expectMore: Bool = false, isSysrq: Bool = false
  ) -> KernelRecord {
    .decision(
      DecisionRecord(
        decision: id, monotonicNanoseconds: time, trigger: trigger(control: nil), domainPages: domain,
        chosenPoints: nil,
        limitCgroupID: limit, considered: considered, stored: considered, chosenPID: chosen, message: nil,
        inferred: true, group: false, expectMore: expectMore, isSysrq: isSysrq))
  }

  static func candidate(
    _ pid: Int32, _ parts: BadnessParts, points: Pages? = nil, adj: Int = 0, skipped: SkipReason? = nil,
    decision: UInt64 = 1
  ) -> KernelRecord {
    .candidate(
      CandidateRecord(
        parts: parts, points: points, cgroupID: 7, pid: pid, tid: pid, uid: 1000, oomScoreAdj: adj,
        comm: comm("task\(pid)"), order: Int(pid), skipped: skipped), decision: decision)
  }

  static func kill(
    _ pid: Int32 = 20, tid: Int32? = nil, at time: Int64 = 1_001_000, start: Int64 = 5,
    parts: BadnessParts = parts(500),
    adj: Int = 0, shares: Bool = false, expectMore: Bool = false, decision: UInt64 = 1
  ) -> KernelRecord {
    .kill(
      KillRecord(
        decision: decision, monotonicNanoseconds: time, parts: parts, totalVMPages: 900, startBootNanoseconds: start,
        cgroupID: 7, pid: pid, tid: tid ?? pid, parentPID: 1, uid: 1000, threads: 1, oomScoreAdj: adj,
        comm: comm("task\(pid)"), parentComm: comm("init"), sharesMemory: shares, expectMore: expectMore))
  }

  static func end(_ decision: UInt64 = 1, counted: Int = 1, at time: Int64 = 1_002_000) -> KernelRecord {
    .decisionEnd(decision: decision, counted: counted, monotonicNanoseconds: time)
  }

  static func level(
    _ id: UInt64, _ name: String, usage: Pages, _ limit: Limit, swapUsage: Pages = 0, _ swapLimit: Limit = .unlimited
  ) -> CgroupRecord.Level {
    CgroupRecord.Level(
      id: id, name: KernelName(name), usagePages: usage, limit: limit, swapUsagePages: swapUsage, swapLimit: swapLimit)
  }

  /// The group 7, /a/b, with a limit of 8192 pages.
  static func cgroup(
    version: Int = 1, levels: [CgroupRecord.Level]? = nil, truncated: Bool = false, decision: UInt64 = 1
  ) -> KernelRecord {
    let levels =
      levels ?? [
        level(7, "b", usage: 8192, .pages(8192)), level(6, "a", usage: 8200, .pages(16_384)),
        level(1, "", usage: 90_000, .unlimited),
      ]
    return .cgroup(CgroupRecord(decision: decision, version: version, levels: levels, truncated: truncated))
  }

  static func noKill(
    _ reason: OOMNoKill.Reason, pid: Int32? = nil, limit: UInt64? = nil, scope: Scope = .system
  ) -> KernelRecord {
    .noKill(
      NoKillRecord(
        monotonicNanoseconds: 5, trigger: trigger(control: control(scope)), domainPages: 77, limitCgroupID: limit,
        considered: 3, reason: reason, pid: pid, tid: pid, comm: comm(pid.map { "task\($0)" } ?? "")))
  }

  static func outcome(_ stage: OutcomeRecord.Stage, pid: Int32? = 20, tid: Int32 = 20, at time: Int64) -> KernelRecord {
    .outcome(OutcomeRecord(monotonicNanoseconds: time, pid: pid, tid: tid, stage: stage))
  }
}

extension Assembler {
  static func test(
    _ source: Source = .kprobe, _ change: (inout Configuration) -> Void = { _ in }
  ) -> Assembler {
    var configuration = Configuration(source: source, pageSizeBytes: 4096)
    configuration.seesBadness = source != .tracepoint
    change(&configuration)
    return Assembler(configuration)
  }

  mutating func receive(_ records: [KernelRecord]) -> [Action] {
    var actions: [Action] = []
    for record in records { receive(record, actions: &actions) }
    return actions
  }

  mutating func expire(now: Int64) -> [Action] {
    var actions: [Action] = []
    expire(now: now, actions: &actions)
    return actions
  }

  mutating func finish() -> [Action] {
    var actions: [Action] = []
    finish(actions: &actions)
    return actions
  }
}

extension [Assembler.Action] {
  var kills: [OOMKill] { compactMap { if case .tell(let kill, _, _) = $0 { kill } else { nil } } }
  var outcomes: [OOMOutcome] { compactMap { if case .tellOutcome(let outcome, _) = $0 { outcome } else { nil } } }
  var noKills: [OOMNoKill] { compactMap { if case .tellNoKill(let noKill, _) = $0 { noKill } else { nil } } }
  var lostKernelCount: Int64 {
    reduce(0) { if case .lose(let kernelCount, _, _) = $1 { $0 + kernelCount } else { $0 } }
  }

  /// The lines that a stream would hold, without the parts of the envelope that are the same everywhere.
  var lines: [String] {
    var encoder = NDJSONEncoder(host: "h", bootID: nil, pageSizeBytes: 4096)
    return compactMap { action in
      let told: (Event, Int64)? =
        switch action {
        case .tell(let kill, let moment, _): (.oomKill(kill), moment)
        case .tellOutcome(let outcome, let moment): (.oomOutcome(outcome), moment)
        case .tellNoKill(let noKill, let moment): (.oomNoKill(noKill), moment)
        case .tellGuard(let action, let moment): (.guardAction(action), moment)
        case .tellLogged, .lose: nil
        }
      guard let (event, moment) = told else { return nil }
      let time = EventTime(wallNanoseconds: 0, monotonicNanoseconds: moment)
      let line = String(decoding: encoder.line(event, at: time).dropLast(), as: UTF8.self)
      return "{"
        + line.dropFirst(#"{"schema":"oomwitness.v1","#.utf8.count)
        .replacing(#""time":"1970-01-01T00:00:00.000000000Z","#, with: "").replacing(#""host":"h","#, with: "")
    }
  }

  /// Of each kill: pid, role and how often the kernel counted it.
  var roles: [String] {
    kills.map { "\($0.victim.pid) \($0.victim.role?.rawValue ?? "-") \($0.victim.kernelCount)" }
  }
}
