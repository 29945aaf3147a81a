// SPDX-License-Identifier: Apache-2.0

/// Who a control group belongs to: a unit of systemd, a container, a pod; each nil where it is of none.
///
/// One object for all that name the group, since a decision names the same few again and again.
package final class CgroupOwner: Hashable, Sendable {
  package let unit: String?
  package let container: ContainerRef?
  package let pod: PodRef?

  package init(unit: String? = nil, container: ContainerRef? = nil, pod: PodRef? = nil) {
    self.unit = unit
    self.container = container
    self.pod = pod
  }

  package static func == (left: CgroupOwner, right: CgroupOwner) -> Bool {
    left === right || (left.unit == right.unit && left.container == right.container && left.pod == right.pod)
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(unit)
    hasher.combine(container)
    hasher.combine(pod)
  }

  /// What people call it, the most telling first: `namespace/pod/container`, a container's name, a unit; nil where it has no name.
  package var displayName: String? {
    if let pod, let name = pod.displayName { return pod.container.map { "\(name)/\($0)" } ?? name }
    return container.map { $0.name ?? $0.id } ?? unit
  }

  /// Container and pod in words, as `container web of pod shop/cart-0`; nil where people have no name for them.
  package var phrase: String? {
    let name = pod?.pod == nil ? container?.givenName : pod?.container
    let pod = pod?.displayName ?? container?.pod.map { String($0.prefix(12)) }
    let parts = [name.map { "container \($0)" }, pod.map { "pod \($0)" }].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: " of ")
  }
}
