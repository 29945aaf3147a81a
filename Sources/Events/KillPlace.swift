// SPDX-License-Identifier: Apache-2.0

/// Where a process ran, as what people start and limit: the outermost name that outlives a restart.
///
/// A pod's containers get a new group at each restart, a service keeps its own. Two places are one where pod, container,
/// unit or path is: what else is known of them may have been told once and not again.
package enum KillPlace: Sendable {
  /// The pod is known by its uid, or by its name.
  case pod(PodRef)
  case container(ContainerRef)
  /// A unit of the system's systemd, as `db.service`.
  case unit(String)
  /// Neither of these; from the root of the hierarchy.
  case cgroup(KernelName)
  /// The log does not say.
  case unknown

  /// By the owner where somebody has looked, else by the path alone.
  package init(_ cgroup: CgroupRef?) {
    guard let path = cgroup?.path else {
      self = .unknown
      return
    }
    let owner = cgroup?.owner ?? CgroupOwner(path: path)
    if let pod = owner?.pod, pod.podUID != nil || pod.pod != nil {
      self = .pod(pod)
    } else if let container = owner?.container {
      self = .container(container)
    } else if let unit = owner?.unit {
      self = .unit(unit)
    } else {
      self = .cgroup(path)
    }
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

  /// What it is known by; nil where it has none. Of a pod the uid, of a container the id.
  package var name: KernelName? {
    switch self {
    case .pod(let pod): KernelName(pod.podUID ?? pod.displayName ?? "")
    case .container(let container): KernelName(container.id)
    case .unit(let unit): KernelName(unit)
    case .cgroup(let path): path
    case .unknown: nil
    }
  }
}

extension KillPlace {
  /// What people call a pod (`namespace/pod`) or a container; nil where nobody told, and for what is called by its name.
  package var displayName: String? {
    switch self {
    case .pod(let pod): pod.displayName
    case .container(let container): container.name
    case .unit, .cgroup, .unknown: nil
    }
  }

  /// What people call it, else its name.
  package var shownName: KernelName? { displayName.map { KernelName($0) } ?? name }
}

extension KillPlace: Hashable {
  package static func == (left: KillPlace, right: KillPlace) -> Bool {
    left.kindText == right.kindText && left.name == right.name
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(kindText)
    hasher.combine(name)
  }
}
