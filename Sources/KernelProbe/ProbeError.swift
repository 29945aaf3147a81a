// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Events

/// Why the kernel's BPF cannot be used: facts, which the command words.
package enum ProbeError: Error, Sendable {
  /// The embedded object could not be opened: damaged binary, or no memory.
  case open(errno: Int32)
  /// The kernel refused to load the programs of a rung; `log` holds the verifier's last lines.
  case load(rung: ProbeRung, errno: Int32, log: [String])
  /// A program that the rung cannot do without was loaded and could not be attached.
  case attach(program: String, errno: Int32)
  case ring(errno: Int32)
  case iterator(errno: Int32)
  /// Of bpf/rank.bpf.c; E2BIG where there are more tasks than the walk visits.
  case ranking(errno: Int32)
  /// A record on the ring, or in a recording, is not of our making.
  case malformedRecord(kind: Int, bytes: Int)
}

/// Ways to see the decision, from the most to the least.
package enum ProbeRung: String, CaseIterable, Sendable {
  case fentry, kprobe, tracepoint

  /// What events of this rung say as their source.
  package var source: Source {
    switch self {
    case .fentry: .fentry
    case .kprobe: .kprobe
    case .tracepoint: .tracepoint
    }
  }
}
