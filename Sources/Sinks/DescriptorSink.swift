// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Writes lines to a descriptor that may be slow: a pipe, a terminal, a file.
///
/// The descriptor stays in blocking mode, since it is shared with others; each write waits for poll(2) to promise room
/// and is no larger than PIPE_BUF, which a pipe with room takes whole. What does not fit waits in a bounded queue, and
/// what does not fit there is dropped and counted. Source: pipe(7), PIPE_BUF.
package final class DescriptorSink: Sink {
  /// Bytes that wait at most.
  package static let queueBytesMax = 8 * 1024 * 1024
  private static let atomicBytes = 4096

  package let descriptor: Int32
  package private(set) var linesDropped: Int64 = 0
  /// The reader has gone: nothing can be said any more.
  package private(set) var isClosed = false
  /// Why, where it was not the reader that has gone: a disk that is full, or no such descriptor.
  package private(set) var failure: Int32?
  private var queue: [UInt8] = []
  private var head = 0

  private let queueBytesMax: Int

  package init(descriptor: Int32 = STDOUT_FILENO, queueBytesMax: Int = DescriptorSink.queueBytesMax) {
    self.descriptor = descriptor
    self.queueBytesMax = queueBytesMax
    queue.reserveCapacity(256 * 1024)
  }

  /// Whether lines wait for room.
  package var isWaiting: Bool { head < queue.count }

  package func write(_ line: [UInt8]) -> Bool {
    guard queue.count - head + line.count <= queueBytesMax else {
      flush()
      guard queue.count - head + line.count <= queueBytesMax else {
        linesDropped += 1
        return false
      }
      return enqueue(line)
    }
    return enqueue(line)
  }

  private func enqueue(_ line: [UInt8]) -> Bool {
    queue += line
    flush()
    return true
  }

  /// Writes as much as there is room for now.
  package func flush() {
    while isWaiting, !isClosed {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&waiting, 1, 0) == 1 else { break }
      if waiting.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 {
        isClosed = true
        if waiting.revents & Int16(POLLNVAL) != 0 { failure = EBADF }
        break
      }
      let count = queue.withUnsafeBytes { bytes in
        Glibc.write(descriptor, bytes.baseAddress! + head, min(bytes.count - head, DescriptorSink.atomicBytes))
      }
      if count < 0 {
        let code = errno
        if code == EINTR { continue }
        if code != EAGAIN {
          isClosed = true
          if code != EPIPE { failure = code }
        }
        break
      }
      head += count
    }
    if head == queue.count {
      queue.removeAll(keepingCapacity: queue.capacity <= 1024 * 1024)
      head = 0
    } else if head > 1024 * 1024 {
      queue.removeFirst(head)
      head = 0
    }
  }

  /// Gives a slow reader a last chance at the end.
  package func drain(timeoutMilliseconds: Int32) {
    var rounds = timeoutMilliseconds / 10
    flush()
    while isWaiting, !isClosed, rounds > 0 {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      _ = poll(&waiting, 1, 10)
      flush()
      rounds -= 1
    }
  }
}
