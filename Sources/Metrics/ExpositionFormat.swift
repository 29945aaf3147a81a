// SPDX-License-Identifier: Apache-2.0

/// The two texts that scrapers read.
///
/// Source: OpenMetrics 1.0.0; Prometheus, "Text-based format", 0.0.4.
package enum ExpositionFormat: Hashable, Sendable {
  case openMetrics, text

  package var contentType: String {
    switch self {
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    case .text: "text/plain; version=0.0.4; charset=utf-8"
    }
  }

  /// What an Accept header prefers of the two; the plain text where it says nothing of OpenMetrics.
  ///
  /// Source: RFC 9110, 12.5.1.
  package init(accept: String) {
    var (openMetrics, text): (Int, Int) = (0, 0)
    for range in accept.split(separator: ",") {
      let parts = range.split(separator: ";").map(ExpositionFormat.trimmed)
      guard let type = parts.first else { continue }
      var weight = 1000
      for part in parts.dropFirst() where part.hasPrefix("q=") || part.hasPrefix("Q=") {
        weight = ExpositionFormat.thousandths(part.dropFirst(2)) ?? 0
      }
      switch type {
      case "application/openmetrics-text": openMetrics = max(openMetrics, weight)
      case "text/plain", "text/*", "*/*": text = max(text, weight)
      default: break
      }
    }
    self = openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
  }

  private static func trimmed(_ text: Substring) -> String {
    var bytes = Array(text.utf8)[...]
    while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
    while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
    return String(decoding: bytes.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  /// `0.75` as 750; nil where it is none from 0 to 1.
  private static func thousandths(_ text: Substring) -> Int? {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, first == 0x30 || first == 0x31, bytes.count <= 5 else { return nil }
    var value = first == 0x31 ? 1000 : 0
    guard bytes.count > 1 else { return value }
    guard bytes[1] == 0x2e else { return nil }
    var step = 100
    for byte in bytes.dropFirst(2) {
      guard (0x30...0x39).contains(byte) else { return nil }
      value += Int(byte - 0x30) * step
      step /= 10
    }
    return value <= 1000 ? value : nil
  }
}
