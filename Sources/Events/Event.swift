// SPDX-License-Identifier: Apache-2.0

/// What one line of the stream says.
///
/// The contract of the fields is docs/schema/oomwitness.v1.schema.json.
package enum Event: Hashable, Sendable {
  case streamStart(StreamStart)
  case oomKill(OOMKill)
  case oomOutcome(OOMOutcome)
  case oomNoKill(OOMNoKill)
  case loss(Loss)
  case pressure(PressureEvent)
  case policyAction(PolicyAction)
  case guardAction(GuardAction)
  case streamEnd(StreamEnd)

  /// The `type` field of the line.
  package var typeName: StaticString {
    switch self {
    case .streamStart: "stream_start"
    case .oomKill: "oom_kill"
    case .oomOutcome: "oom_outcome"
    case .oomNoKill: "oom_no_kill"
    case .loss: "loss"
    case .pressure: "pressure"
    case .policyAction: "policy_action"
    case .guardAction: "guard_action"
    case .streamEnd: "stream_end"
    }
  }
}

/// When something happened, on both clocks.
package struct EventTime: Hashable, Sendable {
  /// Nanoseconds since 1970, UTC; nil from a log that has no such clock.
  package var wallNanoseconds: Int64?
  /// CLOCK_MONOTONIC: since boot, without suspend.
  package var monotonicNanoseconds: Int64?

  package init(wallNanoseconds: Int64?, monotonicNanoseconds: Int64?) {
    self.wallNanoseconds = wallNanoseconds
    self.monotonicNanoseconds = monotonicNanoseconds
  }
}

/// First line of a stream: who speaks, on what kernel, and what it could attach.
package struct StreamStart: Hashable, Sendable {
  package struct Probe: Hashable, Sendable {
    package var name: String
    /// Nil where it is attached, else why the kernel refused it.
    package var refusal: String?

    package init(name: String, refusal: String?) {
      self.name = name
      self.refusal = refusal
    }
  }
  package var version: String
  package var kernelRelease: String
  package var architecture: String
  package var pageSizeBytes: Int
  package var source: Source
  package var probes: [Probe]
  /// Events, and fields of events, that this source never tells, by name as in `oom_outcome.exit_us`.
  package var unavailable: [String]

  package init(
    version: String, kernelRelease: String, architecture: String, pageSizeBytes: Int, source: Source, probes: [Probe],
    unavailable: [String]
  ) {
    self.version = version
    self.kernelRelease = kernelRelease
    self.architecture = architecture
    self.pageSizeBytes = pageSizeBytes
    self.source = source
    self.probes = probes
    self.unavailable = unavailable
  }

  /// What a source does not tell of kills that it does see, and which of the kernel's decisions it does not see.
  ///
  /// - Parameter seesMemoryFreed: the end of exit_mmap() is seen.
  package static func unavailable(source: Source, seesMemoryFreed: Bool) -> [String] {
    let exit = ["oom_outcome.exit_us"]
    let freed = seesMemoryFreed ? [] : ["oom_outcome.memory_freed_us", "oom_outcome.freed_bytes"]
    return switch source {
    case .fentry, .kprobe: freed
    case .tracepoint: ["oom_no_kill.no_killable_process"] + freed
    case .kmsg, .log: exit + freed
    }
  }
}

/// What came of a kill. Each time is from the decision; nil where it was not seen before the event had to be told.
package struct OOMOutcome: Hashable, Sendable {
  package enum Reaper: String, CaseIterable, Sendable { case finished, skipped, started }
  package var decisionID: UInt64
  package var pid: Int32
  package var comm: KernelName
  package var reaper: Reaper?
  package var reaperStartMicroseconds: Int64?
  package var reaperEndMicroseconds: Int64?
  /// The last thread is gone.
  package var exitMicroseconds: Int64?
  /// The memory is given back: exit_mmap() has returned.
  package var memoryFreedMicroseconds: Int64?
  /// What it held resident and swapped when it was killed, and gave back by its end.
  package var freedBytes: Int64?
  /// False where we stopped waiting for the exit.
  package var exited: Bool

  package init(decisionID: UInt64, pid: Int32, comm: KernelName, exited: Bool) {
    self.decisionID = decisionID
    self.pid = pid
    self.comm = comm
    self.exited = exited
  }
}

/// The kernel was out of memory and killed nobody.
package struct OOMNoKill: Hashable, Sendable {
  package enum Reason: String, CaseIterable, Sendable {
    case allocatingTaskDying = "allocating_task_dying"
    case chosenTaskDying = "chosen_task_dying"
    case noKillableProcess = "no_killable_process"
  }
  package var reason: Reason
  package var source: Source
  package var scope: Scope?
  package var trigger: Trigger?
  package var limit: BindingLimit?
  /// The dying process that the kernel let use its reserves.
  package var pid: Int32?
  package var tid: Int32?
  package var comm: KernelName?
  package var considered: Int?
  /// How many like it came since the last one that was told, and were not told: the kernel may go on for minutes.
  package var repeated: Int?

  package init(reason: Reason, source: Source) {
    self.reason = reason
    self.source = source
  }
}

/// Something that this stream should have said and could not, in numbers.
package struct Loss: Hashable, Sendable {
  package enum Reason: String, CaseIterable, Sendable {
    /// The ring had no room; counted in BPF.
    case ringFull = "ring_full"
    /// The reader of our output was too slow; whole lines were dropped.
    case outputFull = "output_full"
    /// /proc/vmstat's oom_kill grew by another number than our kills say.
    case vmstatMismatch = "vmstat_mismatch"
    /// A limit of our own tables was reached.
    case tableFull = "table_full"
    /// What was handed to a handler of `oomwitness pressure` and did not get through: it failed, or its queue was full.
    case handlerFailed = "handler_failed"
    /// A destination was down or slow for longer than there was room to keep its lines, on disk or in memory.
    case sinkFull = "sink_full"
    /// A destination refused lines for good.
    case sinkRefused = "sink_refused"
    /// Lines that were kept on disk are damaged.
    case spoolDamaged = "spool_damaged"
  }
  package var reason: Reason
  /// Kills as the kernel counts them that no event tells of; negative where we told more than the kernel counted.
  package var kernelCount: Int64
  /// Records or lines that were dropped, kills among them.
  package var records: Int64
  package var detail: String

  package init(reason: Reason, kernelCount: Int64, records: Int64, detail: String) {
    self.reason = reason
    self.kernelCount = kernelCount
    self.records = records
    self.detail = detail
  }
}

/// Last line of a stream: what it told, beside what the kernel counted meanwhile.
package struct StreamEnd: Hashable, Sendable {
  package var kills: Int64 = 0
  package var kernelCountTold: Int64 = 0
  package var kernelCountLost: Int64 = 0
  /// Growth of /proc/vmstat's oom_kill since stream_start; nil where it could not be read.
  package var vmstatGrowth: Int64?
  package var outcomes: Int64 = 0
  package var noKills: Int64 = 0
  package var linesDropped: Int64 = 0
  /// Kills that a filter (--cgroup, --comm) kept out of the stream.
  package var killsFiltered: Int64 = 0
  /// Kills that no probe told and the kernel's log had; nil where it is not held against the stream.
  package var killsFromLog: Int64?
  /// What the kernel's log had of the time before the stream; nil where that is not told.
  package var backfill: Backfill?

  package struct Backfill: Hashable, Sendable {
    /// Kills that were told.
    package var kills: Int64 = 0
    /// Sum of their kernel counts, with those that a filter kept out.
    package var kernelCount: Int64 = 0
    /// Kills that the stream before this one told, which are not told again.
    package var killsToldBefore: Int64 = 0
    /// Kernel counts that the log no longer has; nil where the kernel does not count.
    package var kernelCountForgotten: Int64?

    package init() {}
  }

  package init() {}
}
