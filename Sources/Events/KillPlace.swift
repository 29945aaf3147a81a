// SPDX-License-Identifier: Apache-2.0

/// Where a process ran, as what people start and limit: the outermost name that outlives a restart.
///
/// A pod's containers get a new group at each restart, a service keeps its own. By the path of the cgroup alone.
/// Source: kubelet's pkg/kubelet/cm, docker and systemd, as ContainerID and SystemdUnit read them.
package enum KillPlace: Hashable, Sendable {
  /// The pod's uid, with hyphens.
  case pod(uid: String)
  case container(ContainerRef)
  /// A unit of the system's systemd, as `db.service`.
  case unit(String)
  /// Neither of these; from the root of the hierarchy.
  case cgroup(KernelName)
  /// The log does not say.
  case unknown

  package init(cgroupPath path: KernelName?) {
    guard let path else {
      self = .unknown
      return
    }
    if let uid = KillPlace.podUID(inCgroupPath: path) {
      self = .pod(uid: uid)
    } else if let container = ContainerID.container(inCgroupPath: path) {
      self = .container(container)
    } else if let unit = SystemdUnit.name(inCgroupPath: path) {
      self = .unit(unit)
    } else {
      self = .cgroup(path)
    }
  }

  /// `kubepods-burstable-pod1234_….slice` of systemd's driver, `kubepods/burstable/pod1234-…` of cgroupfs's.
  static func podUID(inCgroupPath path: KernelName) -> String? {
    let components = path.text.split(separator: "/")
    guard components.contains(where: { $0.hasPrefix("kubepods") }) else { return nil }
    for component in components.reversed() {
      var name = component
      if name.hasSuffix(".slice") { name = name.dropLast(6) }
      if name.hasPrefix("kubepods"), let last = name.split(separator: "-").last { name = last }
      guard name.hasPrefix("pod") else { continue }
      let uid = String(name.dropFirst(3).map { $0 == "_" ? "-" : $0 })
      if uid.utf8.count >= 32, uid.utf8.allSatisfy({ isHexadecimal($0) || $0 == UInt8(ascii: "-") }) { return uid }
    }
    return nil
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }

  /// The word before the name, for people.
  package var kindText: String {
    switch self {
    case .pod: "pod"
    case .container: "container"
    case .unit: "unit"
    case .cgroup: "cgroup"
    case .unknown: "unknown"
    }
  }

  /// The name; nil where there is none.
  package var name: KernelName? {
    switch self {
    case .pod(let uid): KernelName(uid)
    case .container(let container): KernelName(container.id)
    case .unit(let unit): KernelName(unit)
    case .cgroup(let path): path
    case .unknown: nil
    }
  }
}
