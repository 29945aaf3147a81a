// SPDX-License-Identifier: Apache-2.0

/// What the BPF programs tell, one thing at a time and without an allocation for each candidate.
///
/// The command hands these from KernelProbe to Witness, so that a recorded stream replays without a kernel.
/// Source: bpf/include/wire.h, whose comments say what each field is.
package enum KernelRecord: Sendable {
  case decision(DecisionRecord)
  case candidate(CandidateRecord, decision: UInt64)
  case cgroup(CgroupRecord)
  case argv(ArgvRecord)
  case kill(KillRecord)
  case decisionEnd(decision: UInt64, counted: Int, monotonicNanoseconds: Int64)
  case noKill(NoKillRecord)
  case outcome(OutcomeRecord)
  case guardSignal(GuardRecord)
}

/// A `comm` of 16 bytes in two registers. Kernel: include/linux/sched.h, TASK_COMM_LEN.
package struct Comm: Hashable, Sendable {
  private var low: UInt64
  private var high: UInt64

  /// Both halves as they lie in memory.
  package init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  /// The bytes up to the first NUL.
  package var name: KernelName {
    let bytes = withUnsafeBytes(of: (low, high)) { raw in Array(raw[..<(raw.firstIndex(of: 0) ?? raw.count)]) }
    return KernelName(bytes: bytes)
  }
}

/// The task that asked. Source: bpf/include/wire.h, struct ow_trigger.
package struct TriggerRecord: Sendable {
  package var cgroupID: UInt64
  package var pid: Int32
  package var tid: Int32
  package var uid: UInt32
  package var oomScoreAdj: Int
  package var isKernelThread: Bool
  package var comm: Comm
  /// Nil on the tracepoint rung, where the oom_control is not seen.
  package var control: OOMControl?

  /// What the kernel's oom_control says of the allocation. Kernel: include/linux/oom.h, struct oom_control.
  package struct OOMControl: Sendable {
    package var scope: Scope
    package var gfpMask: UInt32
    package var order: Int

    package init(scope: Scope, gfpMask: UInt32, order: Int) {
      self.scope = scope
      self.gfpMask = gfpMask
      self.order = order
    }
  }

  package init(
    cgroupID: UInt64, pid: Int32, tid: Int32, uid: UInt32, oomScoreAdj: Int, isKernelThread: Bool, comm: Comm,
    control: OOMControl?
  ) {
    self.cgroupID = cgroupID
    self.pid = pid
    self.tid = tid
    self.uid = uid
    self.oomScoreAdj = oomScoreAdj
    self.isKernelThread = isKernelThread
    self.comm = comm
    self.control = control
  }
}

/// Source: bpf/include/wire.h, struct ow_decision.
package struct DecisionRecord: Sendable {
  package var decision: UInt64
  package var monotonicNanoseconds: Int64
  package var trigger: TriggerRecord
  package var domainPages: Pages?
  package var chosenPoints: Pages?
  package var limitCgroupID: UInt64?
  package var considered: Int
  package var stored: Int
  package var chosenPID: Int32
  package var message: String?
  /// Limit and candidates are our own conclusion: tracepoint rung.
  package var inferred: Bool
  /// memory.oom.group applies; only the tracepoint rung says so here.
  package var group: Bool
  /// No `decisionEnd` will come, and more kills may.
  package var expectMore: Bool
  /// Somebody asked for it by sysrq-f. Kernel: drivers/tty/sysrq.c, moom_callback().
  package var isSysrq: Bool

  package init(
    decision: UInt64, monotonicNanoseconds: Int64, trigger: TriggerRecord, domainPages: Pages?, chosenPoints: Pages?,
    limitCgroupID: UInt64?, considered: Int, stored: Int, chosenPID: Int32, message: String?, inferred: Bool,
    group: Bool, expectMore: Bool, isSysrq: Bool = false
  ) {
    self.decision = decision
    self.monotonicNanoseconds = monotonicNanoseconds
    self.trigger = trigger
    self.domainPages = domainPages
    self.chosenPoints = chosenPoints
    self.limitCgroupID = limitCgroupID
    self.considered = considered
    self.stored = stored
    self.chosenPID = chosenPID
    self.message = message
    self.inferred = inferred
    self.group = group
    self.expectMore = expectMore
    self.isSysrq = isSysrq
  }
}

/// Source: bpf/include/wire.h, struct ow_candidate.
package struct CandidateRecord: Sendable {
  package var parts: BadnessParts
  /// What oom_badness() returned; nil where its return was not seen.
  package var points: Pages?
  package var cgroupID: UInt64
  package var pid: Int32
  package var tid: Int32
  package var uid: UInt32
  package var oomScoreAdj: Int
  package var comm: Comm
  /// Its place among all that were considered, as the kernel came to them.
  package var order: Int
  /// Why the kernel would pass it over, as far as its own state tells.
  package var skipped: SkipReason?

  package init(
    parts: BadnessParts, points: Pages?, cgroupID: UInt64, pid: Int32, tid: Int32, uid: UInt32, oomScoreAdj: Int,
    comm: Comm, order: Int, skipped: SkipReason?
  ) {
    self.parts = parts
    self.points = points
    self.cgroupID = cgroupID
    self.pid = pid
    self.tid = tid
    self.uid = uid
    self.oomScoreAdj = oomScoreAdj
    self.comm = comm
    self.order = order
    self.skipped = skipped
  }
}

/// A control group and its ancestors, itself first. Source: bpf/include/wire.h, struct ow_cgroup.
package struct CgroupRecord: Sendable {
  package struct Level: Sendable {
    package var id: UInt64
    package var name: KernelName
    package var usagePages: Pages
    package var limit: Limit
    /// Swap on v2; memory and swap together on v1.
    package var swapUsagePages: Pages
    package var swapLimit: Limit

    package init(
      id: UInt64, name: KernelName, usagePages: Pages, limit: Limit, swapUsagePages: Pages, swapLimit: Limit
    ) {
      self.id = id
      self.name = name
      self.usagePages = usagePages
      self.limit = limit
      self.swapUsagePages = swapUsagePages
      self.swapLimit = swapLimit
    }
  }
  package var decision: UInt64
  package var version: Int
  package var levels: [Level]
  /// Deeper, or with longer names, than the record holds: `levels` does not reach the root.
  package var truncated: Bool

  package init(decision: UInt64, version: Int, levels: [Level], truncated: Bool) {
    self.decision = decision
    self.version = version
    self.levels = levels
    self.truncated = truncated
  }

  /// The path of `levels[index]` from the root of the hierarchy; nil where the record does not reach the root.
  package func path(of index: Int) -> KernelName? {
    guard !truncated, index < levels.count else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    var level = levels.count - 1  // the root, which has no name of its own
    while level > index {
      level -= 1
      bytes.append(UInt8(ascii: "/"))
      bytes += levels[level].name.bytes
    }
    return KernelName(bytes: bytes.isEmpty ? [UInt8(ascii: "/")] : bytes)
  }
}

/// The command line of a victim that asked for the memory itself. Source: bpf/include/wire.h, struct ow_argv.
package struct ArgvRecord: Sendable {
  package var decision: UInt64
  package var pid: Int32
  package var arguments: [KernelName]

  package init(decision: UInt64, pid: Int32, arguments: [KernelName]) {
    self.decision = decision
    self.pid = pid
    self.arguments = arguments
  }
}

/// SIGKILL went to one process. Source: bpf/include/wire.h, struct ow_kill.
package struct KillRecord: Sendable {
  package var decision: UInt64
  package var monotonicNanoseconds: Int64
  package var parts: BadnessParts
  package var totalVMPages: Pages
  package var startBootNanoseconds: Int64
  package var cgroupID: UInt64
  package var pid: Int32
  package var tid: Int32
  package var parentPID: Int32
  package var uid: UInt32
  package var threads: Int
  package var oomScoreAdj: Int
  package var comm: Comm
  package var parentComm: Comm
  /// The kernel does not count it: it shares the memory of the one that is counted.
  package var sharesMemory: Bool
  package var expectMore: Bool

  package init(
    decision: UInt64, monotonicNanoseconds: Int64, parts: BadnessParts, totalVMPages: Pages,
    startBootNanoseconds: Int64, cgroupID: UInt64, pid: Int32, tid: Int32, parentPID: Int32, uid: UInt32, threads: Int,
    oomScoreAdj: Int, comm: Comm, parentComm: Comm, sharesMemory: Bool, expectMore: Bool
  ) {
    self.decision = decision
    self.monotonicNanoseconds = monotonicNanoseconds
    self.parts = parts
    self.totalVMPages = totalVMPages
    self.startBootNanoseconds = startBootNanoseconds
    self.cgroupID = cgroupID
    self.pid = pid
    self.tid = tid
    self.parentPID = parentPID
    self.uid = uid
    self.threads = threads
    self.oomScoreAdj = oomScoreAdj
    self.comm = comm
    self.parentComm = parentComm
    self.sharesMemory = sharesMemory
    self.expectMore = expectMore
  }
}

/// Source: bpf/include/wire.h, struct ow_no_kill.
package struct NoKillRecord: Sendable {
  package var monotonicNanoseconds: Int64
  package var trigger: TriggerRecord
  package var domainPages: Pages?
  package var limitCgroupID: UInt64?
  package var considered: Int
  package var reason: OOMNoKill.Reason
  package var pid: Int32?
  package var tid: Int32?
  package var comm: Comm

  package init(
    monotonicNanoseconds: Int64, trigger: TriggerRecord, domainPages: Pages?, limitCgroupID: UInt64?, considered: Int,
    reason: OOMNoKill.Reason, pid: Int32?, tid: Int32?, comm: Comm
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.trigger = trigger
    self.domainPages = domainPages
    self.limitCgroupID = limitCgroupID
    self.considered = considered
    self.reason = reason
    self.pid = pid
    self.tid = tid
    self.comm = comm
  }
}

/// Source: bpf/include/wire.h, struct ow_outcome.
package struct OutcomeRecord: Sendable {
  package enum Stage: Sendable { case reapStart, reapFinish, reapSkip, exit, memoryFreed }
  package var monotonicNanoseconds: Int64
  /// Nil where only the thread is known.
  package var pid: Int32?
  package var tid: Int32
  package var stage: Stage

  package init(monotonicNanoseconds: Int64, pid: Int32?, tid: Int32, stage: Stage) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.pid = pid
    self.tid = tid
    self.stage = stage
  }
}

/// A guard of memory has sent a signal. Source: bpf/include/wire.h, struct ow_guard.
package struct GuardRecord: Hashable, Sendable {
  package var monotonicNanoseconds: Int64
  package var senderPID: Int32
  package var senderComm: Comm
  package var signal: GuardAction.Signal
  package var pid: Int32
  package var comm: Comm

  package init(
    monotonicNanoseconds: Int64, senderPID: Int32, senderComm: Comm, signal: GuardAction.Signal, pid: Int32, comm: Comm
  ) {
    self.monotonicNanoseconds = monotonicNanoseconds
    self.senderPID = senderPID
    self.senderComm = senderComm
    self.signal = signal
    self.pid = pid
    self.comm = comm
  }
}

/// What BPF counted because it could not send it. Source: bpf/oomwitness.bpf.c, lost_records.
package struct LossCounters: Hashable, Sendable {
  /// Kills as the kernel counts them, whose records did not fit.
  package var kernelCount: Int64 = 0
  /// Kills as the kernel counts them, whose records did not fit and whose events come from the kernel's log.
  package var fromLog: Int64 = 0
  /// Records of any kind.
  package var records: Int64 = 0
  /// Records of candidates and control groups: events are told without them.
  package var details: Int64 = 0
  /// Victims whose end could not be followed.
  package var untrackedVictims: Int64 = 0

  package init() {}
}
