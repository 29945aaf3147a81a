// SPDX-License-Identifier: Apache-2.0
import Glibc

/// One connection of a scraper: it asks once, is answered, and ends. Never waits.
struct MetricConnection {
  enum State: Hashable {
    case reading
    /// From this byte of the buffer on.
    case writing(Int)
    /// All was said; what still comes is thrown away, since a close before it would take our answer back from the other
    /// end. Source: RFC 9112, 9.6.
    case draining
    case ended
  }

  /// For the whole of a request, and again for the whole of an answer.
  static let patienceNanoseconds: Int64 = 5_000_000_000
  /// For the other end to have its answer.
  private static let drainNanoseconds: Int64 = 1_000_000_000
  private static let pieceBytes = 2048

  let descriptor: Int32
  let since: Int64
  private(set) var state = State.reading
  private(set) var deadline: Int64
  private var buffer: [UInt8] = []

  init(descriptor: Int32, now: Int64) {
    (self.descriptor, since) = (descriptor, now)
    deadline = now + MetricConnection.patienceNanoseconds
  }

  /// What poll(2) is to wait for.
  var wanted: Int16 {
    if case .writing = state { return Int16(POLLOUT) }
    return Int16(POLLIN)
  }

  /// Of an answer that the other end has not taken.
  var waitingBytes: Int {
    if case .writing(let place) = state { return buffer.count - place }
    return 0
  }

  /// Reads or writes as much as can be now.
  ///
  /// - Parameter answer: appends the answer to a request, or to what is none.
  mutating func go(answer: (HTTPRequest.Reading, inout [UInt8]) -> Void) {
    if case .reading = state { read(answer) }
    if case .writing = state { write() }
    if case .draining = state { drain() }
  }

  /// Its time is over: who has asked for nothing is told so.
  mutating func expire(_ now: Int64, answer: (inout [UInt8]) -> Void) {
    guard now >= deadline else { return }
    if case .reading = state, !buffer.isEmpty {
      begin(answer)
      write()
    }
    state = .ended
  }

  private mutating func read(_ answer: (HTTPRequest.Reading, inout [UInt8]) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: MetricConnection.pieceBytes, alignment: 1) { piece in
      while case .reading = state {
        let count = recv(descriptor, piece.baseAddress, piece.count, 0)
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN { return }
        guard count > 0 else {
          state = .ended
          return
        }
        buffer.append(contentsOf: piece.prefix(count))
        let reading = HTTPRequest.read(buffer)
        if case .incomplete = reading { continue }
        begin { answer(reading, &$0) }
      }
    }
  }

  private mutating func begin(_ answer: (inout [UInt8]) -> Void) {
    buffer.removeAll(keepingCapacity: true)
    answer(&buffer)
    // A page of many series takes its time, which is not the client's.
    deadline = MetricConnection.now + MetricConnection.patienceNanoseconds
    state = .writing(0)
  }

  private mutating func write() {
    while case .writing(let place) = state {
      let count = buffer.withUnsafeBytes { bytes in
        send(descriptor, bytes.baseAddress! + place, bytes.count - place, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return }
      guard count > 0 else {
        state = .ended
        return
      }
      state = .writing(place + count)
      if place + count == buffer.count {
        buffer = []
        shutdown(descriptor, Int32(SHUT_WR))
        deadline = MetricConnection.now + MetricConnection.drainNanoseconds
        state = .draining
      }
    }
  }

  private mutating func drain() {
    withUnsafeTemporaryAllocation(byteCount: MetricConnection.pieceBytes, alignment: 1) { piece in
      // So much at each turn: who sends without end has no more of us than his time.
      for _ in 0..<16 {
        let count = recv(descriptor, piece.baseAddress, piece.count, 0)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        if count == 0 || errno != EAGAIN { state = .ended }
        return
      }
    }
  }

  /// CLOCK_MONOTONIC.
  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
