// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// `--webhook`: a POST for each event, by curl(1).
///
/// We are one static file and cannot open libcurl. curl gets URL, headers and body by its configuration on standard input,
/// so that no secret is in its arguments, which everybody sees. Source: curl(1), --config.
enum Webhook {
  /// What is tried again is what may pass: no connection, no answer in time, 408, 425, 429 and 5xx.
  private static let attempts = 4

  static func handler(_ target: WebhookTarget, _ options: HandlerOptions) -> ChildHandler {
    var limits = ChildHandler.Limits(runNanoseconds: Int64((options.webhookSeconds + 2) * 1e9))
    limits.attempts = attempts
    limits.perMinute = options.webhookPerMinute
    let format = options.webhookFormat
    let arguments = [
      "-q", "--silent", "--show-error", "--globoff", "--max-time", "\(options.webhookSeconds)", "--proto",
      "=http,https",
      "--output", "/dev/null", "--write-out", "\\n%{http_code}", "--config", "-",
    ]
    return ChildHandler(name: "--webhook \(target.shown)", limits: limits) { (event) throws(HostError) in
      try ChildTask("curl", arguments, input: configuration(target, body: body(event, format)))
    } judge: {
      verdict($0)
    }
  }

  /// The URL itself, or what its file says.
  static func target(_ text: String) throws -> WebhookTarget {
    guard text.hasPrefix("@") else { return try WebhookTarget(url: text, headers: []) }
    let path = String(text.dropFirst())
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw Diagnostic.fail("cannot open \(TerminalText.safe(path)): \(Wording.text(errno))")
    }
    defer { close(descriptor) }
    do {
      let bytes = try FileReader().contents(of: descriptor, named: path, limitBytes: 64 * 1024)
      let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
      return try WebhookTarget(url: lines.first ?? "", headers: Array(lines.dropFirst()))
    } catch let error as HostError {
      throw Diagnostic.fail(Wording.sentence(error))
    } catch {
      throw Diagnostic.fail(
        "\(TerminalText.safe(path)) is to hold a URL that begins with https:// or http://, then lines of NAME: VALUE")
    }
  }

  private static func body(_ event: HandledEvent, _ format: HandlerOptions.WebhookFormat) -> [UInt8] {
    switch format {
    case .generic: return Array(event.line.dropLast())
    case .slack:
      // Source: Slack, "Formatting text for app surfaces": these three are control characters.
      let text = "*\(event.host)*: \(event.sentence)".replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        .replacing(">", with: "&gt;")
      var json = JSONWriter(reserving: 1024)
      json.object { $0.field("text", text) }
      return json.bytes
    }
  }

  private static func configuration(_ target: WebhookTarget, body: [UInt8]) -> [UInt8] {
    var lines = [line("url", Array(target.url.utf8)), line("request", Array("POST".utf8))]
    if !target.headers.contains(where: { $0.lowercased().hasPrefix("content-type:") }) {
      lines.append(line("header", Array("Content-Type: application/json".utf8)))
    }
    lines += target.headers.map { line("header", Array($0.utf8)) }
    lines.append(line("data-binary", body))
    return Array(lines.joined())
  }

  /// `key = "value"`, with what would end it escaped.
  private static func line(_ key: String, _ value: [UInt8]) -> [UInt8] {
    var line = Array("\(key) = \"".utf8)
    for byte in value {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { line.append(UInt8(ascii: "\\")) }
      line.append(byte)
    }
    return line + Array("\"\n".utf8)
  }

  private static func verdict(_ ended: ChildTask.Ended) -> ChildHandler.Verdict {
    guard ended.status == 0 else { return .later(ended.firstLine ?? "curl exited with \(ended.status)") }
    let code = Int(String(decoding: ended.output.suffix(3), as: UTF8.self)) ?? 0
    switch code {
    case 200..<300: return .done
    case 408, 425, 429, 500..<600: return .later("the server answered \(code)")
    default: return .failed("the server answered \(code)")
    }
  }
}
