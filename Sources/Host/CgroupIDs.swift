// SPDX-License-Identifier: Apache-2.0

import CLinux
import Events
import Glibc

/// Finds the path of a control group by its kernfs id, and remembers what it found.
///
/// BPF tells ids; a walk of the tree to find one takes longer than the group may live.
/// Kernel: fs/kernfs/mount.c, kernfs_fh_to_dentry(), with this handle type since 5.5.
struct CgroupIDs: ~Copyable {
  /// As the C library lays it out, with the handle's eight bytes. Source: open_by_handle_at(2), struct file_handle.
  private struct Handle {
    var bytes: UInt32 = 8
    var type: Int32 = 0xfe  // FILEID_KERNFS. Kernel: include/linux/exportfs.h.
    var id: UInt64
  }

  private let hierarchy: CgroupHierarchy
  private let mountDescriptor: Int32
  private let proc: Directory
  /// Two halves: what is not asked for while one half fills is forgotten, and the whole never holds more than the limit.
  private var recent: [UInt64: KernelName] = [:]
  private var older: [UInt64: KernelName] = [:]
  private(set) var refusal: HostError?

  static let cacheLimit = 4096

  /// The descriptor is of the hierarchy's mount and stays its owner's, who keeps it open.
  init(hierarchy: CgroupHierarchy, mountDescriptor: Int32, procRoot: String) throws(HostError) {
    self.hierarchy = hierarchy
    self.mountDescriptor = mountDescriptor
    proc = try Directory(path: procRoot)
  }

  /// The path of a living group, or the last one known.
  mutating func path(forID id: UInt64) -> KernelName? {
    if let known = recent[id] { return known }
    guard let path = older[id] ?? find(id) else { return nil }
    if recent.count >= CgroupIDs.cacheLimit / 2 {
      older = recent
      recent.removeAll(keepingCapacity: true)
    }
    recent[id] = path
    return path
  }

  private mutating func find(_ id: UInt64) -> KernelName? {
    var handle = Handle(id: id)
    let opened = SystemCall.retrying {
      Int(open_by_handle_at(mountDescriptor, &handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }
    guard case .value(let descriptor) = opened else {
      // ESTALE is how the kernel says that there is no such group any more.
      if case .failure(let code) = opened, code != ESTALE, code != ENOENT {
        refusal = .system(operation: .openByHandle, path: hierarchy.mountPoint, errno: code)
      }
      return nil
    }
    defer { close(Int32(descriptor)) }
    do throws(HostError) {
      guard let directory = try proc.link(KernelName("self/fd/\(descriptor)")) else { return nil }
      return hierarchy.pathInHierarchy(CgroupIDs.withoutDeletedMark(directory, id: id))
    } catch {
      refusal = error
      return nil
    }
  }

  /// The mark comes off, but where a living group of this id has such a name.
  private static func withoutDeletedMark(_ directory: KernelName, id: UInt64) -> KernelName {
    let plain = directory.bytes[...].droppingDeletedMark
    guard plain.count < directory.bytes.count else { return directory }
    var status = stat()
    let exists = directory.withPath { stat($0, &status) } == 0
    return exists && UInt64(status.st_ino) == id ? directory : KernelName(bytes: Array(plain))
  }
}
