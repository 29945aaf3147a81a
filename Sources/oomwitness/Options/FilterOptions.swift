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
    (cgroup.map { Glob.matches($0, kill.victim.cgroup?.path) } ?? true)
      && (comm.map { Glob.matches($0, kill.victim.comm) } ?? true)
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
