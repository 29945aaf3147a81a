// SPDX-License-Identifier: Apache-2.0
import Events

/// What a request holds, and what the server's answer to it means.
package struct HTTPBody {
  /// What is to be done about an answer.
  enum Verdict: Equatable {
    /// All but so many of the lines were taken.
    case taken(refusedLines: Int64)
    /// It will never take this.
    case refused
    case later
  }

  private let settings: HTTPSettings

  init(_ settings: HTTPSettings) { self.settings = settings }

  var contentType: String { settings.format == .ndjson ? "application/x-ndjson" : "application/json" }

  /// Whether the receiver has any use for this line.
  func concerns(_ line: DeliveredLine) -> Bool {
    guard settings.format == .kubernetes else { return true }
    let facts = line.facts
    return facts.type == "oom_kill" && KubernetesEvent.isName(facts.subject.pod?.namespace)
      && KubernetesEvent.isName(facts.subject.pod?.pod)
  }

  func bytes(_ lines: [DeliveredLine]) -> [UInt8] {
    switch settings.format {
    case .ndjson: Array(lines.map(\.bytes).joined())
    case .otlp: OTLPLogs.bytes(lines, labels: settings.labels)
    case .loki: LokiPush.bytes(lines, labels: settings.labels)
    case .webhook: Array(lines[0].bytes.dropLast())
    case .slack: HTTPBody.slack(host: lines[0].facts.host, sentence: lines[0].facts.sentence)
    case .kubernetes: KubernetesEvent.bytes(lines[0])
    }
  }

  func verdict(_ status: Int, _ text: String) -> Verdict {
    switch status {
    case 200..<300: return .taken(refusedLines: settings.format == .otlp ? OTLPLogs.rejected(text) : 0)
    case 400, 413, 422: return .refused
    // Of this name it has one already: ours, whose answer did not come through.
    case 409 where settings.format == .kubernetes: return .taken(refusedLines: 0)
    // The namespace is gone, or is going.
    case 404 where settings.format == .kubernetes: return .refused
    case 403 where settings.format == .kubernetes && text.contains("NamespaceTerminating"): return .refused
    default: return .later
    }
  }

  /// A sentence as Slack's incoming webhooks take it.
  ///
  /// Source: Slack, "Formatting text for app surfaces": these three are control characters.
  package static func slack(host: String?, sentence: String) -> [UInt8] {
    let text = "*\(host ?? "a host")*: \(sentence)".replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      .replacing(">", with: "&gt;")
    var json = JSONWriter(reserving: 1024)
    json.object { $0.field("text", text) }
    return json.bytes
  }
}
