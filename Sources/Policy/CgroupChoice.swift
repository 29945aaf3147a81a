// SPDX-License-Identifier: Apache-2.0
import Events

/// Which control groups a name that somebody typed may mean: a container, a pod, a unit, or a group's own name.
///
/// An exact name wins over the beginning of an id. Of a container, pod or unit it is the outermost group.
package struct CgroupChoice: Sendable {
  package struct Match: Hashable, Sendable {
    package var path: KernelName
    /// What it was taken for, for people: `container web (docker 3f2a9c1b7d10)`.
    package var description: String
  }

  /// A group and whose it is.
  package typealias Group = (path: KernelName, owner: CgroupOwner?)

  /// Fewer digits of an id are taken for no id.
  package static let idPrefixMin = 4

  /// None, the one that is meant, or those between which nobody can choose, in the order of the groups.
  ///
  /// - Parameter groups: each before those below it.
  package static func matches(_ text: String, among groups: [Group]) -> [Match] {
    guard !text.isEmpty else { return [] }
    var exact: [Match] = []
    var begun: [Match] = []
    var seen: Set<String> = []
    func add(_ path: KernelName, _ identity: String, _ description: String, to list: inout [Match]) {
      if seen.insert(identity).inserted { list.append(Match(path: path, description: description)) }
    }
    let podUIDs = Set(groups.compactMap { isPod($0.owner?.pod, text) ? $0.owner?.pod?.podUID : nil })
    for (path, owner) in groups {
      if let container = owner?.container, isNamed(container, owner?.pod, text) {
        add(path, identity(container), description(container, owner?.pod), to: &exact)
      } else if let pod = owner?.pod, isPod(pod, text) || pod.podUID.map(podUIDs.contains) ?? false {
        let name = podName(pod, groups)
        add(path, "pod \(pod.podUID ?? name)", "pod \(TerminalText.safe(name))", to: &exact)
      } else if let unit = owner?.unit, unit == text || unit == text + ".service" {
        add(path, "unit \(unit)", "unit \(TerminalText.safe(unit))", to: &exact)
      } else if path.text.split(separator: "/").last.map({ $0 == text }) ?? false {
        add(path, "path \(path.hex)", "cgroup \(TerminalText.safe(path))", to: &exact)
      } else if let container = owner?.container, text.count >= idPrefixMin, container.id.hasPrefix(text) {
        add(path, identity(container), description(container, owner?.pod), to: &begun)
      }
    }
    return exact.isEmpty ? begun : exact
  }

  private static func identity(_ container: ContainerRef) -> String {
    "container \(container.runtime ?? "") \(container.id)"
  }

  private static func isNamed(_ container: ContainerRef, _ pod: PodRef?, _ text: String) -> Bool {
    if container.id == text || container.name == text { return true }
    guard let pod, let name = pod.container, let podName = pod.pod else { return false }
    return text == "\(podName)/\(name)" || pod.namespace.map { text == "\($0)/\(podName)/\(name)" } ?? false
  }

  private static func isPod(_ pod: PodRef?, _ text: String) -> Bool {
    guard let pod else { return false }
    if let uid = pod.podUID, uid == text || uid.filter({ $0 != "-" }) == text { return true }
    guard let name = pod.pod else { return false }
    return text == name || pod.namespace.map { text == "\($0)/\(name)" } ?? false
  }

  /// A pod's own group tells its uid alone; its containers know its name.
  private static func podName(_ pod: PodRef, _ groups: [Group]) -> String {
    let known =
      pod.pod != nil
      ? pod
      : groups.first { $0.owner?.pod?.podUID == pod.podUID && $0.owner?.pod?.pod != nil }?
        .owner?.pod
    guard let name = known?.pod else { return pod.podUID ?? "" }
    return (known?.namespace.map { $0 + "/" } ?? "") + name
  }

  private static func description(_ container: ContainerRef, _ pod: PodRef?) -> String {
    let name = CgroupOwner(container: container, pod: pod).displayName ?? container.id
    let id = "\(container.runtime.map { $0 + " " } ?? "")\(container.id.prefix(shownDigits))"
    return name == container.id
      ? "container \(TerminalText.safe(id))" : "container \(TerminalText.safe("\(name) (\(id))"))"
  }

  /// As `docker ps` shows of an id.
  private static let shownDigits = 12
}
