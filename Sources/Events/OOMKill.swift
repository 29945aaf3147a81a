// SPDX-License-Identifier: Apache-2.0

/// One process that the kernel killed for memory, with all that is known of why.
///
/// A nil field was not observed and is left out of the line. Every number is the kernel's own, or a neighbour field says
/// that it is not. Kernel: mm/oom_kill.c, __oom_kill_process().
package struct OOMKill: Sendable {
  package var decision: Decision
  package var source: Source
  /// What this source cannot know, by field name: "candidates", "limit", ...
  package var unavailable: [String] = []
  package var scope: Scope?
  package var trigger: Trigger?
  package var limit: BindingLimit?
  package var victim: Victim
  package var badness: VictimBadness?
  package var candidates: Candidates?
  package var memory: MemoryState?
  package var pressureStall: PressureStall?
  /// Microseconds from the kernel's decision to the moment at which this event was made; nil from a log.
  package var decisionToEventMicroseconds: Int64?

  package init(decision: Decision, source: Source, victim: Victim) {
    self.decision = decision
    self.source = source
    self.victim = victim
  }
}

/// What saw the kill.
package enum Source: String, Sendable { case kprobe, fentry, tracepoint, kmsg, log }

/// Whose memory ran out. Kernel: include/linux/oom.h, enum oom_constraint.
package enum Scope: String, Sendable { case system, memcg, cpuset, mempolicy }

/// One call of oom_kill_process(), which may end several processes.
package struct Decision: Sendable {
  package enum Path: String, Sendable {
    case scan
    case allocatingTask = "allocating_task"
    case sysrq
    case dyingTask = "dying_task"
    case memcgGroup = "memcg_group"
  }
  /// Counts decisions in one stream, from 1.
  package var id: UInt64
  package var path: Path?
  /// The kernel's own words: "Out of memory", "Memory cgroup out of memory", ...
  package var message: String?
  /// How many processes this decision ended.
  package var kills: Int?
  /// Which of them this one is, from 1, in the kernel's order.
  package var index: Int?

  package init(id: UInt64) { self.id = id }
}

/// A control group of the hierarchy that holds the memory controller.
package struct CgroupRef: Hashable, Sendable {
  /// From the root of the hierarchy, as the kernel prints it; `/` for the root.
  package var path: KernelName?
  /// The kernfs id: on 64-bit hosts the inode number of its directory.
  package var id: UInt64?
  /// 1 or 2.
  package var version: Int?

  package init(path: KernelName? = nil, id: UInt64? = nil, version: Int? = nil) {
    self.path = path
    self.id = id
    self.version = version
  }
}

/// The task whose allocation, or whose write to memory.max, ended in the kill.
package struct Trigger: Sendable {
  package var pid: Int32?
  package var tid: Int32?
  package var comm: KernelName?
  package var uid: UInt32?
  package var oomScoreAdj: Int?
  package var gfpMask: UInt32?
  package var gfpFlags: [String] = []
  /// Power of two of pages asked for at once; -1 is sysrq-f.
  package var order: Int?
  package var cgroup: CgroupRef?
  package var isVictim: Bool?

  package init() {}
}

/// The limit that was hit: of a cgroup, or what the whole domain has.
package struct BindingLimit: Sendable {
  package struct Ancestor: Sendable {
    package var path: KernelName
    package var limit: Limit?
    package var usagePages: Pages?

    package init(path: KernelName, limit: Limit?, usagePages: Pages?) {
      self.path = path
      self.limit = limit
      self.usagePages = usagePages
    }
  }
  package var cgroup: CgroupRef?
  package var limit: Limit?
  package var usagePages: Pages?
  package var swapLimit: Limit?
  package var swapUsagePages: Pages?
  /// Size of the domain in which badness was counted: oc->totalpages. Never the victim's pages.
  package var totalPages: Pages?
  /// True where the limit was concluded from counters and not seen in the kernel's own decision.
  package var inferred: Bool?
  /// From the parent of `cgroup` up to the root.
  package var ancestors: [Ancestor] = []

  package init() {}
}

/// The process that was killed.
package struct Victim: Sendable {
  package enum Role: String, Sendable {
    case chosen, group
    case sharesMemory = "shares_memory"
  }
  package var pid: Int32
  /// The thread that the kernel named: not the pid where the group's leader was gone.
  package var tid: Int32?
  package var ppid: Int32?
  package var role: Role?
  /// How often /proc/vmstat's oom_kill grew by this process: 0 for a sharer, 2 for the chosen one of a group.
  package var kernelCount: Int
  package var comm: KernelName
  package var uid: UInt32?
  package var user: String?
  package var oomScoreAdj: Int?
  /// Wall clock of the fork, in nanoseconds since 1970.
  package var startWallNanoseconds: Int64?
  package var ageSeconds: Int64?
  package var cmdline: [KernelName]?
  package var exe: KernelName?
  package var parentComm: KernelName?
  package var cgroup: CgroupRef?
  package var systemdUnit: String?
  package var totalVMPages: Pages?
  package var threads: Int?

  package init(pid: Int32, comm: KernelName, kernelCount: Int) {
    self.pid = pid
    self.comm = comm
    self.kernelCount = kernelCount
  }
}

/// Whether points came from the kernel or from our own arithmetic over its counters.
package enum PointsSource: String, Sendable { case kernel, computed }

/// The victim's score, and whether its parts add up to it.
package struct VictimBadness: Sendable {
  package var points: Pages?
  package var pointsSource: PointsSource?
  /// Size of the domain in pages: oc->totalpages.
  package var domainPages: Pages?
  /// What /proc/PID/oom_score showed last, on its own scale of 0 to 2000, always of the whole system.
  package var procOOMScore: Int?
  package var parts: BadnessParts
  package var adjPoints: Pages?

  package init(parts: BadnessParts) { self.parts = parts }

  /// What the parts leave unexplained of the kernel's own points; nil where the kernel gave none.
  package var residuePages: Pages? {
    guard pointsSource == .kernel, let points, let adjPoints else { return nil }
    return points - parts.totalPages - adjPoints
  }
}

/// A process that the kernel looked at on its way to the decision.
package struct Candidate: Sendable {
  package var pid: Int32
  package var tid: Int32
  package var comm: KernelName
  package var uid: UInt32?
  package var oomScoreAdj: Int
  package var cgroup: CgroupRef?
  /// Nil where it is not eligible.
  package var points: Pages?
  package var pointsSource: PointsSource?
  /// From 1, by points; among equals the later in the kernel's order first, since the kernel takes that one.
  package var rank: Int?
  package var parts: BadnessParts?
  package var adjPoints: Pages?
  package var skipped: SkipReason?

  package init(pid: Int32, tid: Int32, comm: KernelName, oomScoreAdj: Int) {
    self.pid = pid
    self.tid = tid
    self.comm = comm
    self.oomScoreAdj = oomScoreAdj
  }
}

package struct Candidates: Sendable {
  /// User processes that the kernel looked at; kernel threads are not among them.
  package var considered: Int
  package var list: [Candidate]
  /// Points between the victim and the best of the others; nil where there was no other.
  package var runnerUpMarginPages: Pages?

  package init(considered: Int, list: [Candidate], runnerUpMarginPages: Pages? = nil) {
    self.considered = considered
    self.list = list
    self.runnerUpMarginPages = runnerUpMarginPages
  }
}

/// The host's memory, read when the event reached us: after the kill.
///
/// File: /proc/meminfo. From a log it is the report's Mem-Info.
package struct MemoryState: Sendable {
  package var totalPages: Pages?
  package var freePages: Pages?
  package var availablePages: Pages?
  package var buffersPages: Pages?
  package var cachedPages: Pages?
  package var shmemPages: Pages?
  package var slabReclaimablePages: Pages?
  package var slabUnreclaimablePages: Pages?
  package var pageTablesPages: Pages?
  package var swapTotalPages: Pages?
  package var swapFreePages: Pages?

  package init() {}
}

/// Share of wall time in which tasks stood still for memory. File: /proc/pressure/memory.
package struct PressureStall: Sendable {
  package struct Line: Sendable {
    /// Percent times 100, over 10, 60 and 300 seconds.
    package var average10Hundredths: Int64
    package var average60Hundredths: Int64
    package var average300Hundredths: Int64
    package var totalMicroseconds: Int64

    package init(
      average10Hundredths: Int64, average60Hundredths: Int64, average300Hundredths: Int64, totalMicroseconds: Int64
    ) {
      self.average10Hundredths = average10Hundredths
      self.average60Hundredths = average60Hundredths
      self.average300Hundredths = average300Hundredths
      self.totalMicroseconds = totalMicroseconds
    }
  }
  package var some: Line
  package var full: Line?

  package init(some: Line, full: Line?) {
    self.some = some
    self.full = full
  }
}
