// SPDX-License-Identifier: Apache-2.0
import Events

/// The annotations of an OCI bundle, in which containerd's and CRI-O's Kubernetes plugins and nerdctl leave names.
///
/// File: config.json. Source: OCI runtime-spec, config.md; containerd's pkg/cri/annotations; CRI-O's
/// pkg/annotations; nerdctl's pkg/labels.
struct OCIBundle {
  let annotations: [String: String]
  /// Docker's data root, where a file of Docker's is mounted into the container.
  let dockerDataRoot: String?

  /// - Parameter id: as Docker names the folder of the file.
  init(_ json: inout JSONReader, id: String) throws(JSONReader.Fault) {
    var annotations: [String: String] = [:]
    var dataRoot: String?
    let suffix = "/containers/\(id)/hostname"
    try json.object { (json, name) throws(JSONReader.Fault) in
      switch name {
      case "annotations": annotations = try json.texts()
      case "mounts":
        try json.array { (json) throws(JSONReader.Fault) in
          try json.object { (json, name) throws(JSONReader.Fault) in
            guard name == "source" else { return false }
            if let source = try json.text(), source.hasSuffix(suffix) {
              dataRoot = String(source.dropLast(suffix.count))
            }
            return true
          }
        }
      default: return false
      }
      return true
    }
    self.annotations = annotations
    dockerDataRoot = dataRoot
  }

  /// As containerd's plugin for Kubernetes writes them, and nerdctl.
  func containerdFacts() -> ContainerFacts {
    var facts = ContainerFacts(runtime: "containerd")
    facts.take(labels: annotations)
    facts.name = annotations["nerdctl/name"]
    func cri(_ key: String) -> String? { annotations["io.kubernetes.cri." + key] }
    facts.image = cri("image-name") ?? annotations["nerdctl/image-ref"]
    facts.namespace = cri("sandbox-namespace") ?? annotations["nerdctl/k8s-namespace"]
    facts.pod = cri("sandbox-name")
    facts.podUID = cri("sandbox-uid")
    facts.container = cri("container-type") == "sandbox" ? nil : cri("container-name")
    facts.name = facts.name ?? facts.container
    return facts
  }

  /// As CRI-O writes them; nil where they are not its. Podman uses some of its keys.
  func crioFacts() -> ContainerFacts? {
    func crio(_ key: String) -> String? { annotations["io.kubernetes.cri-o." + key] }
    guard let type = crio("ContainerType"), annotations["io.container.manager"] != "libpod" else { return nil }
    var facts = ContainerFacts(runtime: "cri-o")
    facts.take(labels: annotations)
    facts.name = crio("Name")
    facts.image = crio("ImageName") ?? crio("Image")
    facts.namespace = facts.namespace ?? crio("Namespace")
    facts.pod = facts.pod ?? crio("KubeName")
    if type == "sandbox" { facts.container = nil }
    // A document in a string: the pod's own annotations.
    facts.take(configSource: StateFiles.texts(in: crio("Annotations"))["kubernetes.io/config.source"])
    return facts
  }
}
