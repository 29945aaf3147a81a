// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Memory pressure: watched, or looked at once.
struct Pressure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pressure",
    abstract: "Says when memory gets short, who takes it, how long it lasts, and does something about it.",
    discussion: """
      Levels are normal, low, medium and critical: by used memory (MemAvailable), used swap, and the time in which tasks \
      stood still for memory (PSI), of the whole system and of control groups below their limits. Without a subcommand it \
      watches. docs/pressure.md tells the rest.
      Examples:
        oomwitness pressure
        oomwitness pressure --cgroup /kubepods/pod1 --run /usr/bin/notify
        oomwitness pressure status
      """,
    subcommands: [Watch.self, Status.self], defaultSubcommand: Watch.self)
}
