// SPDX-License-Identifier: Apache-2.0

import Events

/// What /proc tells of one process at one moment. A nil field was not observed.
///
/// File: /proc/PID/stat, status, oom_score, oom_score_adj, cmdline, exe, cgroup, and the parent's comm.
package struct ProcessFacts: Hashable, Sendable {
  /// As asked for; a thread's id is answered too, and `tgid` says whose it is.
  package var pid: Int32
  /// The process that the thread belongs to.
  package var tgid: Int32
  package var ppid: Int32
  /// The bytes of the name of the group's leader, or of the thread that was asked for.
  package var comm: KernelName
  /// Effective user id, as the reader's user namespace sees it.
  package var uid: UInt32
  package var threads: Int
  package var isKernelThread: Bool
  /// Clock ticks from boot to the fork: with the pid, the identity of a process.
  package var startTimeTicks: UInt64
  package var totalVMPages: Pages
  /// As stat says it: approximate before 6.17.
  package var residentPages: Pages
  /// Rounded down from the kB of status; nil where the process has no memory: kernel threads, zombies.
  package var parts: BadnessParts?
  /// On the kernel's scale of 0 to 2000, of the whole system always.
  package var oomScore: Int?
  package var oomScoreAdj: Int?
  /// The arguments without empty ones at the end; empty for a kernel thread; nil where its memory was gone.
  package var cmdline: [KernelName]?
  /// There were more bytes or arguments than we keep.
  package var isCmdlineTruncated: Bool
  /// With " (deleted)" at its end where the file is gone; nil without the right to know.
  package var exe: KernelName?
  /// In the hierarchy that holds the memory controller, without the id.
  package var cgroup: CgroupRef?
  package var parentComm: KernelName?

  package init(
    pid: Int32, tgid: Int32, ppid: Int32, comm: KernelName, uid: UInt32, threads: Int, isKernelThread: Bool,
    startTimeTicks: UInt64, totalVMPages: Pages, residentPages: Pages, parts: BadnessParts? = nil,
    oomScore: Int? = nil, oomScoreAdj: Int? = nil, cmdline: [KernelName]? = nil, isCmdlineTruncated: Bool = false,
    exe: KernelName? = nil, cgroup: CgroupRef? = nil, parentComm: KernelName? = nil
  ) {
    self.pid = pid
    self.tgid = tgid
    self.ppid = ppid
    self.comm = comm
    self.uid = uid
    self.threads = threads
    self.isKernelThread = isKernelThread
    self.startTimeTicks = startTimeTicks
    self.totalVMPages = totalVMPages
    self.residentPages = residentPages
    self.parts = parts
    self.oomScore = oomScore
    self.oomScoreAdj = oomScoreAdj
    self.cmdline = cmdline
    self.isCmdlineTruncated = isCmdlineTruncated
    self.exe = exe
    self.cgroup = cgroup
    self.parentComm = parentComm
  }
}
