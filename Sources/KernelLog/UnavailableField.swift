// SPDX-License-Identifier: Apache-2.0
import Events

/// What an event from the log can lack, by the path of the field in the schema; the one list of them.
///
/// A field that the log never has is named too, so that who adds it from /proc takes the name out again.
/// Source: docs/schema/oomwitness.v1.schema.json, `unavailable`.
package enum UnavailableField: String, CaseIterable, Sendable {
  /// No line of the report: the kernel rate-limits it, or it was overwritten.
  case scope
  case decisionPath = "decision.path"
  case trigger
  case triggerPID = "trigger.pid"
  case triggerUID = "trigger.uid"
  /// Not printed; known where the victim itself asked.
  case triggerCgroup = "trigger.cgroup"
  case limit
  case limitPath = "limit.cgroup.path"
  /// Needs the size of swap, and swappiness, which a report of a memory cgroup does not tell.
  case limitTotalPages = "limit.total_pages"
  case limitAncestors = "limit.ancestors"
  /// The log has a thread's id; `victim.pid` repeats it.
  case victimPID = "victim.pid"
  case victimCgroup = "victim.cgroup.path"
  case victimPPID = "victim.ppid"
  case victimStartTime = "victim.start_time"
  case victimThreads = "victim.threads"
  case badness
  case badnessPoints = "badness.points"
  case badnessTotalPages = "badness.total_pages"
  /// Printed, up to 4.4 without the parts that a badness has to have.
  case badnessProcOOMScore = "badness.proc_oom_score"
  case candidates
  /// Of those whose oom_score_adj counts in a domain whose size is not known; then nobody has a rank.
  case candidatesPoints = "candidates.list.points"
  case candidatesRank = "candidates.list.rank"
  case candidatesMargin = "candidates.runner_up_margin"
  case memory
}
