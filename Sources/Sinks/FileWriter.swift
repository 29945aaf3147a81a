// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Appends lines to a file on a thread of its own, one at a time: a disk that hangs holds up that thread and nobody else.
///
/// The kernel has no way to write to a file without waiting. A thread that hangs in it ends when the disk answers, and our
/// process not before. Not for two threads. Source: pthread_create(3), sem_overview(7).
package final class FileWriter {
  package let path: String
  private let slot: LineSlot

  /// Starts the thread, which opens the file first; `ended()` tells what came of that too.
  ///
  /// - Throws: errno, where the kernel gives no thread or pipe.
  package init(path: String) throws(FileWriterError) {
    self.path = path
    slot = try LineSlot(path)
    let status = slot.start()
    guard status == 0 else { throw FileWriterError(errno: status) }
  }

  deinit { slot.abandon() }

  /// Readable when what was begun has ended.
  package var descriptor: Int32 { slot.ends.read }

  /// Writes a line, `\n` included. Nothing else may be under way.
  package func begin(_ line: [UInt8]) { slot.fill(line) }

  /// 0 where it was done, else errno; nil while it goes on.
  ///
  /// - Parameter timeoutMilliseconds: how long to wait for it.
  package func ended(timeoutMilliseconds: Int32 = 0) -> Int32? {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, timeoutMilliseconds) == 1 else { return nil }
    var number: Int32 = 0
    let count = withUnsafeMutableBytes(of: &number) { read(descriptor, $0.baseAddress, $0.count) }
    return count == MemoryLayout<Int32>.size ? number : EIO
  }
}

/// Why there is no thread.
package struct FileWriterError: Error {
  package let errno: Int32

  package init(errno: Int32) { self.errno = errno }
}

/// What both threads hold. The line is of one of them at a time: the semaphore and the pipe say whose.
private final class LineSlot: @unchecked Sendable {
  let ends: (read: Int32, write: Int32)
  private let path: String
  private let filled = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private var line: [UInt8] = []
  private var isAbandoned = false

  init(_ path: String) throws(FileWriterError) {
    self.path = path
    var ends: [Int32] = [-1, -1]
    let status = pipe(&ends)
    self.ends = (ends[0], ends[1])
    for end in ends where end >= 0 { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    sem_init(filled, 0, 0)
    guard status == 0 else { throw FileWriterError(errno: Glibc.errno) }
  }

  deinit {
    sem_destroy(filled)
    filled.deallocate()
    for end in [ends.read, ends.write] where end >= 0 { close(end) }
  }

  /// 0, or why there is no thread.
  func start() -> Int32 {
    let context = Unmanaged.passRetained(self)
    let status = clinux_start_thread(
      nil, 128 * 1024,
      { context in
        Unmanaged<LineSlot>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    if status != 0 { context.release() }
    return status
  }

  func fill(_ line: [UInt8]) {
    self.line = line
    sem_post(filled)
  }

  /// No line comes any more: the thread ends when it has done what it is at.
  func abandon() {
    isAbandoned = true
    sem_post(filled)
  }

  private func run() {
    let sink = FileSink(path: path)
    tell(sink.isOpen ? 0 : sink.failure ?? EIO)
    while true {
      while sem_wait(filled) != 0 {}
      guard !isAbandoned else { return }
      tell(sink.write(line) ? 0 : sink.failure ?? EIO)
    }
  }

  private func tell(_ number: Int32) {
    withUnsafeBytes(of: number) { _ = write(ends.write, $0.baseAddress, $0.count) }
  }
}
