// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// When the Linux kernel kills a process for memory, oomwitness is the program that knows why.
@main
struct OOMWitness: ParsableCommand {
  // Each command says its name: to make it of the type's takes 0.2 ms a command at each start.
  static let configuration = CommandConfiguration(
    commandName: "oomwitness",
    abstract: "Knows why the Linux kernel killed a process for memory.",
    discussion: """
      Try `oomwitness check` to see what this kernel allows, then `oomwitness trace` to watch.
      Exit status: 0 done, 1 failed, 2 not possible here (kernel, rights), 64 wrong usage.
      """,
    version: Version.text,
    subcommands: [
      Trace.self, Analyze.self, Scores.self, Next.self, Cgroup.self, Containers.self, Limits.self, Pressure.self,
      Protect.self, Guard.self, Daemon.self, Doctor.self, Check.self, Replay.self,
    ])
}
