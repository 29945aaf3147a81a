// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Sinks

/// `--webhook`: a POST for each event, by curl(1).
enum Webhook {
  /// What is tried again is what may pass: no connection, no answer in time, 408, 425, 429 and 5xx.
  private static let attempts = 4

  static func handler(_ target: WebhookTarget, _ options: HandlerOptions) -> ChildHandler {
    var limits = ChildHandler.Limits(runNanoseconds: Int64((options.webhookSeconds + 2) * 1e9))
    limits.attempts = attempts
    limits.perMinute = options.webhookPerMinute
    let format = options.webhookFormat
    return ChildHandler(name: "--webhook \(target.shown)", limits: limits) { (event) throws(SinkError) in
      try CurlRequest(
        url: target.url, headers: target.headers, body: body(event, format), timeoutSeconds: options.webhookSeconds
      ).start()
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
    case .generic: Array(event.line.dropLast())
    case .slack: HTTPBody.slack(host: event.host, sentence: event.sentence)
    }
  }

  private static func verdict(_ ended: ChildTask.Ended) -> ChildHandler.Verdict {
    switch CurlAnswer(ended) {
    case .failed(let status, let said): .later(said.isEmpty ? "curl exited with \(status)" : TerminalText.safe(said))
    case .answer(200..<300, _, _): .done
    case .answer(let code, _, _):
      switch code {
      case 408, 425, 429, 500..<600: .later("the server answered \(code)")
      default: .failed("the server answered \(code)")
      }
    }
  }
}
