// SPDX-License-Identifier: Apache-2.0

/// A server that gets lines by POST.
package struct HTTPSettings: Hashable, Sendable {
  package enum Format: String, CaseIterable, Sendable {
    /// The lines themselves, one after the other.
    case ndjson
    /// OTLP/HTTP logs in JSON. Source: OpenTelemetry, "OTLP Specification", OTLP/HTTP.
    case otlp
    /// Source: Grafana Loki, "Ingest logs", POST /loki/api/v1/push.
    case loki
    /// One line a request, as JSON.
    case webhook
    /// One sentence a request. Source: Slack, "Sending messages using incoming webhooks".
    case slack
    /// An Event on the victim's pod. Source: Kubernetes API, core/v1 Event.
    case kubernetes
  }
  package static let timeoutRange: ClosedRange<Int64> = 1...300
  package static let batchRange: ClosedRange<Int64> = 1...10_000
  package static let headersMax = 32

  package var format: Format
  /// http:// or https://; empty where `urlFile` holds it, or Kubernetes' environment tells it.
  package var url: String
  /// Its first line is the URL: one that is a secret itself.
  package var urlFile: String?
  /// Lines of NAME: VALUE that are no secrets.
  package var headers: [String] = []
  /// More of them, read before each request: they may be changed any time.
  package var headersFile: String?
  /// A token for `Authorization: Bearer`, read before each request.
  package var bearerTokenFile: String?
  package var caFile: String?
  package var certificateFile: String?
  package var keyFile: String?
  /// For one request, from its beginning to its end.
  package var timeoutSeconds = 10
  /// Lines and bytes in one request at most; one line is always taken.
  package var batchLines = 500
  package var batchBytes = 1024 * 1024
  /// Requests a minute at most; nil: as many as there are.
  package var perMinute: Int?
  /// Labels of Loki's streams, attributes of OTLP's resource.
  package var labels: [String: String] = [:]

  package init(format: Format, url: String = "", urlFile: String? = nil) {
    self.format = format
    self.url = url
    self.urlFile = urlFile
  }

  /// What cannot work.
  func problem() -> DestinationSettings.Problem? {
    if urlFile == nil, !(format == .kubernetes && url.isEmpty), !HTTPSettings.isURL(url) { return .url(url) }
    for path in [urlFile, headersFile, bearerTokenFile, caFile, certificateFile, keyFile] {
      if let path, !path.hasPrefix("/") { return .relativePath(path) }
    }
    if headers.count > HTTPSettings.headersMax { return .header(headers[HTTPSettings.headersMax]) }
    if let header = headers.first(where: { !HTTPSettings.isHeader($0) }) { return .header(header) }
    let timeout = Int64(timeoutSeconds)
    if !HTTPSettings.timeoutRange.contains(timeout) {
      return .outOfRange("seconds", timeout, HTTPSettings.timeoutRange)
    }
    let lines = Int64(batchLines)
    if !HTTPSettings.batchRange.contains(lines) { return .outOfRange("lines", lines, HTTPSettings.batchRange) }
    if !(1024...16 << 20).contains(batchBytes) { return .outOfRange("bytes", Int64(batchBytes), 1024...16 << 20) }
    if let perMinute, perMinute < 1 { return .outOfRange("requests", Int64(perMinute), 1...Int64.max) }
    return nil
  }

  /// An address that curl takes as one, without blanks or control characters.
  package static func isURL(_ url: String) -> Bool {
    (url.hasPrefix("https://") || url.hasPrefix("http://")) && url.utf8.count <= 4096
      && url.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
  }

  /// NAME: VALUE, without control characters.
  package static func isHeader(_ header: String) -> Bool {
    header.contains(":") && header.utf8.count <= 8192 && header.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
  }

  /// Scheme and host alone: what else a URL holds may be secret.
  package static func shown(_ url: String) -> String {
    let scheme = url.hasPrefix("https://") ? "https://" : "http://"
    let authority = url.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    return scheme + String(authority.split(separator: "@").last ?? "")
  }
}
