// SPDX-License-Identifier: Apache-2.0

/// What a declared rule did to one process, or could not do.
///
/// Shape: docs/schema/oomwitness.v1.schema.json, `policy_action`.
package struct PolicyAction: Hashable, Sendable {
  package enum Outcome: String, CaseIterable, Sendable { case applied, failed }

  /// What made us look at the process.
  package enum Cause: String, CaseIterable, Sendable {
    /// It ran already when the watch began.
    case start
    /// It started a program.
    case exec
    /// It was found on the rounds.
    case poll
  }

  package var outcome: Outcome
  package var cause: Cause
  package var pid: Int32
  package var comm: KernelName
  package var user: String?
  package var cgroup: CgroupRef?
  package var rule: String
  package var reason: String?
  package var adjBefore: Int?
  package var adjWanted: Int
  /// As the kernel gave it back after the write; nil where nothing was written.
  package var adjAfter: Int?
  /// It changed with this process, by no rule of its own.
  package var sharesMemoryWith: Int32?
  /// Why it failed, in words.
  package var error: String?

  package init(
    outcome: Outcome, cause: Cause, pid: Int32, comm: KernelName, rule: String, adjWanted: Int
  ) {
    self.outcome = outcome
    self.cause = cause
    self.pid = pid
    self.comm = comm
    self.rule = rule
    self.adjWanted = adjWanted
  }

  func encode(into json: inout JSONWriter) {
    json.field("action", "set_oom_score_adj")
    json.field("outcome", outcome.rawValue)
    json.field("cause", cause.rawValue)
    json.objectField("process") {
      $0.field("pid", pid)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("user", user)
      $0.fields(cgroup)
    }
    json.field("rule", rule)
    json.field("reason", reason)
    json.field("oom_score_adj_before", adjBefore)
    json.field("oom_score_adj_wanted", adjWanted)
    json.field("oom_score_adj_after", adjAfter)
    json.field("shares_memory_with", sharesMemoryWith)
    json.field("error", error)
  }
}
