// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// A descriptor that the kernel wakes when tasks stand still for memory longer than agreed, closed at the end of its life.
///
/// It tells when to refresh what we hold of the biggest processes: before the kill, not after it.
/// Kernel: kernel/sched/psi.c, psi_trigger_create(); Documentation/accounting/psi.rst.
package struct PressureTrigger: ~Copyable {
  /// Whose standing still counts: of some task, or of all at once.
  package enum Kind: String, Sendable { case some, full }

  /// What a poll of the descriptor said.
  package enum Signal: Hashable, Sendable {
    /// More stall than agreed within one window.
    case stalled
    /// POLLERR: the kernel took the trigger away (its cgroup is gone, or it is replaced); this one never wakes again.
    case withdrawn
    /// Nothing of it: the time went by, or a signal came.
    case quiet
  }

  /// For the loop's own poll(2), with POLLPRI.
  package let descriptor: Int32
  private let path: KernelName

  /// Asks the kernel for a trigger. Refusal is an error: EINVAL for the numbers, EPERM or EACCES without the right.
  ///
  /// Without CAP_SYS_RESOURCE the window must be whole multiples of 2 seconds, where that is allowed at all (6.5).
  /// File: /proc/pressure/memory, or memory.pressure of a control group.
  package init(
    path: String = "/proc/pressure/memory", kind: Kind = .some, stallMicroseconds: UInt32 = 150_000,
    windowMicroseconds: UInt32 = 2_000_000
  ) throws(HostError) {
    let name = KernelName(path)
    let opened = name.withPath { path in SystemCall.retrying { Int(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) } }
    let descriptor: Int32
    switch opened ?? .failure(ENOENT) {
    case .value(let value): descriptor = Int32(value)
    case .failure(let code): throw .system(operation: .open, path: name, errno: code)
    }
    let wish = Array("\(kind.rawValue) \(stallMicroseconds) \(windowMicroseconds)\0".utf8)
    let written = wish.withUnsafeBytes { wish in
      SystemCall.retrying { write(descriptor, wish.baseAddress!, wish.count) }
    }
    if case .failure(let code) = written {
      close(descriptor)
      throw .system(operation: .write, path: name, errno: code)
    }
    self.descriptor = descriptor
    self.path = name
  }

  deinit { close(descriptor) }

  /// What the events of a poll(2) on the descriptor mean.
  ///
  /// Source: poll(2), revents.
  package static func signal(pollEvents: Int16) -> Signal {
    if pollEvents & Int16(POLLERR | POLLNVAL) != 0 { return .withdrawn }
    return pollEvents & Int16(POLLPRI) != 0 ? .stalled : .quiet
  }

  /// Waits for the kernel; -1 is without end.
  ///
  /// Source: poll(2).
  package func wait(timeoutMilliseconds: Int32) throws(HostError) -> Signal {
    var request = pollfd(fd: descriptor, events: Int16(POLLPRI), revents: 0)
    if poll(&request, 1, timeoutMilliseconds) < 0 {
      let code = errno
      if code == EINTR { return .quiet }
      throw .system(operation: .poll, path: path, errno: code)
    }
    return PressureTrigger.signal(pollEvents: request.revents)
  }
}
