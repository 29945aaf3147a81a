// SPDX-License-Identifier: Apache-2.0
import CProbe
import Events
import Glibc
import KernelProbe

/// Bytes of the C structs of wire.h, as the BPF programs lay them on the ring.
enum Wire {
  static func bytes<Record>(_ record: Record) -> [UInt8] { withUnsafeBytes(of: record) { Array($0) } }

  static func header(_ kind: ow_kind, flags: [ow_record_flags] = [], decision: UInt64 = 3) -> ow_header {
    var header = ow_header()
    header.kind = UInt16(kind.rawValue)
    header.flags = UInt16(flags.reduce(0) { $0 | $1.rawValue })
    header.monotonic_ns = 12_345
    header.decision = decision
    return header
  }

  /// Copies bytes into a C array of char; what does not fit is left out.
  static func set<Tuple>(_ tuple: inout Tuple, _ text: String) {
    withUnsafeMutableBytes(of: &tuple) { raw in raw.copyBytes(from: text.utf8.prefix(raw.count)) }
  }

  static var memory: ow_memory {
    ow_memory(anon_pages: 1, file_pages: 2, shmem_pages: 3, swap_pages: 4, pgtable_pages: 5)
  }

  static var trigger: ow_trigger {
    var trigger = ow_trigger()
    trigger.cgroup = 71
    trigger.pid = 10
    trigger.tid = 11
    trigger.uid = 12
    trigger.order = -1
    trigger.gfp_mask = 0xcc0
    trigger.oom_score_adj = -13
    trigger.constraint = 3
    set(&trigger.comm, "asker")
    return trigger
  }

  static var decision: ow_decision {
    var record = ow_decision()
    record.header = header(OW_DECISION)
    record.trigger = trigger
    record.domain_pages = 10_000
    record.chosen_points = -600
    record.limit_cgroup = 7
    record.considered = 9
    record.stored = 8
    record.chosen_pid = 20
    record.chosen_tid = 21
    set(&record.message, "Out of memory")
    return record
  }

  static func candidate(_ pid: Int32, flags: [ow_candidate_flags] = []) -> ow_candidate {
    var candidate = ow_candidate()
    candidate.memory = memory
    candidate.points = 15
    candidate.cgroup = 7
    candidate.pid = pid
    candidate.tid = pid + 1
    candidate.uid = 30
    candidate.oom_score_adj = 40
    candidate.order = UInt32(pid) + 5
    candidate.flags = UInt16(flags.reduce(0) { $0 | $1.rawValue })
    set(&candidate.comm, "task")
    return candidate
  }

  /// A chunk as it is sent: only as many candidates as it holds.
  static func candidates(_ list: [ow_candidate], count: Int? = nil) -> [UInt8] {
    var record = ow_candidates()
    record.header = header(OW_CANDIDATES)
    record.count = UInt32(count ?? list.count)
    return Array(bytes(record).prefix(MemoryLayout<ow_candidates>.offset(of: \.list)!)) + list.flatMap { bytes($0) }
  }

  static func cgroup(
    _ levels: [(id: UInt64, limit: UInt64)], names: [UInt8], flags: [ow_record_flags] = []
  ) -> [UInt8] {
    var record = ow_cgroup()
    record.header = header(OW_CGROUP, flags: flags)
    record.levels = UInt32(levels.count)
    record.names_bytes = UInt32(names.count)
    withUnsafeMutableBytes(of: &record.level) { raw in
      for (index, level) in levels.prefix(Int(OW_CGROUP_LEVELS)).enumerated() {
        let each = ow_cgroup_level(
          id: level.id, usage_pages: 100, limit_pages: level.limit, swap_usage_pages: 200, swap_limit_pages: UInt64.max)
        raw.storeBytes(of: each, toByteOffset: index * MemoryLayout<ow_cgroup_level>.stride, as: ow_cgroup_level.self)
      }
    }
    return Array(bytes(record).prefix(MemoryLayout<ow_cgroup>.offset(of: \.names)!)) + names
  }

  static func argv(_ text: String, count: UInt32? = nil) -> [UInt8] {
    var record = ow_argv()
    record.header = header(OW_ARGV)
    record.pid = 20
    record.argv_bytes = count ?? UInt32(text.utf8.count)
    set(&record.argv, text)
    return bytes(record)
  }

  static func kill(flags: [ow_record_flags] = []) -> ow_kill {
    var record = ow_kill()
    record.header = header(OW_KILL, flags: flags)
    record.memory = memory
    record.total_vm_pages = 900
    record.start_boottime_ns = 5
    record.cgroup = 7
    record.mm = 0xdead
    record.pid = 20
    record.tid = 21
    record.ppid = 1
    record.uid = 30
    record.threads = 6
    record.oom_score_adj = -40
    set(&record.comm, "0123456789abcdef")
    set(&record.parent_comm, "init")
    return record
  }

  static func noKill(_ reason: ow_no_kill_reason, pid: Int32 = 0) -> ow_no_kill {
    var record = ow_no_kill()
    record.header = header(OW_NO_KILL)
    record.trigger = trigger
    record.considered = 9
    record.reason = reason.rawValue
    record.pid = pid
    record.tid = pid
    return record
  }

  static func outcome(_ stage: UInt32, pid: Int32 = 20) -> ow_outcome {
    var record = ow_outcome()
    record.header = header(OW_OUTCOME)
    record.pid = pid
    record.tid = 21
    record.stage = stage
    return record
  }

  static func guardSignal(_ number: UInt32) -> ow_guard {
    var record = ow_guard()
    record.header = header(OW_GUARD)
    record.sender_pid = 7
    record.signal = number
    (record.pid, record.tid) = (20, 21)
    set(&record.sender_comm, "earlyoom")
    set(&record.comm, "hog")
    return record
  }

  static var end: ow_decision_end {
    var record = ow_decision_end()
    record.header = header(OW_DECISION_END)
    record.counted = 4
    return record
  }

  /// One of each kind.
  static var all: [[UInt8]] {
    [
      bytes(decision), candidates([candidate(50), candidate(60)]),
      cgroup([(7, 8192), (1, .max)], names: Array("b\0\0".utf8)),
      argv("a\0b c\0"), bytes(kill()), bytes(end), bytes(noKill(OW_NO_KILLABLE_PROCESS)),
      bytes(outcome(OW_EXIT.rawValue)), bytes(guardSignal(9)),
    ]
  }

  /// What the decoder makes of some bytes: a text for each thing, or the facts of its refusal.
  static func decode(_ bytes: [UInt8]) -> [String] {
    var told: [String] = []
    let failure: ProbeError? = bytes.withUnsafeBytes { raw in
      do throws(ProbeError) {
        try RecordDecoder.decode(raw) { told.append(text($0)) }
        return nil
      } catch {
        return error
      }
    }
    switch failure {
    case nil: return told
    case .malformedRecord(let kind, let count): return told + ["malformed \(kind) \(count)"]
    case let other?: return told + ["another error: \(other)"]
    }
  }
}
