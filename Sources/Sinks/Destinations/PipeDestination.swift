// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Lines on standard output, which may be slow, and is shared with others: it stays in blocking mode.
///
/// Each write waits for poll(2) to promise room and is no larger than PIPE_BUF, which a pipe with room takes whole.
/// Source: pipe(7), PIPE_BUF.
final class PipeDestination: LineDestination {
  private static let bufferBytes = 64 * 1024
  private static let atomicBytes = 4096

  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var head = 0

  init(descriptor: Int32 = STDOUT_FILENO) { self.descriptor = descriptor }

  override var hasRoom: Bool {
    if case .ended = state { return true }
    return buffer.isEmpty
  }

  override var polls: [pollfd] {
    if case .ended = state { return [] }
    // Without events it still says that the reader has gone.
    return [pollfd(fd: descriptor, events: buffer.isEmpty ? 0 : Int16(POLLOUT), revents: 0)]
  }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds now: Int64) -> Int {
    if case .ended(let failure) = state {
      for line in lines { refused(line, failure) }
      return lines.count
    }
    var count = 0
    for line in lines {
      guard buffer.isEmpty || buffer.count + line.bytes.count <= PipeDestination.bufferBytes else { break }
      buffer += line.bytes
      took(line)
      count += 1
    }
    step(nowNanoseconds: now)
    return count
  }

  override func step(nowNanoseconds: Int64) {
    if case .ended = state { return }
    while true {
      var waiting = pollfd(fd: descriptor, events: buffer.isEmpty ? 0 : Int16(POLLOUT), revents: 0)
      guard poll(&waiting, 1, 0) == 1 else { return }
      if waiting.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 {
        return finish(waiting.revents & Int16(POLLNVAL) != 0 ? .system("write", EBADF) : .closed)
      }
      guard !buffer.isEmpty else { return }
      let count = buffer.withUnsafeBytes { bytes in
        write(descriptor, bytes.baseAddress! + head, min(bytes.count - head, PipeDestination.atomicBytes))
      }
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EAGAIN { return }
        return finish(errno == EPIPE ? .closed : .system("write", errno))
      }
      head += count
      if head == buffer.count {
        buffer = []
        head = 0
        succeed()
        arrived(through: taken)
      }
    }
  }

  private func finish(_ failure: DestinationFailure) {
    buffer = []
    head = 0
    end(failure)
  }
}
