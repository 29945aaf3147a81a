// SPDX-License-Identifier: Apache-2.0

import Events

/// Where the hierarchy that holds the memory controller is mounted.
///
/// File: /proc/self/mountinfo, cgroup.controllers.
package struct CgroupHierarchy: Hashable, Sendable {
  /// 1 or 2.
  package var version: Int
  /// Directory of the mount, as this process sees it.
  package var mountPoint: KernelName
  /// The cgroup that the mount shows as its top: `/`, but for bind mounts. Relative to our cgroup namespace.
  package var mountRoot: KernelName

  package init(version: Int, mountPoint: KernelName, mountRoot: KernelName) {
    self.version = version
    self.mountPoint = mountPoint
    self.mountRoot = mountRoot
  }

  /// Finds it, or nil where memory is controlled nowhere that we can see.
  ///
  /// A version 1 mount with the controller wins, since the kernel binds a controller to one hierarchy; then the version 2
  /// mount whose root lists it. Of several mounts the one that shows most, and of equals the last, which covers the others.
  /// `root` goes before each mount point. File: /proc/self/mountinfo.
  package static func memory(procRoot: String = "/proc", root: String = "") throws(HostError) -> CgroupHierarchy? {
    let files = FileReader()
    let proc = try Directory(path: procRoot)
    guard let contents = try files.contents(KernelName("self/mountinfo"), in: proc, limitBytes: mountinfoLimitBytes)
    else { return nil }
    var found: CgroupHierarchy?
    for (index, line) in contents.lines.enumerated() {
      guard let mount = mount(line) else { throw contents.malformed(line: index + 1, line) }
      guard let candidate = mount.hierarchy else { continue }
      if candidate.version == 2, try !hasMemory(candidate, root: root) { continue }
      if let best = found, best.isBetter(than: candidate) { continue }
      found = candidate
    }
    return found
  }

  /// A path from the root of the hierarchy as a path below the mount: `.` for its top, nil where the mount cannot show it.
  func pathInMount(_ path: KernelName) -> KernelName? {
    guard path.bytes.first == UInt8(ascii: "/") else { return nil }
    let components = path.bytes.split(separator: UInt8(ascii: "/"))
    let roots = mountRoot.bytes.split(separator: UInt8(ascii: "/"))
    guard components.starts(with: roots) else { return nil }
    let below = components.dropFirst(roots.count)
    guard !below.contains(where: { $0.isEqual(to: "..") || $0.isEqual(to: ".") || $0.contains(0) }) else { return nil }
    return KernelName(bytes: below.isEmpty ? [UInt8(ascii: ".")] : Array(below.joined(separator: [UInt8(ascii: "/")])))
  }

  /// The path from the root of the hierarchy of a directory of the mount, or nil where it lies outside of the mount.
  ///
  /// For what is outside of a bind mount's top the kernel answers `/`, whichever group it is (tried on 6.18).
  /// Kernel: fs/d_path.c, prepend_path().
  func pathInHierarchy(_ directory: KernelName) -> KernelName? {
    let points = mountPoint.bytes.split(separator: UInt8(ascii: "/"))
    let components = directory.bytes.split(separator: UInt8(ascii: "/"))
    guard directory.bytes.first == UInt8(ascii: "/"), components.starts(with: points) else { return nil }
    let roots = mountRoot.bytes.split(separator: UInt8(ascii: "/"))
    let path = (roots + components.dropFirst(points.count)).joined(separator: [UInt8(ascii: "/")])
    return KernelName(bytes: [UInt8(ascii: "/")] + path)
  }

  /// A host of many containers has some thousand mounts.
  private static let mountinfoLimitBytes = 16 * 1024 * 1024

  private func isBetter(than other: CgroupHierarchy) -> Bool {
    if version != other.version { return version < other.version }
    return mountRoot.bytes.count < other.mountRoot.bytes.count
  }

  private static func hasMemory(_ hierarchy: CgroupHierarchy, root: String) throws(HostError) -> Bool {
    let top: Directory
    do throws(HostError) {
      top = try Directory(path: KernelName(root).appending(hierarchy.mountPoint))
    } catch {
      // A mount that another one hides, or that we may not enter, is no hierarchy of ours.
      return false
    }
    guard let contents = try FileReader().contents(KernelName("cgroup.controllers"), in: top) else { return false }
    return contents.withoutNewline.words.contains { $0.isEqual(to: "memory") }
  }

  /// Line of mountinfo: `36 35 98:0 /root /point options [optional...] - type source superoptions`.
  ///
  /// Source: proc_pid_mountinfo(5).
  private static func mount(_ line: ArraySlice<UInt8>) -> (hierarchy: CgroupHierarchy?, Void)? {
    let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard fields.count >= 10, let separator = fields[6...].firstIndex(where: { $0.isEqual(to: "-") }),
      separator + 3 < fields.count
    else { return nil }
    let version: Int
    if fields[separator + 1].isEqual(to: "cgroup2") {
      version = 2
    } else if fields[separator + 1].isEqual(to: "cgroup"),
      fields[separator + 3].split(separator: UInt8(ascii: ",")).contains(where: { $0.isEqual(to: "memory") })
    {
      version = 1
    } else {
      return (nil, ())
    }
    guard let mountRoot = unescaped(fields[3]).map(fromTop), let mountPoint = unescaped(fields[4]) else { return nil }
    return (CgroupHierarchy(version: version, mountPoint: mountPoint, mountRoot: mountRoot), ())
  }

  /// The host's mount as a container with a cgroup namespace of its own sees it: the root is above our own group, by as many
  /// `..` as that is deep. Kernel: kernel/cgroup/cgroup.c, cgroup_show_path().
  private static func fromTop(_ root: KernelName) -> KernelName {
    let components = root.bytes.split(separator: UInt8(ascii: "/"))
    return !components.isEmpty && components.allSatisfy { $0.isEqual(to: "..") } ? KernelName("/") : root
  }

  /// The kernel writes blank, tab, newline and backslash as three octal digits. Kernel: fs/seq_file.c, mangle_path().
  private static func unescaped(_ text: ArraySlice<UInt8>) -> KernelName? {
    guard text.first == UInt8(ascii: "/") else { return nil }
    var bytes: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }) {
        let value = digits.reduce(0) { $0 * 8 + Int($1 - 0x30) }
        guard value < 256 else { return nil }
        bytes.append(UInt8(value))
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return KernelName(bytes: bytes)
  }
}
