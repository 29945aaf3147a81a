// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Appends lines to a file, each with one write, and begins a new one where the file was moved away (logrotate).
///
/// It is opened without waiting, so that a FIFO which nobody reads is an error and not a stop. Source: open(2), write(2).
package final class FileSink: Sink {
  package let path: String
  package private(set) var linesDropped: Int64 = 0
  /// errno of the last line that was dropped.
  package private(set) var failure: Int32?
  private var descriptor: Int32 = -1
  /// The disk was full in the middle of a line: the next one is not to go on in it.
  private var isTorn = false

  package init(path: String) {
    self.path = path
    _ = open()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether it could be opened; else `failure` says why.
  package var isOpen: Bool { descriptor >= 0 }

  package func write(_ line: [UInt8]) -> Bool {
    if isMoved, !open() { return drop() }
    let whole = isTorn ? [0x0a] + line : line
    var rest = whole[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        failure = errno
        isTorn = isTorn || rest.count < whole.count
        return drop()
      }
      rest = rest.dropFirst(count)
    }
    isTorn = false
    return true
  }

  private func drop() -> Bool {
    linesDropped += 1
    return false
  }

  /// Another file has the name by now, or none.
  private var isMoved: Bool {
    var (ours, named) = (stat(), stat())
    guard descriptor >= 0, fstat(descriptor, &ours) == 0, stat(path, &named) == 0 else { return true }
    return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev
  }

  private func open() -> Bool {
    if descriptor >= 0 { close(descriptor) }
    descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
    if descriptor < 0 { failure = errno }
    return descriptor >= 0
  }
}
