// SPDX-License-Identifier: Apache-2.0

/// One process that the kernel killed for memory, with all that is known of why.
///
/// A nil field was not observed and is left out of the line. Every number is the kernel's own, or a neighbour field says
/// that it is not. Kernel: mm/oom_kill.c, __oom_kill_process().
package struct OOMKill: Hashable, Sendable {
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
  /// A guard had acted shortly before, and the kernel killed in spite of it; nil where none was seen to.
  package var afterGuardAction: AfterGuardAction?
  /// Microseconds from the kernel's decision to the moment at which this event was made; nil from a log.
  package var decisionToEventMicroseconds: Int64?

  package init(decision: Decision, source: Source, victim: Victim) {
    self.decision = decision
    self.source = source
    self.victim = victim
  }
}

/// What saw the kill.
package enum Source: String, CaseIterable, Sendable { case kprobe, fentry, tracepoint, kmsg, log }

/// Whose memory ran out. Kernel: include/linux/oom.h, enum oom_constraint.
package enum Scope: String, CaseIterable, Sendable { case system, memcg, cpuset, mempolicy }

/// One call of oom_kill_process(), which may end several processes.
package struct Decision: Hashable, Sendable {
  package enum Path: String, CaseIterable, Sendable {
    case scan
    case allocatingTask = "allocating_task"
    case sysrq
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
