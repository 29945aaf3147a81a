// SPDX-License-Identifier: Apache-2.0

/// A container's place in Kubernetes. A nil field is not known: of a path alone there is the uid and the class.
package struct PodRef: Hashable, Sendable {
  /// How the scheduler and the eviction treat it, as Kubernetes writes it.
  package enum QOSClass: String, CaseIterable, Sendable {
    case guaranteed = "Guaranteed"
    case burstable = "Burstable"
    case bestEffort = "BestEffort"
  }

  package var namespace: String?
  package var pod: String?
  package var container: String?
  /// With hyphens; of a static pod 32 hexadecimal digits without.
  package var podUID: String?
  package var qosClass: QOSClass?
  /// Declared by a file on the node, and not by the apiserver.
  package var isStatic: Bool?

  package init() {}

  /// `namespace/pod`; nil where its name is not known.
  package var displayName: String? {
    pod.map { name in namespace.map { "\($0)/\(name)" } ?? name }
  }

  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("namespace", namespace)
      $0.field("pod", pod)
      $0.field("container", container)
      $0.field("pod_uid", podUID)
      $0.field("qos_class", qosClass?.rawValue)
      $0.field("is_static", isStatic)
    }
  }
}
