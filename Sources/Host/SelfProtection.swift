// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Keeps the witness alive through what it witnesses.
///
/// Source: mlockall(2), proc(5) on oom_score_adj.
package enum SelfProtection {
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
    return refusals
  }

  /// Gives the heap back what the start needed and the run does not. Source: malloc_trim(3).
  package static func trimHeap() { malloc_trim(0) }

  private static func write(_ text: String, to path: String) -> Int32? {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    return text.withCString { Glibc.write(descriptor, $0, strlen($0)) } < 0 ? errno : nil
  }
}
