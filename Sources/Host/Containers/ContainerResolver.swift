// SPDX-License-Identifier: Apache-2.0
import Events

/// Names whom a cgroup belongs to: what its path says, and what the runtimes' own files add to it.
///
/// Not for two threads at once.
package final class ContainerResolver {
  private let processes: ProcReader?

  /// - Parameter root: goes before each path that is read, `/proc` among them; empty is this host.
  package init(root: String = "") {
    processes = try? ProcReader(root: root + "/proc")
  }

  /// Whom the group belongs to; nil where nothing names an owner. The path is from the root of the hierarchy.
  package func owner(ofCgroup path: KernelName) -> CgroupOwner? { CgroupOwner(path: path) }

  /// Whom the process's group belongs to; nil where it is gone, or nothing names an owner.
  ///
  /// File: /proc/PID/cgroup.
  package func owner(ofPID pid: Int32) -> CgroupOwner? {
    guard let reference = (try? processes?.cgroup(pid: pid)) ?? nil, let path = reference.path else { return nil }
    return owner(ofCgroup: path)
  }
}
