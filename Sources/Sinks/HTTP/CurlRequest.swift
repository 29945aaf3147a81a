// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// One request by curl(1): we are one static file and cannot open libcurl.
///
/// curl gets URL, headers and names of files by its configuration on standard input, so that no secret is in its arguments,
/// which everybody sees, and the body as an open file of no name. Source: curl(1), --config; memfd_create(2).
package struct CurlRequest: Sendable {
  /// Not /dev/fd, which is a link to it that somebody has to make: a small guest had none, and of a file that is not there
  /// curl 7.88 sends an empty body, with success.
  private static let openFiles = "/proc/self/fd"

  package var url: String
  /// NAME: VALUE each.
  package var headers: [String]
  package var body: [UInt8]
  package var timeoutSeconds: Double
  package var caFile: String?
  package var certificateFile: String?
  package var keyFile: String?

  package init(url: String, headers: [String], body: [UInt8], timeoutSeconds: Double) {
    self.url = url
    self.headers = headers
    self.body = body
    self.timeoutSeconds = timeoutSeconds
  }

  /// Starts it; it ends within its time, or is to be killed then.
  package func start() throws(SinkError) -> ChildTask {
    let file = try bodyFile()
    defer { close(file) }
    return try ChildTask(
      "curl",
      [
        "-q", "--silent", "--show-error", "--globoff", "--include", "--suppress-connect-headers", "--max-time",
        "\(timeoutSeconds)", "--proto", "=http,https", "--user-agent", "oomwitness", "--config", "-",
      ], input: configuration, body: file)
  }

  private func bodyFile() throws(SinkError) -> Int32 {
    func failure() -> SinkError { .system(operation: "make", path: KernelName("a file in memory"), errno: errno) }
    let closeOnExec: UInt32 = 1
    guard access(CurlRequest.openFiles, X_OK) == 0 else {
      throw .system(operation: "look into", path: KernelName(CurlRequest.openFiles), errno: errno)
    }
    let file = clinux_memfd_create("oomwitness", closeOnExec)
    guard file >= 0 else { throw failure() }
    var written = 0
    while written < body.count {
      let count = body[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let error = failure()
        close(file)
        throw error
      }
      written += count
    }
    return file
  }

  private var configuration: [UInt8] {
    // Without this curl waits a second for leave to send a body of more than a megabyte.
    var lines = [CurlRequest.line("url", url), CurlRequest.line("header", "Expect:")]
    if !headers.contains(where: { $0.lowercased().hasPrefix("content-type:") }) {
      lines.append(CurlRequest.line("header", "Content-Type: application/json"))
    }
    lines += headers.map { CurlRequest.line("header", $0) }
    if let caFile { lines.append(CurlRequest.line("cacert", caFile)) }
    if let certificateFile { lines.append(CurlRequest.line("cert", certificateFile)) }
    if let keyFile { lines.append(CurlRequest.line("key", keyFile)) }
    lines.append(CurlRequest.line("data-binary", "@\(CurlRequest.openFiles)/3"))
    return Array(lines.joined())
  }

  /// `key = "value"`, with what would end it escaped.
  private static func line(_ key: String, _ value: String) -> [UInt8] {
    var line = Array("\(key) = \"".utf8)
    for byte in value.utf8 where byte >= 0x20 {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { line.append(UInt8(ascii: "\\")) }
      line.append(byte)
    }
    return line + Array("\"\n".utf8)
  }
}

/// What came of a request.
package enum CurlAnswer: Hashable, Sendable {
  /// The server's status, how long it asks us to wait, and the beginning of what it said.
  case answer(status: Int, retryAfterSeconds: Int?, body: String)
  /// There was none: curl's exit status, and what it said.
  case failed(Int32, String)

  package init(_ ended: ChildTask.Ended) {
    let text = String(decoding: ended.output, as: UTF8.self)
    // An answer of which we have read enough is one, though curl could not write the rest of it.
    guard ended.status == 0 || ended.isFlooding else {
      // What came before is the server's; curl's own line is the last.
      let line = text.split(whereSeparator: \.isNewline).last { $0.hasPrefix("curl: ") }
      self = .failed(ended.status, String((line ?? "").prefix(200)))
      return
    }
    self = CurlAnswer.parse(text)
  }

  /// The last of its heads: others are of `100 Continue`. Source: RFC 9112, 2.
  private static func parse(_ text: String) -> CurlAnswer {
    var rest = text[...].replacing("\r\n", with: "\n")[...]
    var status = 0
    var retryAfter: Int?
    while rest.hasPrefix("HTTP/") {
      let end = rest.firstRange(of: "\n\n")
      let head = rest[..<(end?.lowerBound ?? rest.endIndex)].split(separator: "\n")
      rest = rest[(end?.upperBound ?? rest.endIndex)...]
      status = head.first.flatMap { $0.split(separator: " ").dropFirst().first }.flatMap { Int($0) } ?? 0
      retryAfter = nil
      for line in head.dropFirst() where line.lowercased().hasPrefix("retry-after:") {
        retryAfter = Int(line.dropFirst("retry-after:".count).filter { $0 != " " })
      }
    }
    return .answer(status: status, retryAfterSeconds: retryAfter, body: String(rest))
  }
}
