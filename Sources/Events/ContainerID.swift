// SPDX-License-Identifier: Apache-2.0

/// Names the container that a control group belongs to, by the path alone: no engine is asked.
///
/// Source: what docker, containerd, CRI-O and podman call their groups, with systemd's driver and with cgroupfs.
package enum ContainerID {
  /// What stands before the id where systemd makes the group, and whose it is.
  private static let prefixes: [(String, String)] = [
    ("docker-", "docker"), ("cri-containerd-", "containerd"), ("crio-conmon-", ""), ("crio-", "cri-o"),
    ("libpod-conmon-", ""), ("libpod-", "podman"), ("nerdctl-", "containerd"),
  ]

  /// The innermost container of a path; nil where there is none, and for a monitor beside it (conmon).
  package static func container(inCgroupPath path: KernelName) -> ContainerRef? {
    let components = path.text.split(separator: "/")
    for (index, component) in components.enumerated().reversed() {
      var name = component
      for suffix in [".scope", ".service"] where name.hasSuffix(suffix) { name = name.dropLast(suffix.count) }
      var runtime: String?
      for (prefix, owner) in prefixes where name.hasPrefix(prefix) {
        name = name.dropFirst(prefix.count)
        runtime = owner
        break
      }
      guard isID(name) else { continue }
      if runtime == "" { return nil }
      if runtime == nil, index > 0, components[index - 1] == "docker" { runtime = "docker" }
      return ContainerRef(runtime: runtime, id: String(name))
    }
    return nil
  }

  private static func isID(_ name: Substring) -> Bool {
    name.utf8.count == 64 && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
}
