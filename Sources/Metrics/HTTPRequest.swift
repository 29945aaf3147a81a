// SPDX-License-Identifier: Apache-2.0

/// The head of one request, as far as a page of metrics needs it.
///
/// Source: RFC 9112, 2 to 5. A body is never read: nothing that is answered with more than an error has one.
struct HTTPRequest: Hashable, Sendable {
  /// What the bytes so far are.
  enum Reading: Hashable, Sendable {
    case incomplete
    case request(HTTPRequest)
    /// The status of the answer: 400 or 431.
    case refused(Int)
  }

  /// Of the whole head.
  static let bytesMax = 8192

  var method: String
  /// Without what follows a `?`.
  var path: String
  /// All that Accept says, joined by commas.
  var accept = ""

  /// Looks at all bytes that have come.
  static func read(_ bytes: [UInt8]) -> Reading {
    // What is no HTTP is known by its first byte: TLS begins with 0x16.
    if let first = bytes.first, !(0x41...0x5a).contains(first) { return .refused(400) }
    guard let end = headEnd(bytes) else {
      return bytes.count >= bytesMax ? .refused(431) : .incomplete
    }
    guard end <= bytesMax else { return .refused(431) }
    var lines = bytes[..<end].split(separator: 0x0a, omittingEmptySubsequences: false).map(withoutReturn)
    while lines.last?.isEmpty ?? false { lines.removeLast() }
    guard let first = lines.first, let (request, isOld) = requestLine(first) else { return .refused(400) }
    var result = request
    var hosts = 0
    for line in lines.dropFirst() {
      guard let (name, value) = header(line) else { return .refused(400) }
      if name == "host" { hosts += 1 }
      if name == "accept" { result.accept += (result.accept.isEmpty ? "" : ",") + value }
    }
    return hosts == 1 || (isOld && hosts == 0) ? .request(result) : .refused(400)
  }

  /// Behind the empty line.
  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    var place = bytes.startIndex
    while let feed = bytes[place...].firstIndex(of: 0x0a) {
      let rest = bytes[(feed + 1)...]
      if rest.first == 0x0a { return feed + 2 }
      if rest.starts(with: [0x0d, 0x0a]) { return feed + 3 }
      place = feed + 1
    }
    return nil
  }

  private static func withoutReturn(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    line.last == 0x0d ? line.dropLast() : line
  }

  /// `GET /metrics?x HTTP/1.1`; with whether it is of HTTP/1.0, which has no Host.
  private static func requestLine(_ line: ArraySlice<UInt8>) -> (HTTPRequest, Bool)? {
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].count <= 16, parts[0].allSatisfy({ (0x41...0x5a).contains($0) }),
      parts[1].allSatisfy({ (0x21...0x7e).contains($0) }), !parts[1].isEmpty
    else { return nil }
    let version = String(decoding: parts[2], as: UTF8.self)
    guard version == "HTTP/1.1" || version == "HTTP/1.0" else { return nil }
    let path = parts[1].prefix { $0 != 0x3f }
    let request = HTTPRequest(
      method: String(decoding: parts[0], as: UTF8.self), path: String(decoding: path, as: UTF8.self))
    return (request, version == "HTTP/1.0")
  }

  /// A name in small letters, and its value without the blanks around it; nil where it is no header.
  private static func header(_ line: ArraySlice<UInt8>) -> (String, String)? {
    guard let colon = line.firstIndex(of: 0x3a), colon > line.startIndex else { return nil }
    let name = line[..<colon]
    guard name.allSatisfy({ isTokenByte($0) }) else { return nil }
    var value = line[(colon + 1)...]
    guard value.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7f) }) else { return nil }
    while let byte = value.first, byte == 0x20 || byte == 0x09 { value = value.dropFirst() }
    while let byte = value.last, byte == 0x20 || byte == 0x09 { value = value.dropLast() }
    let small = name.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    return (String(decoding: small, as: UTF8.self), String(decoding: value, as: UTF8.self))
  }

  /// Source: RFC 9110, 5.6.2, tchar.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
