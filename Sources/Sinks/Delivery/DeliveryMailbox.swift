// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc
import Synchronization

/// What crosses between the threads: lines and requests in, losses and how things are out.
final class DeliveryMailbox: Sendable {
  enum Request: Sendable {
    case reopen
    case replace([DestinationSettings])
    case finish(milliseconds: Int)
  }

  /// Kinds of losses that are kept apart.
  private static let lossesMax = 256

  private struct Contents {
    var lines: [[UInt8]] = []
    var bytes = 0
    var requests: [Request] = []
    var losses: [DeliveryLoss] = []
    var status = DeliveryStatus()
    var linesTaken: Int64 = 0
    var linesRefused: Int64 = 0
    var isClosed = false
  }

  /// Readable when something has come. Source: eventfd(2).
  let descriptor: Int32
  private let bytesMax: Int
  private let contents = Mutex(Contents())

  init(bytesMax: Int) throws(SinkError) {
    self.bytesMax = bytesMax
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard descriptor >= 0 else {
      throw .system(operation: "make", path: KernelName("an eventfd"), errno: errno)
    }
  }

  deinit { Glibc.close(descriptor) }

  func put(_ line: [UInt8]) -> Bool {
    let (isTaken, isFirst) = contents.withLock { contents in
      guard !contents.isClosed, !line.isEmpty, line.count <= SpoolFrame.payloadBytesMax,
        contents.bytes + line.count <= bytesMax
      else {
        contents.linesRefused += 1
        return (false, false)
      }
      contents.lines.append(line)
      contents.bytes += line.count
      contents.linesTaken += 1
      return (true, contents.lines.count == 1)
    }
    if isFirst { wake() }
    return isTaken
  }

  func send(_ request: Request) {
    contents.withLock { $0.requests.append(request) }
    wake()
  }

  /// For the delivery's thread: all that has come.
  func take() -> (lines: [[UInt8]], requests: [Request]) {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    return contents.withLock { contents in
      defer {
        contents.lines = []
        contents.bytes = 0
        contents.requests = []
      }
      return (contents.lines, contents.requests)
    }
  }

  /// Nothing is taken any more.
  func close() { contents.withLock { $0.isClosed = true } }

  func lose(_ loss: DeliveryLoss) { contents.withLock { DeliveryMailbox.add(loss, to: &$0.losses) } }

  func takeLosses() -> [DeliveryLoss] {
    contents.withLock { contents in
      defer { contents.losses = [] }
      return contents.losses
    }
  }

  func tell(_ status: DeliveryStatus) { contents.withLock { $0.status = status } }

  func status() -> DeliveryStatus {
    contents.withLock { contents in
      var status = contents.status
      status.linesTaken = contents.linesTaken
      status.linesRefused = contents.linesRefused
      return status
    }
  }

  private func wake() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  /// Losses of one kind are one; of too many kinds the last takes the rest.
  private static func add(_ loss: DeliveryLoss, to losses: inout [DeliveryLoss]) {
    let same = losses.firstIndex { $0.destination == loss.destination && $0.reason == loss.reason }
    if let place = same ?? (losses.count >= lossesMax ? losses.count - 1 : nil) {
      losses[place].lines += loss.lines
    } else {
      losses.append(loss)
    }
  }
}
