// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A right of a process, and how the rest are dropped.
///
/// Kernel: include/uapi/linux/capability.h. Source: capabilities(7), capset(2).
package struct Capability: Hashable, Sendable {
  /// As capabilities(7) writes it.
  package let name: String
  private let bit: UInt64

  private init(_ name: String, _ number: UInt64) {
    self.name = name
    bit = 1 << number
  }

  package static let dacReadSearch = Capability("CAP_DAC_READ_SEARCH", 2)
  package static let kill = Capability("CAP_KILL", 5)
  package static let ipcLock = Capability("CAP_IPC_LOCK", 14)
  package static let sysPtrace = Capability("CAP_SYS_PTRACE", 19)
  package static let sysAdmin = Capability("CAP_SYS_ADMIN", 21)
  package static let sysResource = Capability("CAP_SYS_RESOURCE", 24)
  package static let syslog = Capability("CAP_SYSLOG", 34)
  package static let perfmon = Capability("CAP_PERFMON", 38)
  package static let bpf = Capability("CAP_BPF", 39)

  /// _LINUX_CAPABILITY_VERSION_3: two words of 32 bits each for effective, permitted and inheritable.
  private static let version3: UInt32 = 0x2008_0522

  /// Those of `wanted` that this process lacks; CAP_SYS_ADMIN stands for BPF and PERFMON. Empty where it cannot be told.
  package static func missing(_ wanted: [Capability]) -> [Capability] {
    guard let sets = sets() else { return [] }
    let effective = UInt64(sets[0]) | UInt64(sets[3]) << 32
    let isAdmin = effective & sysAdmin.bit != 0
    return wanted.filter { effective & $0.bit == 0 && !(isAdmin && ($0 == bpf || $0 == perfmon)) }
  }

  /// Programs that are started get none of our rights, as those of a service that is no root. Source: capabilities(7), ambient.
  @discardableResult
  package static func keepFromChildren() -> Bool {
    guard var sets = sets() else { return false }
    (sets[2], sets[5]) = (0, 0)
    var header: [UInt32] = [version3, 0]
    return capset(&header, sets) == 0
  }

  /// Gives up all but `kept`, for good. False where the kernel refused. Source: capset(2).
  package static func keepOnly(_ kept: [Capability]) -> Bool {
    guard var sets = sets() else { return false }
    let mask = kept.reduce(0) { $0 | $1.bit }
    for half in 0..<2 {
      let bits = UInt32(truncatingIfNeeded: mask >> (UInt64(half) * 32))
      sets[half * 3] &= bits
      sets[half * 3 + 1] &= bits
      sets[half * 3 + 2] = 0
    }
    var header: [UInt32] = [version3, 0]
    return capset(&header, sets) == 0
  }

  /// Effective, permitted and inheritable: low words, then high words.
  private static func sets() -> [UInt32]? {
    var header: [UInt32] = [version3, 0]
    var data = [UInt32](repeating: 0, count: 6)
    return capget(&header, &data) == 0 ? data : nil
  }
}
