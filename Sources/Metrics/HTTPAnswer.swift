// SPDX-License-Identifier: Apache-2.0

/// What a request is answered with.
///
/// Source: RFC 9110, 9 and 15.
enum HTTPAnswer: Hashable, Sendable {
  /// The page; only its head where `hasBody` is false.
  case page(ExpositionFormat, hasBody: Bool)
  case error(Int, hasBody: Bool)

  /// The path that is answered.
  static let path = "/metrics"
  /// Those that an answer of ours can have.
  static let statuses = [200, 400, 404, 405, 408, 431]

  init(_ request: HTTPRequest) {
    let isHead = request.method == "HEAD"
    guard request.method == "GET" || isHead else {
      self = .error(405, hasBody: true)
      return
    }
    guard request.path == HTTPAnswer.path else {
      self = .error(404, hasBody: !isHead)
      return
    }
    self = .page(ExpositionFormat(accept: request.accept), hasBody: !isHead)
  }

  var status: Int {
    switch self {
    case .page: 200
    case .error(let status, _): status
    }
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 431: "Request Header Fields Too Large"
    default: "Bad Request"
    }
  }

  /// Appends it whole.
  ///
  /// - Parameter body: the page; ignored of an error.
  func write(_ body: [UInt8], into bytes: inout [UInt8]) {
    let phrase = HTTPAnswer.reason(status)
    let errorText = "\(status) \(phrase)\n"
    let type: String
    let size: Int
    switch self {
    case .page(let format, _): (type, size) = (format.contentType, body.count)
    case .error: (type, size) = ("text/plain; charset=utf-8", errorText.utf8.count)
    }
    var head = "HTTP/1.1 \(status) \(phrase)\r\nContent-Type: \(type)\r\nContent-Length: \(size)\r\n"
    head += "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    if status == 405 { head += "Allow: GET, HEAD\r\n" }
    bytes += head.utf8
    bytes += [0x0d, 0x0a]
    switch self {
    case .page(_, hasBody: true): bytes += body
    case .error(_, hasBody: true): bytes += errorText.utf8
    case .page, .error: break
    }
  }
}
