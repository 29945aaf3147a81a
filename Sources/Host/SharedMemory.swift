// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Whether two processes use one memory (CLONE_VM without CLONE_THREAD), where BPF may not tell.
///
/// Source: kcmp(2).
package enum SharedMemory {
  /// KCMP_VM. Kernel: include/uapi/linux/kcmp.h.
  private static let memory: CInt = 1

  /// False too where the kernel will not tell: without CAP_SYS_PTRACE, or built without kcmp.
  package static func isShared(_ one: Int32, _ other: Int32) -> Bool {
    clinux_kcmp(one, other, memory) == 0
  }
}
