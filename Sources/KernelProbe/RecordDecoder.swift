// SPDX-License-Identifier: Apache-2.0
import CProbe
import Events

/// Turns the bytes of one ring-buffer record into KernelRecords: one, or one for each candidate.
///
/// Source: bpf/include/wire.h, whose structs are read as they lie.
package enum RecordDecoder {
  /// Calls `body` for each thing that the record says.
  ///
  /// - Throws: `ProbeError.malformedRecord` where size or kind are not of our making; nothing was handed on then.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, _ body: (KernelRecord) -> Void
  ) throws(ProbeError) {
    guard let header = load(ow_header.self, bytes) else { throw .malformedRecord(kind: 0, bytes: bytes.count) }
    let malformed = ProbeError.malformedRecord(kind: Int(header.kind), bytes: bytes.count)
    switch ow_kind(UInt32(header.kind)) {
    case OW_DECISION:
      guard let record = load(ow_decision.self, bytes) else { throw malformed }
      body(.decision(DecisionRecord(record)))
    case OW_CANDIDATES:
      guard decodeCandidates(bytes, body) else { throw malformed }
    case OW_CGROUP:
      guard let record = CgroupRecord(bytes) else { throw malformed }
      body(.cgroup(record))
    case OW_ARGV:
      guard let record = ArgvRecord(bytes) else { throw malformed }
      body(.argv(record))
    case OW_KILL:
      guard let record = load(ow_kill.self, bytes) else { throw malformed }
      body(.kill(KillRecord(record)))
    case OW_DECISION_END:
      guard let record = load(ow_decision_end.self, bytes) else { throw malformed }
      body(
        .decisionEnd(
          decision: header.decision, counted: Int(record.counted),
          monotonicNanoseconds: Int64(nanoseconds: header.monotonic_ns)))
    case OW_NO_KILL:
      guard let record = load(ow_no_kill.self, bytes).flatMap(NoKillRecord.init) else { throw malformed }
      body(.noKill(record))
    case OW_OUTCOME:
      guard let record = load(ow_outcome.self, bytes).flatMap(OutcomeRecord.init) else { throw malformed }
      body(.outcome(record))
    case OW_GUARD:
      guard let record = load(ow_guard.self, bytes).flatMap(GuardRecord.init) else { throw malformed }
      body(.guardSignal(record))
    default: throw malformed
    }
  }

  static func load<Record>(_ type: Record.Type, _ bytes: UnsafeRawBufferPointer, at offset: Int = 0) -> Record? {
    guard offset + MemoryLayout<Record>.size <= bytes.count else { return nil }
    return bytes.loadUnaligned(fromByteOffset: offset, as: type)
  }

  private static func decodeCandidates(_ bytes: UnsafeRawBufferPointer, _ body: (KernelRecord) -> Void) -> Bool {
    guard let header = load(ow_header.self, bytes),
      let count = load(UInt32.self, bytes, at: MemoryLayout<ow_header>.size + 4).map(Int.init)
    else { return false }
    let listOffset = MemoryLayout<ow_candidates>.offset(of: \.list)!
    let stride = MemoryLayout<ow_candidate>.stride
    guard count <= Int(OW_CANDIDATES_PER_CHUNK), listOffset + count * stride <= bytes.count else { return false }
    for index in 0..<count {
      let record = bytes.loadUnaligned(fromByteOffset: listOffset + index * stride, as: ow_candidate.self)
      body(.candidate(CandidateRecord(record), decision: header.decision))
    }
    return true
  }
}

private let pageCounterMax = UInt64(Int64.max) / 4096 / 16  // arm64 has pages of up to 64 KiB

/// Numbers beyond any machine, from damaged bytes, are cut so that no sum of a few of them overflows.
extension Int64 {
  private static let pagesMax: Int64 = 1 << 44

  init(counter pages: UInt64) { self = Int64(clamping: Swift.min(pages, UInt64(Int64.pagesMax))) }

  /// LONG_MIN and LONG_MAX say what no number does, and stay.
  init(points: Int64) {
    let range = (-Int64.pagesMax << 8)...(Int64.pagesMax << 8)
    self = points == .min || points == .max ? points : Swift.min(Swift.max(points, range.lowerBound), range.upperBound)
  }

  init(nanoseconds: UInt64) { self = Int64(Swift.min(nanoseconds, 1 << 61)) }
}

extension BadnessParts {
  init(_ memory: ow_memory) {
    self.init(
      anonPages: Pages(counter: memory.anon_pages), filePages: Pages(counter: memory.file_pages),
      shmemPages: Pages(counter: memory.shmem_pages), swapPages: Pages(counter: memory.swap_pages),
      pgtablePages: Pages(counter: memory.pgtable_pages))
  }
}

extension Limit {
  init(pageCounter pages: UInt64) { self = pages >= pageCounterMax ? .unlimited : .pages(Pages(pages)) }
}

extension Comm {
  init<Tuple>(tuple: Tuple) {
    let (low, high) = withUnsafeBytes(of: tuple) {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    self.init(low: low, high: high)
  }
}

extension ow_header {
  fileprivate func has(_ flag: ow_record_flags) -> Bool { UInt32(flags) & flag.rawValue != 0 }
}

/// Bytes of a C array of char up to its first NUL.
private func bytesUpToNUL<Tuple>(_ tuple: Tuple) -> [UInt8] {
  withUnsafeBytes(of: tuple) { raw in Array(raw.prefix { $0 != 0 }) }
}

extension TriggerRecord {
  fileprivate init(_ record: ow_trigger, header: ow_header) {
    self.init(
      cgroupID: record.cgroup, pid: record.pid, tid: record.tid, uid: record.uid,
      oomScoreAdj: Int(record.oom_score_adj), isKernelThread: header.has(OW_TRIGGER_KTHREAD),
      comm: Comm(tuple: record.comm),
      control: Scope(constraint: record.constraint).map {
        OOMControl(scope: $0, gfpMask: record.gfp_mask, order: Int(record.order))
      })
  }
}

extension Scope {
  /// Kernel: include/linux/oom.h, enum oom_constraint; nil for OW_NOT_SEEN.
  fileprivate init?(constraint: UInt8) {
    switch constraint {
    case 0: self = .system
    case 1: self = .cpuset
    case 2: self = .mempolicy
    case 3: self = .memcg
    default: return nil
    }
  }
}

extension DecisionRecord {
  fileprivate init(_ record: ow_decision) {
    let inferred = record.header.has(OW_INFERRED)
    let message = bytesUpToNUL(record.message)
    self.init(
      decision: record.header.decision, monotonicNanoseconds: Int64(nanoseconds: record.header.monotonic_ns),
      trigger: TriggerRecord(record.trigger, header: record.header),
      domainPages: record.domain_pages == 0 ? nil : Pages(counter: record.domain_pages),
      chosenPoints: inferred ? nil : Pages(points: record.chosen_points),
      limitCgroupID: record.limit_cgroup == 0 ? nil : record.limit_cgroup, considered: Int(record.considered),
      stored: Int(record.stored), chosenPID: record.chosen_pid,
      message: message.isEmpty ? nil : String(decoding: message, as: UTF8.self), inferred: inferred,
      group: record.header.has(OW_GROUP), expectMore: record.header.has(OW_EXPECT_MORE),
      isSysrq: record.header.has(OW_SYSRQ) || (record.trigger.constraint != OW_NOT_SEEN && record.trigger.order == -1))
  }
}

extension CandidateRecord {
  fileprivate init(_ record: ow_candidate) {
    let isScored = UInt32(record.flags) & OW_CANDIDATE_POINTS.rawValue != 0
    self.init(
      parts: BadnessParts(record.memory), points: isScored ? Pages(points: record.points) : nil,
      cgroupID: record.cgroup, pid: record.pid, tid: record.tid, uid: record.uid,
      oomScoreAdj: Int(record.oom_score_adj), comm: Comm(tuple: record.comm), order: Int(record.order),
      skipped: SkipReason(flags: record.flags, oomScoreAdj: record.oom_score_adj))
  }
}

extension SkipReason {
  /// What a process's own state says, in the kernel's order; nil where it would be scored.
  init?(flags: UInt16, oomScoreAdj: Int16) {
    func has(_ flag: ow_candidate_flags) -> Bool { UInt32(flags) & flag.rawValue != 0 }
    if has(OW_CANDIDATE_KTHREAD) {
      self = .kernelThread
    } else if has(OW_CANDIDATE_INIT) {
      self = .globalInit
    } else if has(OW_CANDIDATE_VICTIM) {
      // The scan ends at a victim that still holds memory, and goes on past one that was reaped.
      self = has(OW_CANDIDATE_OOM_SKIP) ? .oomSkip : .alreadyVictim
    } else if has(OW_CANDIDATE_NO_MM) {
      self = .noMemory
    } else if oomScoreAdj == -1000 {
      self = .oomScoreAdjMin
    } else if has(OW_CANDIDATE_OOM_SKIP) {
      self = .oomSkip
    } else if has(OW_CANDIDATE_VFORK) {
      self = .inVfork
    } else {
      return nil
    }
  }
}

extension CgroupRecord {
  fileprivate init?(_ bytes: UnsafeRawBufferPointer) {
    let levelOffset = MemoryLayout<ow_cgroup>.offset(of: \.level)!
    let namesOffset = MemoryLayout<ow_cgroup>.offset(of: \.names)!
    guard bytes.count >= namesOffset, let header = RecordDecoder.load(ow_header.self, bytes),
      let levels = RecordDecoder.load(UInt32.self, bytes, at: MemoryLayout<ow_cgroup>.offset(of: \.levels)!),
      levels <= OW_CGROUP_LEVELS
    else { return nil }
    var names = bytes[namesOffset...].split(separator: 0, omittingEmptySubsequences: false)[...]
    var list: [Level] = []
    for index in 0..<Int(levels) {
      let offset = levelOffset + index * MemoryLayout<ow_cgroup_level>.stride
      guard let level = RecordDecoder.load(ow_cgroup_level.self, bytes, at: offset), let name = names.popFirst() else {
        return nil
      }
      list.append(
        Level(
          id: level.id, name: KernelName(bytes: Array(name)), usagePages: Pages(counter: level.usage_pages),
          limit: Limit(pageCounter: level.limit_pages), swapUsagePages: Pages(counter: level.swap_usage_pages),
          swapLimit: Limit(pageCounter: level.swap_limit_pages)))
    }
    self.init(
      decision: header.decision, version: header.has(OW_CGROUP_V2) ? 2 : 1, levels: list,
      truncated: header.has(OW_TRUNCATED))
  }
}

extension ArgvRecord {
  fileprivate init?(_ bytes: UnsafeRawBufferPointer) {
    let argvOffset = MemoryLayout<ow_argv>.offset(of: \.argv)!
    guard let header = RecordDecoder.load(ow_header.self, bytes),
      let pid = RecordDecoder.load(Int32.self, bytes, at: MemoryLayout<ow_argv>.offset(of: \.pid)!),
      let count = RecordDecoder.load(UInt32.self, bytes, at: MemoryLayout<ow_argv>.offset(of: \.argv_bytes)!),
      argvOffset + Int(count) <= bytes.count
    else { return nil }
    var argv = bytes[argvOffset..<(argvOffset + Int(count))]
    if argv.last == 0 { argv = argv.dropLast() }
    self.init(
      decision: header.decision, pid: pid,
      arguments: argv.split(separator: 0, omittingEmptySubsequences: false).map { KernelName(bytes: Array($0)) })
  }
}

extension KillRecord {
  fileprivate init(_ record: ow_kill) {
    self.init(
      decision: record.header.decision, monotonicNanoseconds: Int64(nanoseconds: record.header.monotonic_ns),
      parts: BadnessParts(record.memory), totalVMPages: Pages(counter: record.total_vm_pages),
      startBootNanoseconds: Int64(nanoseconds: record.start_boottime_ns), cgroupID: record.cgroup, pid: record.pid,
      tid: record.tid, parentPID: record.ppid, uid: record.uid, threads: Int(record.threads),
      oomScoreAdj: Int(record.oom_score_adj), comm: Comm(tuple: record.comm),
      parentComm: Comm(tuple: record.parent_comm),
      sharesMemory: record.header.has(OW_SHARES_MEMORY), expectMore: record.header.has(OW_EXPECT_MORE))
  }
}

extension NoKillRecord {
  fileprivate init?(_ record: ow_no_kill) {
    let reason: OOMNoKill.Reason
    switch record.reason {
    case OW_ALLOCATING_TASK_DYING.rawValue: reason = .allocatingTaskDying
    case OW_CHOSEN_TASK_DYING.rawValue: reason = .chosenTaskDying
    case OW_NO_KILLABLE_PROCESS.rawValue: reason = .noKillableProcess
    default: return nil
    }
    self.init(
      monotonicNanoseconds: Int64(nanoseconds: record.header.monotonic_ns),
      trigger: TriggerRecord(record.trigger, header: record.header),
      domainPages: record.domain_pages == 0 ? nil : Pages(counter: record.domain_pages),
      limitCgroupID: record.limit_cgroup == 0 ? nil : record.limit_cgroup, considered: Int(record.considered),
      reason: reason, pid: record.pid == 0 ? nil : record.pid, tid: record.tid == 0 ? nil : record.tid,
      comm: Comm(tuple: record.comm))
  }
}

extension OutcomeRecord {
  fileprivate init?(_ record: ow_outcome) {
    let stage: Stage
    switch record.stage {
    case OW_REAP_START.rawValue: stage = .reapStart
    case OW_REAP_FINISH.rawValue: stage = .reapFinish
    case OW_REAP_SKIP.rawValue: stage = .reapSkip
    case OW_EXIT.rawValue: stage = .exit
    case OW_MEMORY_FREED.rawValue: stage = .memoryFreed
    default: return nil
    }
    self.init(
      monotonicNanoseconds: Int64(nanoseconds: record.header.monotonic_ns), pid: record.pid == 0 ? nil : record.pid,
      tid: record.tid, stage: stage)
  }
}

extension GuardRecord {
  fileprivate init?(_ record: ow_guard) {
    guard let signal: GuardAction.Signal = record.signal == 9 ? .SIGKILL : record.signal == 15 ? .SIGTERM : nil else {
      return nil
    }
    self.init(
      monotonicNanoseconds: Int64(nanoseconds: record.header.monotonic_ns), senderPID: record.sender_pid,
      senderComm: Comm(tuple: record.sender_comm), signal: signal, pid: record.pid, comm: Comm(tuple: record.comm))
  }
}
