// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads /dev/kmsg, one record at a time, and never waits: poll(2) on `descriptor` tells when there is more.
///
/// Kernel: Documentation/ABI/testing/dev-kmsg.
package struct KmsgReader: ~Copyable {
  /// Where reading begins.
  package enum Start: Sendable {
    /// With the oldest record that the kernel still holds.
    case oldest
    /// With the next record that is printed.
    case next
  }

  /// What one step found.
  package enum Step: Hashable, Sendable {
    case record(KmsgRecord)
    /// Records were overwritten before they were read: how many, or nil where none was read before.
    case overwritten(records: UInt64?)
    /// Bytes that are no record.
    case unreadable([UInt8])
    /// No record is there now.
    case empty
  }

  /// Bytes of the largest record with its escapes. Kernel: kernel/printk/internal.h, PRINTK_MESSAGE_MAX (8192 before 6.5).
  static let recordBytesMax = 16 * 1024

  /// For poll(2), POLLIN; the reader closes it.
  package let descriptor: Int32
  private let path: String
  private var ledger = KmsgLedger()
  private var buffer = [UInt8](repeating: 0, count: KmsgReader.recordBytesMax)

  /// Opens the log.
  ///
  /// File: /dev/kmsg.
  package init(path: String = "/dev/kmsg", from start: Start = .next) throws(KernelLogError) {
    descriptor = try KmsgReader.opened(path, start)
    self.path = path
  }

  private static func opened(_ path: String, _ start: Start) throws(KernelLogError) -> Int32 {
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw .openFailed(path: path, errno: errno) }
    guard lseek(descriptor, 0, start == .next ? SEEK_END : SEEK_SET) >= 0 else {
      let code = errno
      close(descriptor)
      throw .seekFailed(path: path, errno: code)
    }
    return descriptor
  }

  deinit { close(descriptor) }

  /// The next record, or why there is none.
  ///
  /// Kernel: kernel/printk/printk.c, devkmsg_read(): EPIPE where records were overwritten, EAGAIN where none is there.
  package mutating func next() throws(KernelLogError) -> Step {
    while true {
      if let held = ledger.takeHeld() { return held }
      let count = read(descriptor, &buffer, buffer.count)
      let code = errno
      if count > 0 { return ledger.step(forRecord: buffer[..<count]) }
      switch code {
      case _ where count == 0: return .empty
      case EAGAIN: return .empty
      case EINTR: continue
      case EPIPE: ledger.overwritten()
      default: throw .readFailed(path: path, errno: code)
      }
    }
  }
}

/// Counts what was overwritten: the kernel says only that something was, the next record's number says how much.
///
/// Kernel: kernel/printk/printk.c, devkmsg_read().
struct KmsgLedger {
  private var lastSequence: UInt64?
  private var isAfterLoss = false
  private var held: KmsgReader.Step?

  mutating func takeHeld() -> KmsgReader.Step? {
    defer { held = nil }
    return held
  }

  mutating func overwritten() { isAfterLoss = true }

  /// The record, or the loss before it; the record then waits for `takeHeld()`.
  mutating func step(forRecord bytes: ArraySlice<UInt8>) -> KmsgReader.Step {
    guard let record = KmsgRecord(bytes) else { return .unreadable(Array(bytes)) }
    let expected = lastSequence.map { $0 &+ 1 }
    lastSequence = record.sequence
    let isHole = expected.map { record.sequence > $0 } ?? false
    guard isAfterLoss || isHole else { return .record(record) }
    isAfterLoss = false
    held = .record(record)
    return .overwritten(records: expected.map { record.sequence > $0 ? record.sequence - $0 : 0 })
  }
}
