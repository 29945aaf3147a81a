// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc

/// Which kills are told.
struct FilterOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Only victims in control groups that match, as '/kubepods/*'.", valueName: "glob"))
  var cgroup: String?

  @Option(help: ArgumentHelp("Only victims whose comm matches, as 'java*'.", valueName: "glob"))
  var comm: String?

  func wants(_ kill: OOMKill) -> Bool {
    matches(cgroup, kill.victim.cgroup?.path) && matches(comm, kill.victim.comm)
  }

  /// Source: fnmatch(3); `*` goes across slashes.
  private func matches(_ glob: String?, _ name: KernelName?) -> Bool {
    guard let glob else { return true }
    guard let name else { return false }
    let bytes = name.bytes.map(CChar.init(bitPattern:)) + [0]
    return fnmatch(glob, bytes, 0) == 0
  }
}
