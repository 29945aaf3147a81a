// SPDX-License-Identifier: Apache-2.0

import Events

/// Reads control groups of the hierarchy that holds the memory controller, of either version.
///
/// All paths are from the root of the hierarchy, as the kernel prints them, `/` for the root. In a container they are from
/// the root of its cgroup namespace, and other groups are not to be seen. Not for two threads at once.
/// File: /sys/fs/cgroup. Kernel: mm/memcontrol.c, mm/memcontrol-v1.c.
package final class CgroupReader {
  /// Nil where memory is controlled nowhere that we can see; then every answer is nil.
  package let hierarchy: CgroupHierarchy?
  /// Why paths cannot be found by id: the last refusal, EPERM without CAP_DAC_READ_SEARCH.
  package var idRefusal: HostError? { ids?.refusal }

  private let top: Directory?
  private var ids: CgroupIDs?
  let files = FileReader()
  let pageSizeBytes: Int

  /// Finds the hierarchy and opens its mount. `root` goes before each mount point.
  ///
  /// File: /proc/self/mountinfo.
  package init(
    procRoot: String = "/proc", root: String = "", pageSizeBytes: Int = HostIdentity.pageSizeBytes
  ) throws(HostError) {
    hierarchy = try CgroupHierarchy.memory(procRoot: procRoot, root: root)
    self.pageSizeBytes = pageSizeBytes
    guard let hierarchy else {
      top = nil
      return
    }
    let mount = try Directory(path: KernelName(root).appending(hierarchy.mountPoint))
    ids = try CgroupIDs(hierarchy: hierarchy, mountDescriptor: mount.descriptor, procRoot: procRoot)
    top = consume mount
  }

  /// The path of the group with this kernfs id, or nil where it is gone or we may not ask.
  ///
  /// An answer is kept, so that a group which was seen alive can be named after its end; a later rename, which only
  /// version 1 allows, is then not seen. Source: open_by_handle_at(2).
  package func path(forID id: UInt64) -> KernelName? {
    ids?.path(forID: id)
  }

  /// Limits and usage of a group, or nil where it is gone.
  ///
  /// The four numbers are read one after the other: each was true, all together perhaps never.
  /// File: memory.max and its like; see CgroupMemory.
  package func limits(path: KernelName) throws(HostError) -> CgroupMemory? {
    guard let hierarchy, let directory = try directory(path) else { return nil }
    var memory = CgroupMemory()
    if hierarchy.version == 2 {
      memory.limit = try limit("memory.max", in: directory)
      memory.usagePages = try pages("memory.current", in: directory)
      memory.swapLimit = try limit("memory.swap.max", in: directory)
      memory.swapUsagePages = try pages("memory.swap.current", in: directory)
      return memory
    }
    memory.limit = try limit("memory.limit_in_bytes", in: directory)
    memory.usagePages = try pages("memory.usage_in_bytes", in: directory)
    let bothLimit = try limit("memory.memsw.limit_in_bytes", in: directory)
    switch (bothLimit, memory.limit) {
    case (.unlimited?, _): memory.swapLimit = .unlimited
    case (.pages(let both)?, .pages(let alone)?): memory.swapLimit = .pages(max(0, both - alone))
    default: break
    }
    if let both = try pages("memory.memsw.usage_in_bytes", in: directory), let alone = memory.usagePages {
      memory.swapUsagePages = max(0, both - alone)
    }
    return memory
  }

  /// How often the kernel counted a kill in this group, in version 2 below it too; nil where it is gone or not counted.
  ///
  /// File: version 2 memory.events, version 1 memory.oom_control (since 4.13), each in its line oom_kill.
  package func oomKillCount(path: KernelName) throws(HostError) -> Int64? {
    guard let hierarchy, let directory = try directory(path) else { return nil }
    let name = hierarchy.version == 2 ? "memory.events" : "memory.oom_control"
    return try files.contents(KernelName(name), in: directory)?.number(after: "oom_kill")
  }

  /// The groups above, from the parent to the root, with their limits; those that we cannot see have no numbers.
  ///
  /// At most `ancestorLimit`, the nearest first. File: memory.max and memory.current, or as version 1 names them.
  package func ancestors(of path: KernelName) throws(HostError) -> [BindingLimit.Ancestor] {
    var ancestors: [BindingLimit.Ancestor] = []
    for path in CgroupReader.ancestorPaths(of: path).prefix(CgroupReader.ancestorLimit) {
      let memory = try limits(path: path)
      ancestors.append(.init(path: path, limit: memory?.limit, usagePages: memory?.usagePages))
    }
    return ancestors
  }

  /// Deeper trees than this are told without their upper part.
  package static let ancestorLimit = 64

  /// From the parent to the root; none of the root itself.
  package static func ancestorPaths(of path: KernelName) -> [KernelName] {
    let components = path.bytes.split(separator: UInt8(ascii: "/"))
    return components.indices.reversed().map { count in
      KernelName(bytes: [UInt8(ascii: "/")] + components[..<count].joined(separator: [UInt8(ascii: "/")]))
    }
  }

  func directory(_ path: KernelName) throws(HostError) -> Directory? {
    guard let hierarchy, let below = hierarchy.pathInMount(path) else { return nil }
    return try top?.directory(below)
  }

  /// Bytes as whole pages; "max", and what version 1 prints for it, as no limit.
  ///
  /// Kernel: include/linux/page_counter.h, PAGE_COUNTER_MAX: LONG_MAX in pages, on 64-bit hosts.
  func limit(_ name: String, in directory: borrowing Directory) throws(HostError) -> Limit? {
    guard let contents = try files.contents(KernelName(name), in: directory) else { return nil }
    if contents.withoutNewline.isEqual(to: "max") { return .unlimited }
    let pages: Int64 = try contents.number() / Int64(pageSizeBytes)
    return pages >= Int64.max / Int64(pageSizeBytes) ? .unlimited : .pages(pages)
  }

  private func pages(_ name: String, in directory: borrowing Directory) throws(HostError) -> Pages? {
    guard let contents = try files.contents(KernelName(name), in: directory) else { return nil }
    let bytes: Int64 = try contents.number()
    return bytes / Int64(pageSizeBytes)
  }
}
