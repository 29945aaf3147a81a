// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Wakes a thread that waits with poll(2), from any other.
///
/// Source: eventfd(2).
package final class WakeUp: Sendable {
  /// Readable once it was woken; -1 where the kernel gave none.
  package let descriptor: Int32

  package init() { descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package func wake() { eventfd_write(descriptor, 1) }

  /// It can be waited for again.
  package func clear() {
    var value: eventfd_t = 0
    eventfd_read(descriptor, &value)
  }
}
