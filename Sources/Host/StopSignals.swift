// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// SIGINT and SIGTERM as a descriptor to poll; SIGPIPE ignored, so that a gone reader is an errno.
///
/// Source: signalfd(2).
package struct StopSignals: ~Copyable {
  /// Readable when the process is asked to end; -1 where the kernel gave none.
  package let descriptor: Int32

  /// - Parameter others: signals that come the same way; `next()` tells which came.
  package init(and others: [Int32] = []) {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] + others { sigaddset(&signals, number) }
    sigprocmask(SIG_BLOCK, &signals, nil)
    signal(SIGPIPE, SIG_IGN)
    descriptor = signalfd(-1, &signals, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
  }

  /// The number of a signal that came; nil where none waits.
  package func next() -> Int32? {
    var info = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    return read(descriptor, &info, size) == size ? Int32(info.ssi_signo) : nil
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
