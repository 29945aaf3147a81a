// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// One datagram a line, to a Unix socket or by UDP.
///
/// Nobody acknowledges a datagram: a line counts as arrived when a second later no refusal has come, and what is younger is
/// sent again after one. Source: udp(7), unix(7).
final class DatagramDestination: LineDestination {
  private static let settleNanoseconds = Monotonic.second
  private static let windowLines = 16_384
  /// Where the socket is full and does not say when it is not.
  private static let roomNanoseconds = Monotonic.second / 20

  private enum Phase {
    case idle
    case connecting(SocketConnector)
    case open(Int32)
  }

  /// A line as it is sent, and how small it is to be where it must be smaller.
  enum Size { case whole, short }

  private let address: SocketAddress
  private let takesDescriptors: Bool
  private let encode: (DeliveredLine, Size) -> [UInt8]
  private var phase = Phase.idle
  private var sent: [(number: UInt64, atNanoseconds: Int64)] = []
  /// After a refusal one line at a time, until one has settled.
  private var isProbing = false
  private var fullUntilNanoseconds: Int64?

  /// - Parameter takesDescriptors: what is too large for a datagram goes as the descriptor of a sealed file, as journald
  ///   takes it.
  init(
    _ address: SocketAddress, takesDescriptors: Bool = false, encode: @escaping (DeliveredLine, Size) -> [UInt8]
  ) {
    self.address = address
    self.takesDescriptors = takesDescriptors
    self.encode = encode
  }

  deinit { if case .open(let descriptor) = phase { Glibc.close(descriptor) } }

  override var hasRoom: Bool {
    guard case .open = phase, fullUntilNanoseconds == nil else { return false }
    return pendingLines < (isProbing ? 1 : DatagramDestination.windowLines)
  }

  override var polls: [pollfd] {
    switch phase {
    case .idle: []
    case .connecting(let connector): connector.polls
    case .open(let descriptor):
      [pollfd(fd: descriptor, events: Int16(isUnix && fullUntilNanoseconds != nil ? POLLOUT : 0), revents: 0)]
    }
  }

  override var dueNanoseconds: Int64? {
    switch phase {
    case .idle: retryNanoseconds
    case .connecting(let connector): connector.dueNanoseconds
    case .open:
      [fullUntilNanoseconds, sent.first.map { $0.atNanoseconds + DatagramDestination.settleNanoseconds }]
        .compactMap { $0 }.min()
    }
  }

  override func step(nowNanoseconds now: Int64) {
    switch phase {
    case .idle:
      guard now >= retryNanoseconds else { return }
      phase = .connecting(SocketConnector(address, SOCK_DGRAM, nowNanoseconds: now))
      step(nowNanoseconds: now)
    case .connecting(let connector):
      switch connector.step(nowNanoseconds: now) {
      case .waiting: return
      case .failed(let failure): lose(failure, now)
      case .connected(let descriptor):
        phase = .open(descriptor)
        succeed()
      }
    case .open(let descriptor):
      var number: Int32 = 0
      var length = socklen_t(MemoryLayout<Int32>.size)
      // The refusal of an earlier datagram.
      if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length) == 0, number != 0 {
        return lose(.system("send", number), now)
      }
      if isUnix || now >= fullUntilNanoseconds ?? 0 { fullUntilNanoseconds = nil }
      while let first = sent.first, now >= first.atNanoseconds + DatagramDestination.settleNanoseconds {
        arrived(through: first.number)
        sent.removeFirst()
        isProbing = false
      }
    }
  }

  override func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds now: Int64) -> Int {
    var count = 0
    while count < lines.count, hasRoom, case .open(let descriptor) = phase {
      let line = lines[lines.startIndex + count]
      switch send(line, descriptor) {
      case 0: took(line)
      case EMSGSIZE: refused(line, .tooLong(line.bytes.count))
      case EAGAIN, ENOBUFS: fullUntilNanoseconds = now + DatagramDestination.roomNanoseconds
      case let number:
        lose(.system("send", number), now)
        return 0
      }
      if fullUntilNanoseconds == nil { count += 1 }
    }
    // Lines of a tenth of the time settle together.
    if let last = sent.last, now < last.atNanoseconds + DatagramDestination.settleNanoseconds / 10 {
      sent[sent.count - 1].number = taken
    } else if count > 0 {
      sent.append((taken, now))
    }
    return count
  }

  /// Only of these the kernel says when the receiver has room.
  private var isUnix: Bool {
    if case .unix = address { return true }
    return false
  }

  private func lose(_ failure: DestinationFailure, _ now: Int64) {
    if case .open(let descriptor) = phase { Glibc.close(descriptor) }
    phase = .idle
    sent = []
    fullUntilNanoseconds = nil
    isProbing = true
    fail(failure, nowNanoseconds: now)
  }

  /// 0, or errno.
  private func send(_ line: DeliveredLine, _ descriptor: Int32) -> Int32 {
    let whole = encode(line, .whole)
    var number = DatagramDestination.send(whole, descriptor)
    if number == EMSGSIZE, takesDescriptors { number = DatagramDestination.sendAsFile(whole, descriptor) }
    if number == EMSGSIZE { number = DatagramDestination.send(encode(line, .short), descriptor) }
    return number
  }

  private static func send(_ bytes: [UInt8], _ descriptor: Int32) -> Int32 {
    let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    while true {
      if Glibc.send(descriptor, bytes, bytes.count, flags) >= 0 { return 0 }
      if errno != EINTR { return errno }
    }
  }

  /// Source: memfd_create(2), unix(7), SCM_RIGHTS; systemd, "Native Journal Protocol": the file is to be sealed.
  private static func sendAsFile(_ bytes: [UInt8], _ descriptor: Int32) -> Int32 {
    let (closeOnExec, allowSealing): (UInt32, UInt32) = (1, 2)
    let file = clinux_memfd_create("oomwitness", closeOnExec | allowSealing)
    guard file >= 0 else { return EMSGSIZE }
    defer { Glibc.close(file) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return EMSGSIZE }
      written += count
    }
    // F_ADD_SEALS: no more seals, no other size, no other bytes.
    let (addSeals, seals): (Int32, Int32) = (1033, 0xf)
    guard fcntl(file, addSeals, seals) == 0 else { return EMSGSIZE }
    // struct cmsghdr and one descriptor, padded. Source: cmsg(3).
    var control = [Int64](repeating: 0, count: 3)
    control[0] = 20
    control[1] = Int64(SOL_SOCKET) | Int64(SCM_RIGHTS) << 32
    control[2] = Int64(file)
    return control.withUnsafeMutableBytes { control in
      var message = msghdr()
      message.msg_control = control.baseAddress
      message.msg_controllen = control.count
      return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) >= 0 ? 0 : errno
    }
  }
}
