// SPDX-License-Identifier: Apache-2.0

extension LineFacts {
  /// How bad it is, as syslog numbers it: 2 critical, 3 error, 4 warning, 5 notice, 6 informational.
  ///
  /// Source: syslog(3).
  package var severity: Int {
    switch type {
    case "oom_kill": scope == "system" ? 2 : 3
    case "oom_no_kill", "loss", "guard_action": 4
    case "oom_outcome": exited == false ? 4 : 6
    case "policy_action": 5
    case "pressure":
      switch level {
      case "critical": 2
      case "medium": 4
      case "low": 5
      default: 6
      }
    default: 6
    }
  }

  /// One sentence that a person understands; its own explanation where it has one.
  package var sentence: String {
    if let explanation { return explanation }
    if let detail { return detail }
    let name = subject.comm?.text ?? "a process"
    let who = subject.pid.map { "\(name) (pid \($0))" } ?? name
    switch type {
    case "oom_outcome":
      guard exited == true else { return "\(who) was killed for memory and has not ended yet." }
      return exitMicroseconds.map { "\(who) ended \($0) us after the kernel killed it for memory." }
        ?? "\(who), killed for memory, has ended."
    case "oom_no_kill": return "The kernel was out of memory and killed nobody (\(reason ?? "why is not known"))."
    case "guard_action":
      let action = [by ?? "a guard", signal, outcome].compactMap { $0 }.joined(separator: ", ")
      return "\(who) before an OOM kill: \(action)."
    case "policy_action": return "A rule set the oom_score_adj of \(who): \(outcome ?? "done")."
    case "stream_start": return "oomwitness \(version ?? "") watches for OOM kills."
    case "stream_end": return "oomwitness ended; it told \(kills ?? 0) kills."
    default: return "oomwitness tells of \(type ?? "something")."
    }
  }
}
