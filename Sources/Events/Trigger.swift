// SPDX-License-Identifier: Apache-2.0

/// The task whose allocation, or whose write to memory.max, ended in the kill.
package struct Trigger: Hashable, Sendable {
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
