// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// What the kernel measured of our programs, where it measures.
///
/// Kernel: kernel/bpf/core.c, bpf_prog_run() with bpf_stats_enabled_key; include/uapi/linux/bpf.h, struct bpf_prog_info.
package final class ProgramCosts: Sendable {
  /// A program that is attached: what we call it, and its descriptor, which its probe owns.
  package struct Program: Hashable, Sendable {
    package let name: String
    let descriptor: Int32
  }

  package struct Cost: Hashable, Sendable {
    package let name: String
    package let runs: Int64
    package let runNanoseconds: Int64
  }

  private let programs: [Program]
  /// Holds the measuring on, for as long as it is open; -1 where we do not.
  private let switchDescriptor: Int32
  /// Why it could not be switched on; nil where it could, or nobody asked.
  package let refusal: Int32?

  /// - Parameters:
  ///   - programs: of a probe that lives longer than this.
  ///   - measures: switches the measuring on, for all programs of the host, which costs each of their runs two looks at a
  ///     clock; needs CAP_SYS_ADMIN. Source: libbpf, bpf_enable_stats().
  package init(_ programs: [Program], measures: Bool) {
    self.programs = programs
    let status = measures ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1
    switchDescriptor = status
    refusal = measures && status < 0 ? -status : nil
  }

  deinit { if switchDescriptor >= 0 { close(switchDescriptor) } }

  /// Nil where nothing is measured. File: /proc/sys/kernel/bpf_stats_enabled.
  package func read() -> [Cost]? {
    let costs = programs.compactMap { program -> Cost? in
      var info = bpf_prog_info()
      var size = UInt32(MemoryLayout<bpf_prog_info>.size)
      guard bpf_obj_get_info_by_fd(program.descriptor, &info, &size) == 0 else { return nil }
      return Cost(
        name: program.name, runs: Int64(clamping: info.run_cnt), runNanoseconds: Int64(clamping: info.run_time_ns))
    }
    let isMeasured = switchDescriptor >= 0 || costs.contains { $0.runs > 0 } || ProgramCosts.isSwitchedOn
    return isMeasured && !costs.isEmpty ? costs : nil
  }

  private static var isSwitchedOn: Bool {
    let descriptor = open("/proc/sys/kernel/bpf_stats_enabled", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var first: UInt8 = 0
    return Glibc.read(descriptor, &first, 1) == 1 && first == UInt8(ascii: "1")
  }
}
