// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Lines over a connection (TCP, or a Unix socket), which is made again where it breaks.
///
/// What the other host's kernel has acknowledged may not have been read yet: a line counts as arrived when five seconds after
/// that the connection still stands, and what is younger is sent again over the next one. Where no connection lasts as long
/// as that, the time gets shorter from one to the next: else nothing would ever have arrived. Source: tcp(7), SIOCOUTQ.
final class StreamDestination: LineDestination {
  /// Bytes on their way, and lines.
  private static let windowBytes: Int64 = 256 * 1024
  private static let windowLines = 65_536
  private static let marksMax = 256
  private static let settleNanoseconds: Int64 = 5 * Monotonic.second
  /// How often the kernel is asked what was acknowledged.
  private static let askNanoseconds = Monotonic.second / 10
  /// Without an answer to what was sent the connection is given up.
  private static let silenceMilliseconds: Int32 = 60_000

  private enum Phase {
    case idle
    case connecting(SocketConnector)
    case open(Int32)
    /// All was sent and our end is closed; its end is awaited.
    case closing(Int32)
  }

  /// Lines up to this number end with this byte of the connection.
  private struct Mark {
    var number: UInt64
    var end: Int64
    var acknowledgedNanoseconds: Int64?
  }

  private let address: SocketAddress
  private let frame: (DeliveredLine) -> [UInt8]
  private var phase = Phase.idle
  private var buffer: [UInt8] = []
  private var head = 0
  /// Of this connection: bytes that were taken, sent, and acknowledged.
  private var takenBytes: Int64 = 0
  private var sentBytes: Int64 = 0
  private var acknowledgedBytes: Int64 = 0
  private var askedNanoseconds: Int64 = 0
  private var marks: [Mark] = []
  /// As long as a connection is to stand after an acknowledgement.
  private var settleNanoseconds = StreamDestination.settleNanoseconds
  /// Where we were when this connection was made, and whether anything was acknowledged over it.
  private var deliveredBefore: UInt64 = 0
  private var openedNanoseconds: Int64 = 0

  /// - Parameter frame: a line as it is sent.
  init(_ address: SocketAddress, frame: @escaping (DeliveredLine) -> [UInt8]) {
    self.address = address
    self.frame = frame
  }

  deinit {
    switch phase {
    case .open(let descriptor), .closing(let descriptor): Glibc.close(descriptor)
    case .idle, .connecting: break
    }
  }

  override var hasRoom: Bool {
    guard case .open = phase else { return false }
    return takenBytes - acknowledgedBytes < StreamDestination.windowBytes
      && pendingLines < StreamDestination.windowLines
  }

  override var isBusy: Bool {
    switch phase {
    case .open: delivered < taken
    case .closing: true
    case .idle, .connecting: false
    }
  }

  override var polls: [pollfd] {
    switch phase {
    case .idle: []
    case .connecting(let connector): connector.polls
    case .open(let descriptor):
      [pollfd(fd: descriptor, events: Int16(POLLIN | (head < buffer.count ? POLLOUT : 0)), revents: 0)]
    case .closing(let descriptor): [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    }
  }

  override var dueNanoseconds: Int64? {
    switch phase {
    case .idle: return retryNanoseconds
    case .connecting(let connector): return connector.dueNanoseconds
    case .closing: return nil
    case .open:
      let ask = acknowledgedBytes < sentBytes ? askedNanoseconds + StreamDestination.askNanoseconds : nil
      let settled = marks.first?.acknowledgedNanoseconds.map { $0 + settleNanoseconds }
      return [ask, settled].compactMap { $0 }.min()
    }
  }

  override func step(nowNanoseconds now: Int64) {
    switch phase {
    case .idle:
      guard now >= retryNanoseconds else { return }
      phase = .connecting(SocketConnector(address, SOCK_STREAM, nowNanoseconds: now))
      step(nowNanoseconds: now)
    case .connecting(let connector):
      switch connector.step(nowNanoseconds: now) {
      case .waiting: return
      case .failed(let failure): lose(failure, now)
      case .connected(let descriptor): begin(descriptor, now)
      }
    case .open(let descriptor):
      if let failure = StreamDestination.end(descriptor) { return lose(failure, now) }
      send(descriptor, now)
      ask(now)
    case .closing(let descriptor):
      guard let failure = StreamDestination.end(descriptor) else { return }
      // It has read to the end, and closed in its turn.
      if failure == .closed { arrived(through: taken) }
      lose(failure, now)
    }
  }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds now: Int64) -> Int {
    guard case .open(let descriptor) = phase else { return 0 }
    var count = 0
    for line in lines {
      guard hasRoom else { break }
      let bytes = frame(line)
      buffer += bytes
      takenBytes += Int64(bytes.count)
      took(line)
      count += 1
    }
    guard count > 0 else { return 0 }
    let mark = Mark(number: taken, end: takenBytes)
    if marks.count >= StreamDestination.marksMax, marks.last!.acknowledgedNanoseconds == nil {
      marks[marks.count - 1] = mark
    } else {
      marks.append(mark)
    }
    send(descriptor, now)
    return count
  }

  override func close(nowNanoseconds now: Int64) {
    guard case .open(let descriptor) = phase, head == buffer.count, delivered < taken else { return }
    shutdown(descriptor, Int32(SHUT_WR))
    phase = .closing(descriptor)
  }

  private func begin(_ descriptor: Int32, _ now: Int64) {
    if case .network = address {
      for (level, name, value) in [
        (Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1)), (SOL_SOCKET, SO_KEEPALIVE, 1),
        (Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, StreamDestination.silenceMilliseconds),
      ] {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
      }
    }
    phase = .open(descriptor)
    (deliveredBefore, openedNanoseconds) = (delivered, now)
    succeed()
  }

  /// The connection is gone: what has not arrived goes over the next one.
  private func lose(_ failure: DestinationFailure, _ now: Int64) {
    switch phase {
    case .open(let descriptor), .closing(let descriptor):
      Glibc.close(descriptor)
      if delivered == deliveredBefore, acknowledgedBytes > 0 {
        settleNanoseconds /= 4
      } else if now - openedNanoseconds > StreamDestination.settleNanoseconds {
        settleNanoseconds = StreamDestination.settleNanoseconds
      }
    case .idle, .connecting: break
    }
    phase = .idle
    (buffer, head, marks) = ([], 0, [])
    (takenBytes, sentBytes, acknowledgedBytes) = (0, 0, 0)
    fail(failure, nowNanoseconds: now)
  }

  private func send(_ descriptor: Int32, _ now: Int64) {
    while head < buffer.count {
      let count = buffer.withUnsafeBytes { bytes in
        Glibc.send(descriptor, bytes.baseAddress! + head, bytes.count - head, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        if errno == EINTR { continue }
        if errno != EAGAIN { lose(errno == EPIPE ? .closed : .system("send", errno), now) }
        return
      }
      head += count
      sentBytes += Int64(count)
      askedNanoseconds = now
    }
    buffer.removeAll(keepingCapacity: buffer.count <= Int(StreamDestination.windowBytes))
    head = 0
  }

  /// What has been acknowledged, and what has been for long enough.
  private func ask(_ now: Int64) {
    guard case .open(let descriptor) = phase else { return }
    if acknowledgedBytes < sentBytes {
      askedNanoseconds = now
      var waiting: Int32 = 0
      guard ioctl(descriptor, UInt(TIOCOUTQ), &waiting) == 0 else { return }
      // A Unix socket counts memory and not bytes: it tells only that all was read.
      if case .network = address {
        acknowledgedBytes = max(acknowledgedBytes, sentBytes - Int64(waiting))
      } else if waiting == 0 {
        acknowledgedBytes = sentBytes
      }
    }
    for place in marks.indices where marks[place].end <= acknowledgedBytes {
      if marks[place].acknowledgedNanoseconds == nil { marks[place].acknowledgedNanoseconds = now }
    }
    while let mark = marks.first, let at = mark.acknowledgedNanoseconds,
      now >= at + settleNanoseconds
    {
      arrived(through: mark.number)
      marks.removeFirst()
    }
  }

  /// How the other end has ended; nil while it has not. What it says is not wanted.
  private static func end(_ descriptor: Int32) -> DestinationFailure? {
    var piece = [UInt8](repeating: 0, count: 4096)
    for _ in 0..<16 {
      let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
      if count == 0 { return .closed }
      if count < 0 { return errno == EAGAIN || errno == EINTR ? nil : .system("receive", errno) }
    }
    return nil
  }
}
