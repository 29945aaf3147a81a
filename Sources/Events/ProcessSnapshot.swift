// SPDX-License-Identifier: Apache-2.0

/// One user process at one moment, as the kernel's scorer would look at it.
///
/// Source: bpf/tasks.bpf.c, bpf/rank.bpf.c, or /proc/PID/status and its neighbours.
package struct ProcessSnapshot: Hashable, Sendable {
  package var pid: Int32
  /// The thread whose memory is counted: another than the leader where that is gone.
  package var tid: Int32
  package var uid: UInt32
  package var oomScoreAdj: Int
  /// With the pid, the identity of a process; nil from /proc, where it would take one file more.
  package var startBootNanoseconds: Int64?
  /// By its id from BPF, by its path from /proc; nil where it was not asked for.
  package var cgroup: CgroupRef?
  package var parts: BadnessParts
  package var comm: Comm
  /// Why the kernel would pass it over; nil where it would not. /proc does not tell all reasons.
  package var skipped: SkipReason?
  /// The same for processes that share one memory (CLONE_VM), and else different; nil from /proc, which does not tell.
  package var memoryID: UInt64?

  package init(
    pid: Int32, tid: Int32, uid: UInt32, oomScoreAdj: Int, startBootNanoseconds: Int64?, cgroup: CgroupRef?,
    parts: BadnessParts, comm: Comm, skipped: SkipReason?
  ) {
    self.pid = pid
    self.tid = tid
    self.uid = uid
    self.oomScoreAdj = oomScoreAdj
    self.startBootNanoseconds = startBootNanoseconds
    self.cgroup = cgroup
    self.parts = parts
    self.comm = comm
    self.skipped = skipped
  }
}
