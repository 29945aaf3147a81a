// SPDX-License-Identifier: Apache-2.0
import Glibc

@testable import Metrics

/// What scrapers ask, and those who are none.
///
/// A request is the same in whatever pieces it comes; only GET and HEAD of /metrics get the page; each answer is whole,
/// is one of ours, and says its own length; and nobody makes us keep more than a head.
enum RequestFuzz {
  private static let page = Array("page\n".utf8)

  static func take(_ input: [UInt8]) throws(FuzzFault) {
    let whole = HTTPRequest.read(input)
    var place = 0
    while place < input.count {
      place = min(input.count, place + 1 + place / 8)
      let reading = HTTPRequest.read(Array(input.prefix(place)))
      if case .incomplete = reading {
        try hold(place < HTTPRequest.bytesMax, "more than a head is awaited")
        continue
      }
      try hold(reading == whole, "what is asked depends on what comes behind it")
    }
    if case .request(let request) = whole { try holdRequest(request, input) }
    try holdConversation(input, whole)
  }

  private static func holdRequest(_ request: HTTPRequest, _ input: [UInt8]) throws(FuzzFault) {
    try hold(input.starts(with: Array("\(request.method) \(request.path)".utf8)), "a request that nobody made")
    let answer = HTTPAnswer(request)
    let isAsked = ["GET", "HEAD"].contains(request.method) && request.path == "/metrics"
    try hold((answer.status == 200) == isAsked, "the page for a \(request.method) of \(request.path)")
    try hold(HTTPAnswer.statuses.contains(answer.status), "an answer that is not counted")
  }

  /// A connection, with pieces of the input as long as the input says.
  private static func holdConversation(_ input: [UInt8], _ reading: HTTPRequest.Reading) throws(FuzzFault) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { fatalError("no socket can be made") }
    defer { for descriptor in ends { close(descriptor) } }
    var connection = MetricConnection(descriptor: ends[0], now: 0)
    var asked: [HTTPRequest.Reading] = []
    let step = 1 + input.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xfff }
    var place = 0
    while place < input.count, case .reading = connection.state {
      let count = min(step, input.count - place)
      _ = input[place..<place + count].withUnsafeBytes { send(ends[1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      place += count
      connection.go { reading, bytes in
        asked.append(reading)
        answer(reading).write(page, into: &bytes)
      }
    }
    guard case .incomplete = reading else {
      try hold(asked == [reading], "a connection hears otherwise than it was told")
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = max(0, recv(ends[1], &bytes, bytes.count, 0))
      return try holdAnswer(bytes[..<count], answer(reading))
    }
    try hold(asked.isEmpty, "an answer to half of a request")
    connection.expire(MetricConnection.patienceNanoseconds) {
      HTTPAnswer.error(408, hasBody: true).write([], into: &$0)
    }
    try hold(connection.state == .ended, "a connection that does not end")
  }

  private static func answer(_ reading: HTTPRequest.Reading) -> HTTPAnswer {
    switch reading {
    case .request(let request): HTTPAnswer(request)
    case .refused(let status): .error(status, hasBody: true)
    case .incomplete: .error(408, hasBody: true)
    }
  }

  private static func holdAnswer(_ bytes: ArraySlice<UInt8>, _ answer: HTTPAnswer) throws(FuzzFault) {
    let text = String(decoding: bytes, as: UTF8.self)
    try hold(text.hasPrefix("HTTP/1.1 \(answer.status) "), "an answer of another status")
    let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
    try hold(parts.count == 2 && !text.contains("\0"), "a head without its end")
    let lengths = parts[0].split(separator: "\r\n").compactMap { line in
      line.hasPrefix("Content-Length: ") ? Int(line.dropFirst(16)) : nil
    }
    let hasBody =
      switch answer {
      case .page(_, let hasBody), .error(_, let hasBody): hasBody
      }
    try hold(lengths.count == 1 && parts.count == 2, "an answer without its length")
    try hold(hasBody ? lengths[0] == parts[1].utf8.count : parts[1].isEmpty, "an answer of another length")
  }
}
