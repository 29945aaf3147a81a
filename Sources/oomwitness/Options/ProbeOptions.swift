// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import KernelProbe

/// How the kernel is asked.
struct ProbeOptions: ParsableArguments {
  enum Choice: String, CaseIterable, ExpressibleByArgument {
    case auto, kprobe, fentry, tracepoint, kmsg

    /// The BPF rungs to try, in order.
    var rungs: [ProbeRung] {
      switch self {
      case .auto: ProbeRung.allCases
      case .kprobe: [.kprobe]
      case .fentry: [.fentry]
      case .tracepoint: [.tracepoint]
      case .kmsg: []
      }
    }
  }

  @Option(
    help: "What to attach to: the most that the kernel allows, or just this. kmsg reads the kernel's log instead.")
  var probe: Choice = .auto

  @Option(
    help: ArgumentHelp(
      "Size of the ring buffer, rounded up to a power of two. (default: 512 KiB, more where many processes run)",
      valueName: "bytes"))
  var ringBytes: Int?

  @Flag(
    help: "Tell first what the kernel's log still has of the kills since boot; --count counts those after the start.")
  var sinceBoot = false

  /// What the option says, or enough for twice the candidates that come all at once.
  func ringBytes(candidates: Int) -> Int { ringBytes ?? max(1 << 19, candidates * 256) }

  func validate() throws {
    guard let ringBytes else { return }
    guard ringBytes > 0, ringBytes <= 1 << 30 else {
      throw ValidationError("--ring-bytes takes 1 to 1073741824, not \(ringBytes)")
    }
  }
}
