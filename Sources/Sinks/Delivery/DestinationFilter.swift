// SPDX-License-Identifier: Apache-2.0
import Events

/// Which lines a destination gets; what is empty asks for nothing.
package struct DestinationFilter: Hashable, Sendable {
  /// All that a stream has.
  package static let knownTypes: Set<String> = [
    "stream_start", "oom_kill", "oom_outcome", "oom_no_kill", "loss", "pressure", "policy_action", "guard_action",
    "stream_end",
  ]

  /// Values of `type`.
  package var types: Set<String>
  /// Patterns as shells have them, of which one has to match the victim's control group, or the one that is told of.
  package var cgroups: [String]
  /// The same of the victim's comm.
  package var victims: [String]

  package init(types: Set<String> = [], cgroups: [String] = [], victims: [String] = []) {
    self.types = types
    self.cgroups = cgroups
    self.victims = victims
  }

  /// Nothing is asked for: no line has to be read.
  package var isEmpty: Bool { types.isEmpty && cgroups.isEmpty && victims.isEmpty }
}
