// SPDX-License-Identifier: Apache-2.0

/// One container on this host, as `oomwitness containers` tells it.
package struct ContainerRow: Hashable, Sendable {
  /// What is to be said of it, the gravest first.
  package enum Verdict: String, CaseIterable, Sendable {
    /// At a limit where nobody is killed: its tasks stand still. Version 1, oom_kill_disable.
    case waiting
    /// Processes in it were killed since it began.
    case killed
    /// Little of its own limit is left, or of its pod's.
    case nearLimit = "near_limit"
    case nearPodLimit = "near_pod_limit"
    /// No limit at or above it.
    case noLimit = "no_limit"
    case fine
  }

  /// The last kill in it that the kernel's log still has.
  package struct LastKill: Hashable, Sendable {
    package var wallNanoseconds: Int64
    package var pid: Int32
    package var comm: KernelName?

    package init(wallNanoseconds: Int64, pid: Int32, comm: KernelName?) {
      self.wallNanoseconds = wallNanoseconds
      self.pid = pid
      self.comm = comm
    }
  }

  /// With its owner.
  package var status: CgroupStatus
  /// The limit that it would hit first: its own, its pod's, or one above.
  package var binding: CgroupBinding?
  package var lastKill: LastKill?
  package var verdict: Verdict

  package init(status: CgroupStatus, binding: CgroupBinding?, verdict: Verdict) {
    self.status = status
    self.binding = binding
    self.verdict = verdict
  }

  /// As docs/schema/containers.v1.schema.json has it.
  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("name", status.cgroup.owner?.displayName)
      $0.fields(status.cgroup)
      $0.field("limit_bytes", unlimitedKey: "unlimited", status.limitBytes)
      if let binding { $0.field("binding") { binding.encode(into: &$0) } }
      $0.field("current_bytes", status.currentBytes)
      $0.field("working_set_bytes", status.parts?.inactiveFileBytes == nil ? nil : status.workingSetBytes)
      $0.field("peak_bytes", status.peakBytes)
      $0.field("used_percent", hundredths: binding?.usedHundredths)
      $0.field("kills", status.events?.oomKills)
      if let lastKill {
        $0.objectField("last_kill") {
          $0.field("time", wallNanoseconds: lastKill.wallNanoseconds)
          $0.field("pid", lastKill.pid)
          $0.field("comm", hexKey: "comm_hex", lastKill.comm)
        }
      }
      $0.field("verdict", verdict.rawValue)
    }
  }
}
