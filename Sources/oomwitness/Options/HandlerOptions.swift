// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events

/// What is done with each change of level, beside the stream.
struct HandlerOptions: ParsableArguments {
  enum WebhookFormat: String, CaseIterable, ExpressibleByArgument { case generic, slack }

  enum From: String, CaseIterable, ExpressibleByArgument {
    case low, medium, critical

    var level: PressureLevel {
      switch self {
      case .low: .low
      case .medium: .medium
      case .critical: .critical
      }
    }
  }

  @Option(help: ArgumentHelp("Append each event to a file, as a line of JSON. Repeatable.", valueName: "file"))
  var logTo: [String] = []
  @Flag(help: "Send each event to journald.")
  var journald = false
  @Option(
    help: ArgumentHelp(
      "Run a program with the event on its standard input, without a shell: a path, or with arguments a JSON array as "
        + #"'["/usr/bin/notify", "--all"]'. Repeatable."#, valueName: "program"))
  var run: [String] = []
  @Option(help: ArgumentHelp("How long such a program may take before it is killed.", valueName: "seconds"))
  var runSeconds: Double = 30
  @Option(
    help: ArgumentHelp(
      "POST each event to a URL, by curl(1). @FILE reads it from a file, whose further lines are headers, so that a secret "
        + "is on no command line. Repeatable.", valueName: "url|@file"))
  var webhook: [String] = []
  @Option(
    help: ArgumentHelp(
      "Body: generic is the event as it is in the stream, slack an object with a text, as Slack takes it.",
      valueName: "format"))
  var webhookFormat: WebhookFormat = .generic
  @Option(help: ArgumentHelp("How long one request may take.", valueName: "seconds"))
  var webhookSeconds: Double = 10
  @Option(help: ArgumentHelp("How many requests a minute at most; what is beyond waits.", valueName: "n"))
  var webhookPerMinute = 20
  @Option(
    help: ArgumentHelp(
      "When the level rises to medium or critical, have the kernel give memory back, and tell what came of it: "
        + "drop-caches, or reclaim=PATH of a control group of version 2. Repeatable.", valueName: "action"))
  var cleanup: [String] = []
  @Option(
    help: ArgumentHelp(
      "Handlers are given changes from or to this level, or a higher one; the stream has all.", valueName: "level"))
  var handleFrom: From = .low

  func validate() throws {
    func check(_ seconds: Double, _ option: String) throws {
      if !(seconds >= 0.1 && seconds <= 3600) {
        throw ValidationError("\(option) takes 0.1 to 3600 seconds, not \(seconds)")
      }
    }
    try check(runSeconds, "--run-seconds")
    try check(webhookSeconds, "--webhook-seconds")
    guard (1...600).contains(webhookPerMinute) else {
      throw ValidationError("--webhook-per-minute takes 1 to 600, not \(webhookPerMinute)")
    }
    if logTo.count + run.count + webhook.count > HandlerOptions.handlersMax {
      throw ValidationError("more than \(HandlerOptions.handlersMax) handlers")
    }
    _ = try programs()
    for text in webhook where !text.hasPrefix("@") { _ = try WebhookTarget(url: text, headers: []) }
    for text in cleanup { _ = try CleanupRequest(text) }
  }

  private static let handlersMax = 32

  /// Programs with their arguments.
  func programs() throws -> [[String]] { try run.map(HandlerOptions.program) }

  private static func program(_ text: String) throws -> [String] {
    guard text.hasPrefix("[") else {
      guard !text.isEmpty else { throw ValidationError("--run takes a program, not nothing") }
      return [text]
    }
    var words: [String] = []
    var isOnlyTexts = true
    do throws(JSONReader.Fault) {
      var rest = Array(text.utf8)
      var json = JSONReader {
        defer { rest = [] }
        return rest
      }
      try json.array { (json) throws(JSONReader.Fault) in
        if let word = try json.text() { words.append(word) } else { isOnlyTexts = false }
      }
      try json.end()
    } catch {
      throw ValidationError("--run: this is no JSON array from character \(error.column) on")
    }
    guard isOnlyTexts, !words.isEmpty, words[0] != "", !words.contains(where: { $0.utf8.contains(0) }) else {
      throw ValidationError("--run takes a JSON array of texts, first the program")
    }
    return words
  }
}

/// Where a webhook goes, and what is sent with each request.
struct WebhookTarget {
  let url: String
  let headers: [String]

  /// curl gets both in a file of its own kind, where a control character could begin another option.
  init(url: String, headers: [String]) throws {
    let isAddress = url.hasPrefix("https://") || url.hasPrefix("http://")
    guard isAddress, url.utf8.count <= 4096, url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
      throw ValidationError("--webhook takes a URL that begins with https:// or http:// and has no blanks")
    }
    guard headers.count <= 32,
      headers.allSatisfy({ $0.contains(":") && $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } })
    else { throw ValidationError("--webhook: a header is a line of NAME: VALUE") }
    (self.url, self.headers) = (url, headers)
  }

  /// Without what may be secret in it: `https://hooks.slack.com`.
  var shown: String {
    let scheme = url.hasPrefix("https://") ? "https://" : "http://"
    let authority = url.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    return scheme + TerminalText.safe(String(authority.split(separator: "@").last ?? ""))
  }
}

/// What `--cleanup` asks for.
enum CleanupRequest: Hashable {
  case dropCaches
  /// A group's path from the root of the hierarchy.
  case reclaim(KernelName)

  init(_ text: String) throws {
    if text == "drop-caches" {
      self = .dropCaches
    } else if text.hasPrefix("reclaim=/") {
      self = .reclaim(KernelName(String(text.dropFirst("reclaim=".count))))
    } else {
      throw ValidationError("--cleanup takes drop-caches or reclaim=/PATH, not '\(TerminalText.safe(text))'")
    }
  }
}
