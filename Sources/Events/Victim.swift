// SPDX-License-Identifier: Apache-2.0

/// The process that was killed.
package struct Victim: Hashable, Sendable {
  package enum Role: String, CaseIterable, Sendable {
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
  package var totalVMPages: Pages?
  package var threads: Int?

  package init(pid: Int32, comm: KernelName, kernelCount: Int) {
    self.pid = pid
    self.comm = comm
    self.kernelCount = kernelCount
  }
}
