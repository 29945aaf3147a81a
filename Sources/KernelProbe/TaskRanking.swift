// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// The first of all processes by badness, ranked in the kernel: what is not listed is not copied, so ten thousand take
/// a millisecond. For kernels with bpf_rdonly_cast() (6.2).
///
/// Kernel: mm/oom_kill.c, select_bad_process(). Source: bpf/rank.bpf.c.
package struct TaskRanking: ~Copyable {
  /// The most that are kept.
  package static let countMax = Int(OW_RANKED_MAX)
  private let programs: UnsafeMutablePointer<rank_light>

  /// - Throws: `ProbeError.open` or `.ranking` where the kernel refuses.
  package init() throws(ProbeError) {
    guard let programs = rank_light__open() else { throw .open(errno: errno) }
    programs.pointee.rodata.pointee.page_shift = TaskConstants.pageShift
    programs.pointee.rodata.pointee.cpu_count = TaskConstants.cpuCount
    programs.pointee.rodata.pointee.reads_exactly = TaskConstants.kernelScoresExactly
    programs.pointee.rodata.pointee.may_cast = true
    let status = rank_light__load(programs)
    guard status == 0 else {
      rank_light__destroy(programs)
      throw .ranking(errno: -status)
    }
    self.programs = programs
    if TaskConstants.kernelScoresExactly { _ = TaskConstants.run(programs.pointee.progs.find_offsets.prog_fd) }
  }

  deinit { rank_light__destroy(programs) }

  /// Those that the kernel would take first, as they are now; fewer where fewer may be taken.
  ///
  /// - Parameters:
  ///   - count: 1 to `countMax`.
  ///   - domainPages: of the domain that they are scored against.
  /// - Returns: in the kernel's order, as they were forked, and not by rank; without `cgroup`.
  /// - Throws: `ProbeError.ranking` where the kernel did not go round all of them.
  package func first(_ count: Int, domainPages: Pages) throws(ProbeError) -> [ProcessSnapshot] {
    let memory = programs.pointee.bss!
    memory.pointee.wanted = UInt32(min(max(1, count), TaskRanking.countMax))
    memory.pointee.pages_per_thousandth = domainPages / 1000
    let status = TaskConstants.run(programs.pointee.progs.rank.prog_fd)
    guard status == 0 else { throw .ranking(errno: -status) }
    guard memory.pointee.is_whole != 0 else { throw .ranking(errno: E2BIG) }
    let ranked = withUnsafeBytes(of: memory.pointee.ranked) { bytes in
      Array(bytes.bindMemory(to: ow_ranked.self).prefix(Int(memory.pointee.ranked_count)))
    }
    return ranked.sorted { $0.order < $1.order }.map { ProcessSnapshot($0.task) }
  }
}
