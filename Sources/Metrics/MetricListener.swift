// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Answers `GET /metrics` on a loopback address or a Unix socket, and nothing else.
///
/// One loop that never waits for a client: connections, their bytes and their time are bounded, and where there is no room
/// for another one, the one that has been there longest gives way, once it has had a moment to ask.
package final class MetricListener: Sendable {
  package static let connectionsMax = 16
  /// Of answers that were not taken yet, in all: a page with many series may be a megabyte.
  private static let waitingBytesMax = 4 << 20
  private static let backlog: Int32 = 128
  /// So often it goes round where nobody comes.
  private static let roundMilliseconds: Int64 = 30_000
  /// Before a connection may have to give way: whoever connects to ask has asked by then.
  private static let graceNanoseconds: Int64 = 250_000_000
  /// After the kernel had no descriptor for a connection.
  private static let pauseNanoseconds: Int64 = 1_000_000_000
  /// Of the room for a page, kept from one answer to the next; a larger one is given back.
  private static let keptBytes = 512 * 1024

  package let address: MetricAddress
  private let descriptor: Int32
  private let book: MetricBook
  private let readings: @Sendable () -> MetricReadings

  /// Binds the address.
  ///
  /// - Parameter readings: what the page has beside the book; called in the loop's thread.
  package init(
    _ address: MetricAddress, book: MetricBook, readings: @escaping @Sendable () -> MetricReadings
  ) throws(MetricError) {
    (self.address, self.book, self.readings) = (address, book, readings)
    descriptor = try MetricListener.bound(address)
  }

  deinit {
    close(descriptor)
    if case .unix(let path) = address { unlink(path) }
  }

  /// Serves until `stop` can be read.
  ///
  /// - Parameter beat: is called at each round.
  package func run(stop: Int32, beat: () -> Void) {
    var connections: [MetricConnection] = []
    connections.reserveCapacity(MetricListener.connectionsMax)
    var polls: [pollfd] = []
    polls.reserveCapacity(MetricListener.connectionsMax + 2)
    var room: [UInt8] = []
    var acceptsFrom: Int64 = 0
    defer { for connection in connections { close(connection.descriptor) } }
    while true {
      beat()
      let before = MetricConnection.now
      polls.removeAll(keepingCapacity: true)
      polls.append(pollfd(fd: stop, events: Int16(POLLIN), revents: 0))
      let acceptsNext = max(acceptsFrom, MetricListener.roomFrom(connections))
      polls.append(pollfd(fd: before >= acceptsNext ? descriptor : -1, events: Int16(POLLIN), revents: 0))
      for connection in connections {
        polls.append(pollfd(fd: connection.descriptor, events: connection.wanted, revents: 0))
      }
      let next = (connections.map(\.deadline) + (before < acceptsNext ? [acceptsNext] : [])).min()
      let pause = next.map { max(0, ($0 - before) / 1_000_000 + 1) } ?? MetricListener.roundMilliseconds
      poll(&polls, nfds_t(polls.count), Int32(clamping: min(pause, MetricListener.roundMilliseconds)))
      if polls[0].revents != 0 { return }
      let now = MetricConnection.now
      for place in connections.indices {
        if polls[place + 2].revents != 0 { connections[place].go { answer($0, &room, &$1) } }
        connections[place].expire(now) { refuse(408, &$0) }
      }
      MetricListener.forget(&connections)
      if polls[1].revents != 0, !accept(&connections, now, &room) {
        acceptsFrom = now + MetricListener.pauseNanoseconds
      }
      makeRoom(&connections)
      if room.capacity > MetricListener.keptBytes { room = [] }
    }
  }

  /// Takes those that wait, no more than there is room for in one turn; false where the kernel has no descriptor.
  private func accept(_ connections: inout [MetricConnection], _ now: Int64, _ room: inout [UInt8]) -> Bool {
    for _ in 0..<MetricListener.connectionsMax where now >= MetricListener.roomFrom(connections) {
      let taken = accept4(descriptor, nil, nil, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
      guard taken >= 0 else { return ![EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(errno) }
      if connections.count == MetricListener.connectionsMax {
        close(connections.removeFirst().descriptor)
        book.requests.withLock { $0.evicted += 1 }
      }
      var connection = MetricConnection(descriptor: taken, now: now)
      // Who connects mostly asks at once.
      connection.go { answer($0, &room, &$1) }
      connections.append(connection)
      MetricListener.forget(&connections)
    }
    return true
  }

  /// From when on another one can be taken.
  private static func roomFrom(_ connections: [MetricConnection]) -> Int64 {
    connections.count < connectionsMax ? 0 : connections[0].since + graceNanoseconds
  }

  /// Answers that nobody takes are given up, the oldest first.
  private func makeRoom(_ connections: inout [MetricConnection]) {
    var waiting = connections.reduce(0) { $0 + $1.waitingBytes }
    while waiting > MetricListener.waitingBytesMax, let place = connections.firstIndex(where: { $0.waitingBytes > 0 }) {
      waiting -= connections[place].waitingBytes
      close(connections.remove(at: place).descriptor)
      book.requests.withLock { $0.evicted += 1 }
    }
  }

  private static func forget(_ connections: inout [MetricConnection]) {
    for connection in connections where connection.state == .ended { close(connection.descriptor) }
    connections.removeAll { $0.state == .ended }
  }

  private func answer(_ reading: HTTPRequest.Reading, _ room: inout [UInt8], _ bytes: inout [UInt8]) {
    switch reading {
    case .incomplete: break
    case .refused(let status): refuse(status, &bytes)
    case .request(let request):
      let answer = HTTPAnswer(request)
      count(answer.status)
      if case .page(let format, _) = answer { book.write(format, readings(), into: &room) }
      answer.write(room, into: &bytes)
    }
  }

  private func refuse(_ status: Int, _ bytes: inout [UInt8]) {
    count(status)
    HTTPAnswer.error(status, hasBody: true).write([], into: &bytes)
  }

  private func count(_ status: Int) {
    guard let place = HTTPAnswer.statuses.firstIndex(of: status) else { return }
    book.requests.withLock { $0.answers[place] += 1 }
  }

  /// Source: bind(2), listen(2), ipv6(7).
  private static func bound(_ address: MetricAddress) throws(MetricError) -> Int32 {
    func failure(_ number: Int32) -> MetricError { .system(.listen, address.text, errno: number) }
    if case .unix(let path) = address { try removeLeftover(path) }
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let made = socket(address.family, type, 0)
    guard made >= 0 else { throw failure(errno) }
    var one: Int32 = 1
    if address.family != AF_UNIX { setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, 4) }
    if address.family == AF_INET6 { setsockopt(made, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, 4) }
    var status = address.withSocketAddress { bind(made, $0, $1) }
    // Nobody can connect before listen(2): the group may from then on, and nobody else.
    if status == 0, case .unix(let path) = address { status = chmod(path, 0o660) }
    guard status == 0, listen(made, backlog) == 0 else {
      let number = errno
      close(made)
      throw failure(number)
    }
    return made
  }

  /// What a daemon that was killed has left behind is removed; what somebody listens at, or is no socket, is not.
  private static func removeLeftover(_ path: String) throws(MetricError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { return }
    defer { close(probe) }
    let connected = MetricAddress.unix(path).withSocketAddress { connect(probe, $0, $1) }
    if connected != 0, errno == ECONNREFUSED { unlink(path) }
  }
}
