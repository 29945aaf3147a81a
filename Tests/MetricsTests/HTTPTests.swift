// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Metrics

/// What is asked, and by whom it may be.
@Suite struct HTTPTests {
  private static let get = HTTPRequest.Reading.request(HTTPRequest(method: "GET", path: "/metrics"))

  static let requests: [(String, HTTPRequest.Reading)] = [
    ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", get),
    ("GET /metrics HTTP/1.1\nHost: a\n\n", get),
    ("GET /metrics?name=x HTTP/1.1\r\nHost: a:1\r\n\r\nand more", get),
    ("GET /metrics HTTP/1.0\r\n\r\n", get),
    (
      "GET /metrics HTTP/1.1\r\nhost: a\r\nACCEPT: \t text/plain \r\nAccept: */*;q=0.1\r\n\r\n",
      .request(HTTPRequest(method: "GET", path: "/metrics", accept: "text/plain,*/*;q=0.1"))
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", .request(HTTPRequest(method: "POST", path: "/"))),
    (
      "GET http://a/metrics HTTP/1.1\r\nHost: a\r\n\r\n",
      .request(HTTPRequest(method: "GET", path: "http://a/metrics"))
    ),
    ("", .incomplete), ("G", .incomplete), ("GET /metrics HTTP/1.1\r\nHost: a\r\n", .incomplete),
    ("GET /metrics HTTP/1.1\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/2\r\nHost: a\r\n\r\n", .refused(400)),
    ("GET /metrics\r\n\r\n", .refused(400)),
    ("GET  /metrics HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ("GET /me trics HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ("GET /metrics\u{0} HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ("GET /métrics HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ("get /metrics HTTP/1.1\r\n", .refused(400)),
    ("\u{16}\u{3}\u{1}", .refused(400)),
    ("\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nX: a\u{7}b\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 9000) + "\r\n\r\n", .refused(431)),
    ("GET /" + String(repeating: "x", count: 8200), .refused(431)),
    (String(repeating: "A", count: 8191), .incomplete),
    ("VERYLONGMETHODNAME / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
  ]

  @Test("a request is what it is, or refused", arguments: requests)
  func reading(text: String, wanted: HTTPRequest.Reading) {
    #expect(HTTPRequest.read(Array(text.utf8)) == wanted)
  }

  @Test("no bytes make it stop: each prefix of each request, and bytes by chance")
  func junk() {
    for (text, _) in HTTPTests.requests {
      let bytes = Array(text.utf8)
      for count in stride(from: 0, through: bytes.count, by: max(1, bytes.count / 200)) {
        _ = HTTPRequest.read(Array(bytes[..<count]))
      }
    }
    var chance = SystemRandomNumberGenerator()
    for _ in 0..<5000 {
      let bytes = (0..<Int.random(in: 0...200, using: &chance)).map { _ in UInt8.random(in: 0...255, using: &chance) }
      if case .request = HTTPRequest.read(Array("GET ".utf8) + bytes) { Issue.record("\(bytes) is a request") }
    }
  }

  @Test("GET and HEAD of /metrics are answered, all else is an error that says which")
  func answers() {
    func status(_ method: String, _ path: String) -> HTTPAnswer {
      HTTPAnswer(HTTPRequest(method: method, path: path))
    }
    #expect(status("GET", "/metrics") == .page(.text, hasBody: true))
    #expect(status("HEAD", "/metrics") == .page(.text, hasBody: false))
    #expect(status("POST", "/metrics") == .error(405, hasBody: true))
    #expect(status("OPTIONS", "*") == .error(405, hasBody: true))
    for path in ["/", "/metrics/", "/METRICS", "/../metrics", "//metrics", "/%6detrics", "http://a/metrics"] {
      #expect(status("GET", path) == .error(404, hasBody: true), "\(path)")
    }
    #expect(status("HEAD", "/") == .error(404, hasBody: false))
    var bytes: [UInt8] = []
    HTTPAnswer.error(405, hasBody: true).write([], into: &bytes)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"))
    #expect(text.contains("\r\nAllow: GET, HEAD\r\n"))
    #expect(text.hasSuffix("\r\n\r\n405 Method Not Allowed\n"))
  }

  @Test(
    "Accept chooses the format",
    arguments: [
      ("", ExpositionFormat.text), ("*/*", .text), ("text/plain", .text), ("text/html", .text),
      ("application/openmetrics-text", .openMetrics), ("Application/OpenMetrics-Text ; version=1.0.0", .openMetrics),
      (
        // Prometheus 2.42
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
          + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
      ),
      ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5", .text),
      ("application/openmetrics-text;q=0", .text), ("application/openmetrics-text;q=0.000,*/*", .text),
      ("application/openmetrics-text;q=5", .text), ("application/openmetrics-text;q=x", .text),
      ("application/openmetrics-text;q=1.000", .openMetrics), (",,;;,;q=1", .text),
    ])
  func accept(header: String, wanted: ExpositionFormat) {
    #expect(ExpositionFormat(accept: header) == wanted)
  }

  @Test(
    "an address is one of three, and says whether others can reach it",
    arguments: [
      ("127.0.0.1:9755", true), ("127.8.0.1:1", true), ("[::1]:9755", true), ("unix:/run/x.sock", true),
      ("0.0.0.0:9755", false), ("10.0.0.1:65535", false), ("[::]:9755", false), ("[::ffff:127.0.0.1]:9755", false),
    ])
  func address(text: String, isLocal: Bool) {
    let address = MetricAddress(text)
    #expect(address?.isLocal == isLocal)
    #expect(address?.text == text)
  }

  @Test(
    "what is no address is none",
    arguments: [
      "", ":", "9755", ":9755", "localhost:9755", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
      "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 1", "::1:9755", "[::1]", "[127.0.0.1]:1", "256.0.0.1:1", "127.1:1",
      "unix:", "unix:x.sock", "unix:/" + String(repeating: "x", count: 107), "unix:/a\u{0}b", "tcp:127.0.0.1:1",
    ])
  func noAddress(text: String) {
    #expect(MetricAddress(text) == nil)
  }
}
