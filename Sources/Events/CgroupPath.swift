// SPDX-License-Identifier: Apache-2.0

/// Reads what a cgroup's path says of unit, containers and pod, by the names that each manager gives: nobody is asked.
///
/// All that is of a container or below it belongs to it; of nested ones each is told. A monitor beside a container (conmon,
/// lxc.monitor) is none. A path tells no runtime where it is made of an id alone, as kubelet's cgroupfs driver has it.
/// Source: kubelet's pkg/kubelet/cm; runc's libcontainer/cgroups; podman's libpod/container_internal_linux.go; CRI-O's
/// internal/config/cgmgr; LXC's src/lxc/cgroups/cgfsng.c; systemd's src/nspawn and src/machine; BuildKit's executor/oci.
package struct CgroupPath: Sendable {
  /// Longer paths are not read: the kernel's own PATH_MAX, which /proc/PID/cgroup keeps to.
  static let bytesMax = 4096
  /// NAME_MAX: no cgroup's name is longer. Kernel: kernel/cgroup/cgroup.c, cgroup_mkdir() by kernfs.
  private static let nameBytesMax = 255

  /// The unit of the system's systemd, as `systemctl status PID` shows it.
  package private(set) var unit: String?
  /// The outermost first.
  package private(set) var containers: [ContainerRef] = []
  /// The innermost pod.
  package private(set) var pod: PodRef?
  /// How many of the containers the pod itself runs in: those of a node that is a container.
  package private(set) var containersAbovePod = 0
  /// Whose systemd started it: `user-1000.slice`.
  package private(set) var userID: UInt32?

  package init(_ path: KernelName) {
    guard path.bytes.count <= CgroupPath.bytesMax else { return }
    unit = SystemdUnit.name(inCgroupPath: path)
    let components = CgroupPath.components(path)
    // Where the tree of the innermost container so far begins.
    var base = 0
    for (index, name) in components.enumerated() {
      if let uid = PathName.userID(name) { userID = uid }
      if let found = PathName.pod(at: index, of: components) {
        pod = found
        containersAbovePod = containers.count
      } else if let found = PathName.container(at: index, of: components, base: base) {
        containers.append(found)
        base = index + 1
      }
    }
  }

  /// The names between the slashes. One of `slice:prefix:id` is two: runc with cgroupfs makes of what was meant for systemd
  /// a single folder. Source: runc's libcontainer/specconv.
  private static func components(_ path: KernelName) -> [Substring] {
    var result: [Substring] = []
    for bytes in path.bytes.split(separator: UInt8(ascii: "/")) {
      guard bytes.count <= nameBytesMax, let text = String(validating: bytes, as: UTF8.self) else {
        result.append("")
        continue
      }
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      if parts.count == 3, parts[0].hasSuffix(".slice"), !parts[1].isEmpty {
        result += [parts[0], "\(parts[1])-\(parts[2]).scope"]
      } else {
        result.append(text[...])
      }
    }
    return result
  }
}

extension CgroupOwner {
  /// What the path alone says; nil where that is nothing.
  package convenience init?(path: KernelName) {
    let read = CgroupPath(path)
    guard read.unit != nil || read.pod != nil || !read.containers.isEmpty else { return nil }
    self.init(unit: read.unit, container: read.containers.last, pod: read.pod)
  }
}

/// What single names of a path mean.
private enum PathName {
  /// What stands before the id where systemd makes the group, and whose it is; without `.scope` where cgroupfs does.
  static let prefixes: [(String, String)] = [
    ("docker-", "docker"), ("cri-containerd-", "containerd"), ("nerdctl-", "containerd"), ("crio-", "cri-o"),
    ("libpod-payload-", "podman"), ("libpod-", "podman"),
  ]

  static func container(at index: Int, of components: [Substring], base: Int) -> ContainerRef? {
    let whole = components[index]
    let parent = index > base ? components[index - 1] : ""
    let name = stem(whole)
    for (prefix, runtime) in prefixes where name.hasPrefix(prefix) {
      let id = name.dropFirst(prefix.count)
      guard isID(id) else { continue }
      var container = ContainerRef(runtime: runtime, id: String(id))
      if runtime == "podman", index > base { container.pod = podmanPod(components[index - 1]) }
      return container
    }
    for prefix in ["docker-", "buildkit-"] where whole.hasPrefix(prefix) && whole.hasSuffix(".scope") {
      let id = name.dropFirst(prefix.count)
      if isBuildID(id) { return ContainerRef(runtime: "buildkit", id: String(id)) }
    }
    if parent == "buildkit", isBuildID(whole) { return ContainerRef(runtime: "buildkit", id: String(whole)) }
    // Podman's pods have ids like containers.
    if isID(name), parent != "libpod_parent" {
      let isDocker =
        parent == "docker" || (parent == "buildx" && index - 2 >= base && components[index - 2] == "docker")
      return ContainerRef(runtime: isDocker ? "docker" : nil, id: String(name))
    }
    return lxc(at: index, of: components, base: base) ?? machine(whole, parent: parent)
  }

  /// `libpod_parent/ID`, `machine-libpod_pod_ID.slice` or `user-libpod_pod_ID.slice`.
  private static func podmanPod(_ parent: Substring) -> String? {
    if isID(parent) { return String(parent) }
    guard parent.hasSuffix(".slice"), let mark = parent.ranges(of: "-libpod_pod_").first else { return nil }
    let id = parent[mark.upperBound...].dropLast(6)
    return isID(id) ? String(id) : nil
  }

  /// `lxc.payload.NAME` since 4.0, `lxc.payload/NAME` in 3.1, `lxc/NAME` before; Proxmox puts `ns` between a container and
  /// its own groups.
  private static func lxc(at index: Int, of components: [Substring], base: Int) -> ContainerRef? {
    let whole = components[index]
    let prefix = "lxc.payload."
    if whole.hasPrefix(prefix) { return named(whole.dropFirst(prefix.count), runtime: "lxc") }
    let isAtTop = index == base + 1 || (index == base + 2 && components[base] == "ns")
    guard isAtTop, ["lxc", "lxc.payload"].contains(components[index - 1]) else { return nil }
    return named(whole, runtime: "lxc")
  }

  /// `machine.slice/machine-NAME.scope` as machined makes it, `systemd-nspawn@NAME.service`. libvirt's virtual machines are
  /// there too, as `qemu-1-NAME`, and are no containers.
  private static func machine(_ whole: Substring, parent: Substring) -> ContainerRef? {
    if whole.hasPrefix("systemd-nspawn@"), whole.hasSuffix(".service") {
      return named(unescaped(whole.dropFirst(15).dropLast(8)), runtime: "nspawn")
    }
    guard parent == "machine.slice", whole.hasPrefix("machine-"), whole.hasSuffix(".scope") else { return nil }
    let name = unescaped(whole.dropFirst(8).dropLast(6))
    if ["qemu-", "ch-", "xen-"].contains(where: name.hasPrefix) { return nil }
    return named(name, runtime: name.hasPrefix("lxc-") ? "lxc" : "nspawn")
  }

  /// A name that was given, of the letters that LXC, machined and containerd allow.
  private static func named(_ name: Substring, runtime: String) -> ContainerRef? {
    guard CgroupPath.isGivenName(name) else { return nil }
    return ContainerRef(runtime: runtime, id: String(name))
  }

  // MARK: Pods

  /// `kubepods-burstable-pod1234_….slice` of systemd's driver, `kubepods/burstable/pod1234-…` of cgroupfs's; kind and others
  /// put a prefix before the first. A pod of class Guaranteed is right below `kubepods`.
  static func pod(at index: Int, of components: [Substring]) -> PodRef? {
    var name = components[index]
    if name.hasSuffix(".slice") {
      let parts = name.dropLast(6).split(separator: "-", omittingEmptySubsequences: false)
      guard let last = parts.last, let start = parts.lastIndex(of: "kubepods") else { return nil }
      return pod(last.replacing("_", with: "-")[...], between: parts[(start + 1)...].dropLast())
    }
    guard index > 0 else { return nil }
    name = components[index]
    if components[index - 1] == "kubepods" { return pod(name, between: []) }
    guard index > 1, components[index - 2] == "kubepods" else { return nil }
    return pod(name, between: [components[index - 1]])
  }

  private static func pod(_ name: Substring, between classes: ArraySlice<Substring>) -> PodRef? {
    guard name.hasPrefix("pod") else { return nil }
    let uid = name.dropFirst(3)
    guard let isStatic = isPodUID(uid) else { return nil }
    var pod = PodRef()
    pod.podUID = String(uid)
    pod.isStatic = isStatic ? true : nil
    switch (classes.count, classes.first) {
    case (0, _): pod.qosClass = .guaranteed
    case (1, "burstable"): pod.qosClass = .burstable
    case (1, "besteffort"): pod.qosClass = .bestEffort
    default: return nil
    }
    return pod
  }

  /// False for a UUID; true for the hash of a static pod's file, 32 digits without hyphens; nil for neither.
  ///
  /// Source: kubelet's pkg/kubelet/config/common.go, applyDefaults().
  private static func isPodUID(_ uid: Substring) -> Bool? {
    let bytes = Array(uid.utf8)
    if bytes.count == 32 { return bytes.allSatisfy(isHexadecimal) ? true : nil }
    guard bytes.count == 36 else { return nil }
    for (place, byte) in bytes.enumerated() {
      let isRight = [8, 13, 18, 23].contains(place) ? byte == UInt8(ascii: "-") : isHexadecimal(byte)
      if !isRight { return nil }
    }
    return false
  }

  // MARK: Names

  /// `user-1000.slice`.
  static func userID(_ name: Substring) -> UInt32? {
    guard name.hasPrefix("user-"), name.hasSuffix(".slice") else { return nil }
    let digits = name.dropFirst(5).dropLast(6)
    return digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt32(digits) : nil
  }

  private static func stem(_ name: Substring) -> Substring {
    for suffix in [".scope", ".service"] where name.hasSuffix(suffix) { return name.dropLast(suffix.count) }
    return name
  }

  private static func isID(_ name: Substring) -> Bool { name.utf8.count == 64 && name.utf8.allSatisfy(isHexadecimal) }

  /// 25 digits to the base of 36. Source: BuildKit's identity/randomid.go, NewID().
  private static func isBuildID(_ name: Substring) -> Bool {
    name.utf8.count == 25 && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) }
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }

  /// systemd's `\x2d` for a hyphen and the like. Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names".
  private static func unescaped(_ name: Substring) -> Substring {
    var result: [UInt8] = []
    var rest = Array(name.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"),
        let value = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
      {
        result.append(value)
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return (String(validating: result, as: UTF8.self) ?? "")[...]
  }
}

extension CgroupPath {
  /// Whether it is a name of letters, digits and `._-`, as containers are given by people: never `..`, never with a slash.
  package static func isGivenName(_ name: Substring) -> Bool {
    let isPlain = name.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }
    return isPlain && !name.isEmpty && name.utf8.count <= nameBytesMax && name.contains { $0 != "." }
  }
}
