// SPDX-License-Identifier: Apache-2.0
import Events

/// The bundles that containerd keeps of running containers, its own and those of engines above it.
///
/// File: STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json. Source: containerd's runtime/v2/bundle.go.
struct ContainerdState {
  /// A host has a few: default, k8s.io, moby, buildkit.
  static let namespacesMax = 64
  private static let folders = ["io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux"]

  let files: StateFiles

  struct Found {
    var facts: ContainerFacts
    var dockerDataRoot: String?
  }

  func find(id: String, states: [String]) -> Found? {
    for state in states {
      for folder in ContainerdState.folders {
        let path = "\(state)/\(folder)"
        for namespace in files.names(in: path, countMax: ContainerdState.namespacesMax) {
          if let found = bundle(path, namespace, id) { return found }
        }
      }
    }
    return nil
  }

  /// The container that `/NAMESPACE/NAME` is of, as ctr places it, where there is a bundle of that name.
  func named(inCgroupPath path: KernelName, states: [String]) -> (ContainerRef, ContainerFacts)? {
    let components = path.bytes.split(separator: UInt8(ascii: "/")).prefix(2).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard components.count == 2, components.allSatisfy({ CgroupPath.isGivenName($0[...]) }) else { return nil }
    for state in states {
      for folder in ContainerdState.folders {
        guard let found = bundle("\(state)/\(folder)", components[0], components[1]) else { continue }
        return (ContainerRef(runtime: found.facts.runtime, id: components[1]), found.facts)
      }
    }
    return nil
  }

  /// Where ctr and nerdctl put what is not said to be elsewhere: one of another state's may be there.
  static func isInDefaultNamespace(_ path: KernelName) -> Bool { path.bytes.starts(with: "/default/".utf8) }

  private func bundle(_ path: String, _ namespace: String, _ id: String) -> Found? {
    guard
      let bundle = files.document(
        "\(path)/\(namespace)/\(id)/config.json", { (json) throws(JSONReader.Fault) in try OCIBundle(&json, id: id) })
    else {
      return nil
    }
    var facts = bundle.containerdFacts()
    if namespace == "moby" { facts.runtime = "docker" }
    if namespace == "buildkit" { facts.runtime = "buildkit" }
    return Found(facts: facts, dockerDataRoot: bundle.dockerDataRoot)
  }
}
