// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Has the kernel give memory back, on a thread of its own: it may take seconds, and who asks has to go on watching.
///
/// File: /proc/sys/vm/drop_caches; memory.reclaim of a control group (5.19). Source: proc_sys_vm(5).
package final class MemoryCleanup: Sendable {
  /// What came of it.
  package struct Ended: Hashable, Sendable {
    /// 0 where the kernel did it. EAGAIN of memory.reclaim: it found less than was asked for.
    package var errno: Int32
    package var nanoseconds: Int64
  }

  /// Readable once it has ended.
  package let descriptor: Int32

  /// Starts it.
  ///
  /// - Parameters:
  ///   - file: what is written to.
  ///   - text: what is written.
  ///   - syncsFirst: whether dirty pages are written out before: only clean ones can be dropped. Source: sync(2).
  /// - Throws: `HostError.system` of `thread` where the kernel gives no thread or pipe.
  package init(file: KernelName, text: String, syncsFirst: Bool) throws(HostError) {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, Int32(O_CLOEXEC)) == 0 else {
      throw .system(operation: .thread, path: file, errno: Glibc.errno)
    }
    descriptor = ends[0]
    let context = Unmanaged.passRetained(Work(file, text, syncsFirst, ends[1]))
    let status = clinux_start_thread(
      nil, 128 * 1024,
      { context in
        Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard status == 0 else {
      context.release()
      close(ends[1])
      throw .system(operation: .thread, path: file, errno: status)
    }
  }

  deinit { close(descriptor) }

  /// What came of it; nil while it goes on.
  package func ended() -> Ended? {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, 0) == 1 else { return nil }
    var ended = Ended(errno: 0, nanoseconds: 0)
    let count = withUnsafeMutableBytes(of: &ended) { bytes in
      SystemCall.retrying { read(descriptor, bytes.baseAddress!, bytes.count) }
    }
    if case .value(MemoryLayout<Ended>.size) = count { return ended }
    return Ended(errno: EIO, nanoseconds: 0)
  }

  private final class Work: Sendable {
    private let file: KernelName
    private let text: String
    private let syncsFirst: Bool
    private let result: Int32

    init(_ file: KernelName, _ text: String, _ syncsFirst: Bool, _ result: Int32) {
      (self.file, self.text, self.syncsFirst, self.result) = (file, text, syncsFirst, result)
    }

    func run() {
      let begin = SystemClock.monotonic
      if syncsFirst { sync() }
      var ended = Ended(errno: write(), nanoseconds: 0)
      ended.nanoseconds = SystemClock.monotonic - begin
      withUnsafeBytes(of: &ended) { bytes in _ = Glibc.write(result, bytes.baseAddress!, bytes.count) }
      close(result)
    }

    /// 0, or why it failed.
    private func write() -> Int32 {
      let opened = file.withPath { path in SystemCall.retrying { Int(open(path, O_WRONLY | O_CLOEXEC)) } }
      switch opened ?? .failure(ENOENT) {
      case .failure(let code): return code
      case .value(let descriptor):
        defer { close(Int32(descriptor)) }
        let bytes = Array(text.utf8)
        if case .failure(let code) = SystemCall.retrying({ Glibc.write(Int32(descriptor), bytes, bytes.count) }) {
          return code
        }
        return 0
      }
    }
  }
}
