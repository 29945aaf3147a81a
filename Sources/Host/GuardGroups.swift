// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Opens control groups by the paths that the kernel prints, without asking for memory.
///
/// File: /proc/self/mountinfo; the mount of the hierarchy that holds the memory controller.
package final class GuardGroups {
  package let version: Int
  private let mount: Int32
  private let mountRoot: UnsafeMutableBufferPointer<UInt8>
  private let path: UnsafeMutableBufferPointer<CChar>
  private static let pathBytesMax = 4096

  /// Nil where memory is controlled nowhere that we can see.
  package init?(procRoot: String = "/proc", root: String = "") throws(HostError) {
    guard let hierarchy = try CgroupHierarchy.memory(procRoot: procRoot, root: root) else { return nil }
    version = hierarchy.version
    let point = KernelName(root).appending(hierarchy.mountPoint)
    mount = point.withPath { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) } ?? -1
    guard mount >= 0 else { throw .system(operation: .open, path: point, errno: errno) }
    let top = hierarchy.mountRoot.bytes == [0x2f] ? [] : hierarchy.mountRoot.bytes
    mountRoot = .allocate(capacity: top.count)
    _ = mountRoot.initialize(from: top)
    path = .allocate(capacity: GuardGroups.pathBytesMax)
    path.initialize(repeating: 0)
  }

  deinit {
    close(mount)
    mountRoot.deallocate()
    path.deallocate()
  }

  /// A directory of the group, to be closed by the caller; nil where it is gone, or outside of what the mount shows.
  ///
  /// - Parameter name: from the root of the hierarchy, as /proc/PID/cgroup has it.
  package func open(_ name: UnsafeRawBufferPointer) -> Int32? {
    guard name.count > 0, name[0] == 0x2f, name.count + 2 < GuardGroups.pathBytesMax, name.count >= mountRoot.count
    else { return nil }
    for index in 0..<mountRoot.count where name[index] != mountRoot[index] { return nil }
    let below = UnsafeRawBufferPointer(rebasing: name[mountRoot.count...])
    guard below.isEmpty || below[0] == 0x2f, !GuardGroups.climbs(below) else { return nil }
    path[0] = 0x2e
    for index in 0..<below.count { path[index + 1] = CChar(bitPattern: below[index]) }
    path[below.count + 1] = 0
    let descriptor = openat(mount, path.baseAddress!, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }

  /// Of a group outside of our namespace the kernel prints `/..`.
  private static func climbs(_ path: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<max(0, path.count - 2)
    where path[index] == 0x2f && path[index + 1] == 0x2e && path[index + 2] == 0x2e {
      if index + 3 == path.count || path[index + 3] == 0x2f { return true }
    }
    return false
  }
}
