// SPDX-License-Identifier: Apache-2.0
import Events

/// What a runtime's own files say of one container; nil where they do not.
struct ContainerFacts {
  var runtime: String?
  var name: String?
  var image: String?
  var composeProject: String?
  var composeService: String?
  var namespace: String?
  var pod: String?
  /// The container's name in its pod; nil for the pod's sandbox.
  var container: String?
  var podUID: String?
  var isStatic: Bool?

  init(runtime: String?) { self.runtime = runtime }

  /// What a container's labels say of Compose and of Kubernetes, as Docker's shim of the kubelet and CRI-O write them.
  ///
  /// Source: Docker Compose, pkg/api/labels.go; kubelet, pkg/kubelet/types/labels.go; dockershim's docker_service.go.
  mutating func take(labels: [String: String]) {
    composeProject = labels["com.docker.compose.project"]
    composeService = labels["com.docker.compose.service"]
    namespace = labels["io.kubernetes.pod.namespace"]
    pod = labels["io.kubernetes.pod.name"]
    podUID = labels["io.kubernetes.pod.uid"]
    let isSandbox = labels["io.kubernetes.docker.type"] == "podsandbox"
    container = isSandbox ? nil : labels["io.kubernetes.container.name"].flatMap { $0 == "POD" ? nil : $0 }
    take(configSource: labels["annotation.kubernetes.io/config.source"] ?? labels["kubernetes.io/config.source"])
  }

  /// `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`, `POD` for the sandbox; no name in Kubernetes holds an underscore.
  ///
  /// Source: dockershim's naming.go; CRI-O's internal/factory/container.
  mutating func take(kubeletName name: String) {
    let parts = name.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 6, parts[0] == "k8s", !parts[1].isEmpty, !parts[2].isEmpty, !parts[3].isEmpty else { return }
    container = parts[1] == "POD" ? nil : parts[1]
    (pod, namespace, podUID) = (parts[2], parts[3], parts[4])
  }

  /// Where the kubelet has the pod from: `api`, or `file` and `http` for static ones.
  ///
  /// Source: kubelet, pkg/kubelet/types/pod_update.go, ConfigSourceAnnotationKey.
  mutating func take(configSource: String?) {
    if let configSource { isStatic = configSource != "api" }
  }
}

extension ContainerRef {
  mutating func take(_ facts: ContainerFacts) {
    runtime = facts.runtime ?? runtime
    name = facts.name
    image = facts.image
    composeProject = facts.composeProject
    composeService = facts.composeService
  }
}

extension PodRef {
  mutating func take(_ facts: ContainerFacts) {
    namespace = facts.namespace ?? namespace
    pod = facts.pod ?? pod
    container = facts.container ?? container
    podUID = podUID ?? facts.podUID
    isStatic = facts.isStatic ?? isStatic
    // Only the hash of a manifest has no hyphens.
    if isStatic == nil, let podUID, podUID.utf8.count == 32 { isStatic = true }
  }
}
