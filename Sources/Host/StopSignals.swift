// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// SIGINT and SIGTERM as a descriptor to poll; SIGPIPE ignored, so that a gone reader is an errno.
///
/// Source: signalfd(2).
package struct StopSignals: ~Copyable {
  /// Readable when the process is asked to end; -1 where the kernel gave none.
  package let descriptor: Int32

  package init() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    sigprocmask(SIG_BLOCK, &signals, nil)
    signal(SIGPIPE, SIG_IGN)
    descriptor = signalfd(-1, &signals, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
