// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc

/// Which kills are told.
struct FilterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only victims in control groups that match, as '/kubepods/*'.", valueName: "glob"))
  var cgroup: String?

  @Option(
    help: ArgumentHelp(
      "Only victims in this container: its name as 'web*', its id or twelve digits of it and more.",
      valueName: "name|id"))
  var container: String?

  @Option(help: ArgumentHelp("Only victims in this pod, as shop/cart-0 or 'shop/*', or by its uid.", valueName: "pod"))
  var pod: String?

  @Option(help: ArgumentHelp("Only victims whose comm matches, as 'java*'.", valueName: "glob"))
  var comm: String?

  @Flag(help: "Only victims in containers, and kills at the limit of a container or a pod.")
  var containers = false

  func wants(_ kill: OOMKill) -> Bool {
    (!containers || FilterOptions.isOfContainer(kill.victim.cgroup) || FilterOptions.isOfContainer(kill.limit?.cgroup))
      && (cgroup.map { Glob.matches($0, kill.victim.cgroup?.path) } ?? true)
      && (comm.map { Glob.matches($0, kill.victim.comm) } ?? true)
      && (container.map { isContainer($0, kill.victim.cgroup?.owner) } ?? true)
      && (pod.map { isPod($0, kill.victim.cgroup?.owner?.pod) } ?? true)
  }

  /// The container's own name or that in its pod.
  private func isContainer(_ pattern: String, _ owner: CgroupOwner?) -> Bool {
    guard let container = owner?.container else { return false }
    if container.id == pattern || (pattern.utf8.count >= 12 && container.id.hasPrefix(pattern)) { return true }
    return [container.name, owner?.pod?.container].contains {
      $0.map { Glob.matches(pattern, KernelName($0)) } ?? false
    }
  }

  /// A name without a namespace is of any.
  private func isPod(_ pattern: String, _ pod: PodRef?) -> Bool {
    guard let pod else { return false }
    let name = pattern.contains("/") ? pod.displayName : pod.pod
    return pod.podUID == pattern || (name.map { Glob.matches(pattern, KernelName($0)) } ?? false)
  }

  private static func isOfContainer(_ cgroup: CgroupRef?) -> Bool {
    guard let owner = cgroup?.owner else { return false }
    return owner.container != nil || owner.pod != nil
  }
}

/// Names by a pattern as shells have it.
enum Glob {
  /// Source: fnmatch(3); `*` goes across slashes.
  static func matches(_ glob: String, _ name: KernelName?) -> Bool {
    guard let name else { return false }
    let bytes = name.bytes.map(CChar.init(bitPattern:)) + [0]
    return fnmatch(glob, bytes, 0) == 0
  }
}
