// SPDX-License-Identifier: Apache-2.0

/// A container: what its cgroup's path tells (runtime and id), and what its runtime's own files add. A nil field is not known.
package struct ContainerRef: Hashable, Sendable {
  /// docker, containerd, cri-o, podman, lxc, nspawn or buildkit; nil where nothing tells.
  package var runtime: String?
  /// As the runtime has it: 64 hexadecimal digits, or the name that was given to it (containerd, LXC, nspawn).
  package var id: String
  /// What people call it; nil where it has no name but its id.
  package var name: String?
  /// The image as it was asked for.
  package var image: String?
  /// Docker Compose's project and service. Source: the labels com.docker.compose.project and com.docker.compose.service.
  package var composeProject: String?
  package var composeService: String?

  /// The pod of Podman's that it is in, which is none of Kubernetes, by its id: its name is in a database.
  package var pod: String?

  package init(runtime: String?, id: String) {
    self.runtime = runtime
    self.id = id
  }

  /// The name that somebody gave it: 64 digits are none.
  package var givenName: String? {
    name ?? (id.utf8.count == 64 || runtime == "buildkit" ? nil : id)
  }

  /// What stands for it in a row: its name, else what engines show of an id.
  package var shownName: String { name ?? String(id.prefix(12)) }

  func encode(into json: inout JSONWriter) { json.object { encodeFields(into: &$0) } }

  func encodeFields(into json: inout JSONWriter) {
    json.field("runtime", runtime)
    json.field("id", id)
    json.field("name", name)
    json.field("image", image)
    json.field("compose_project", composeProject)
    json.field("compose_service", composeService)
    json.field("pod", pod)
  }
}
