// SPDX-License-Identifier: Apache-2.0

/// A container: what its cgroup's path tells (runtime and id), and what its runtime's own files add. A nil field is not known.
package struct ContainerRef: Hashable, Sendable {
  /// docker, containerd, cri-o, podman, lxc or nspawn; nil where nothing tells.
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

  package init(runtime: String?, id: String) {
    self.runtime = runtime
    self.id = id
  }

  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("runtime", runtime)
      $0.field("id", id)
      $0.field("name", name)
      $0.field("image", image)
      $0.field("compose_project", composeProject)
      $0.field("compose_service", composeService)
    }
  }
}
