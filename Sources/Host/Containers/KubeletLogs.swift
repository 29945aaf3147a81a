// SPDX-License-Identifier: Apache-2.0
import Events

/// The names of pods and containers in the kubelet's folders of logs: what is left where a runtime's own files say nothing.
///
/// A link in /var/log/containers is `POD_NAMESPACE_CONTAINER-ID.log`, a folder in /var/log/pods `NAMESPACE_POD_UID`; no name
/// in Kubernetes holds an underscore. Source: kubelet's pkg/kubelet/kuberuntime/legacy.go and kuberuntime_container.go.
struct KubeletLogs {
  let files: StateFiles

  func facts(containerID id: String) -> ContainerFacts? {
    let suffix = "-\(id).log"
    guard let name = files.names(in: "/var/log/containers", ending: suffix, countMax: 1).first else { return nil }
    let parts = name.dropLast(suffix.count).split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 3, parts.allSatisfy({ CgroupPath.isGivenName($0) }) else { return nil }
    var facts = ContainerFacts(runtime: nil)
    (facts.pod, facts.namespace, facts.container) = (String(parts[0]), String(parts[1]), String(parts[2]))
    return facts
  }

  func facts(podUID uid: String) -> ContainerFacts? {
    guard let name = files.names(in: "/var/log/pods", ending: "_" + uid, countMax: 1).first else { return nil }
    let parts = name.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 3, parts.allSatisfy({ CgroupPath.isGivenName($0) }) else { return nil }
    var facts = ContainerFacts(runtime: nil)
    (facts.namespace, facts.pod) = (String(parts[0]), String(parts[1]))
    return facts
  }
}
