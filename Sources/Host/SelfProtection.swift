// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Keeps the witness alive through what it witnesses.
///
/// Source: mlockall(2), proc(5) on oom_score_adj.
package enum SelfProtection {
  /// The shortest slice that the kernel grants. Kernel: kernel/sched/syscalls.c, __setparam_fair().
  private static let sliceNanoseconds: UInt64 = 100_000

  /// What could not be had, each with its errno.
  package enum Refusal: Hashable, Sendable {
    case oomScoreAdj(errno: Int32)
    case memoryLock(errno: Int32)
  }

  /// Never chosen by the kernel, and its pages stay once they are touched.
  ///
  /// - Parameter selfPath: this process below /proc.
  package static func apply(selfPath: String = "/proc/self") -> [Refusal] {
    var refusals: [Refusal] = []
    if let code = write("-1000", to: selfPath + "/oom_score_adj") { refusals.append(.oomScoreAdj(errno: code)) }
    // MCL_ONFAULT: what is reserved and never touched does not become resident. MCL_FUTURE only with the right to go
    // beyond RLIMIT_MEMLOCK: without it a later mmap(2), and with it malloc(3), would fail at the limit.
    let mayGrow = Capability.missing([.ipcLock]).isEmpty
    let flags = MCL_CURRENT | MCL_ONFAULT | (mayGrow ? MCL_FUTURE : 0)
    if mlockall(flags) != 0 { refusals.append(.memoryLock(errno: errno)) }
    // A host that thrashes has a long queue for its processors, and the kill must be told while it still matters. A
    // task with a shorter slice than the running one's takes its place when it is woken (since 6.12); before, the heavier.
    if clinux_set_slice(-20, sliceNanoseconds) != 0 { setpriority(Int32(PRIO_PROCESS.rawValue), 0, -20) }
    return refusals
  }

  /// Gives back what the start needed and the run does not: free heap, and code that is mapped and not used again.
  ///
  /// Only pages of code are let go, which a fault brings back from the page cache; so it comes before `apply()`, and a
  /// rehearsal after it brings back what a kill needs. Source: malloc_trim(3), madvise(2); /proc/PID/maps.
  package static func forgetStart(selfPath: String = "/proc/self") {
    malloc_trim(0)
    guard let maps = fopen(selfPath + "/maps", "re") else { return }
    defer { fclose(maps) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, maps) > 0, let line {
      // "55e0c0000000-55e0c0100000 r-xp 00000000 fe:00 123456   /usr/bin/oomwitness"
      var rest: UnsafeMutablePointer<CChar>?
      let begin = UInt(strtoul(line, &rest, 16))
      guard let dash = rest, dash.pointee == 0x2d else { continue }
      let end = UInt(strtoul(dash + 1, &rest, 16))
      guard let rest, strncmp(rest, " r-xp ", 6) == 0, strchr(rest, 0x2f) != nil, end > begin else { continue }
      madvise(UnsafeMutableRawPointer(bitPattern: begin), Int(end - begin), MADV_DONTNEED)
    }
  }

  private static func write(_ text: String, to path: String) -> Int32? {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    return text.withCString { Glibc.write(descriptor, $0, strlen($0)) } < 0 ? errno : nil
  }
}
