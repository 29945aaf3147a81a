// SPDX-License-Identifier: Apache-2.0

/// Writes families and their samples, in one of the two formats.
///
/// Labels without a value are left out: to a scraper they are the same. Source: OpenMetrics 1.0.0, "ABNF".
struct Exposition {
  enum Kind: String { case counter, gauge, histogram, info }

  /// A whole number, or one with a fixed count of decimals.
  enum Value {
    case number(Int64)
    case microseconds(Int64)
    case nanoseconds(Int64)
  }

  private let format: ExpositionFormat
  private var bytes: [UInt8]
  private var name = ""
  private var kind = Kind.gauge

  /// - Parameter buffer: its room is taken, and used again.
  init(_ format: ExpositionFormat, buffer: inout [UInt8]) {
    self.format = format
    bytes = []
    swap(&bytes, &buffer)
    bytes.removeAll(keepingCapacity: true)
  }

  /// Begins a family; its name without `_total` and `_info`.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    (self.name, self.kind) = (name, kind)
    let (shown, type): (String, String) =
      switch (format, kind) {
      case (.openMetrics, _): (name, kind.rawValue)
      case (.text, .counter): (name + "_total", "counter")
      case (.text, .info): (name + "_info", "gauge")
      case (.text, _): (name, kind.rawValue)
      }
    add("# HELP ", shown, " ", help, "\n# TYPE ", shown, " ", type, "\n")
  }

  /// One sample of the family.
  mutating func sample(_ value: Value, _ labels: (String, String)...) { sample(value, labels) }

  mutating func sample(_ value: Value, _ labels: [(String, String)]) {
    let suffix =
      switch kind {
      case .counter: "_total"
      case .info: "_info"
      case .gauge, .histogram: ""
      }
    line(suffix, labels, value)
  }

  mutating func histogram(_ histogram: Histogram, _ labels: (String, String)...) {
    var below: Int64 = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      below += count
      var text: [UInt8] = []
      Exposition.decimal(bound, digits: 6, into: &text)
      // Whole numbers are written as floats in OpenMetrics and as integers in the older text: so scrapers have them.
      if format == .openMetrics, !text.contains(0x2e) { text += [0x2e, 0x30] }
      line("_bucket", labels + [("le", String(decoding: text, as: UTF8.self))], .number(below))
    }
    line("_bucket", labels + [("le", "+Inf")], .number(histogram.total))
    line("_sum", labels, .microseconds(histogram.sumMicroseconds))
    line("_count", labels, .number(histogram.total))
  }

  /// The end, after which nothing comes: the page.
  mutating func finish() -> [UInt8] {
    if format == .openMetrics { add("# EOF\n") }
    var page: [UInt8] = []
    swap(&page, &bytes)
    return page
  }

  private mutating func line(_ suffix: String, _ labels: [(String, String)], _ value: Value) {
    add(name, suffix)
    var separator: UInt8 = 0x7b  // {
    for (label, text) in labels where !text.isEmpty {
      bytes.append(separator)
      separator = 0x2c
      add(label, "=\"")
      escape(text)
      bytes.append(0x22)
    }
    if separator != 0x7b { bytes.append(0x7d) }
    bytes.append(0x20)
    switch value {
    case .number(let number): Exposition.decimal(number, digits: 0, into: &bytes)
    case .microseconds(let number): Exposition.decimal(number, digits: 6, into: &bytes)
    case .nanoseconds(let number): Exposition.decimal(number, digits: 9, into: &bytes)
    }
    bytes.append(0x0a)
  }

  private mutating func add(_ texts: String...) {
    for text in texts { bytes.append(contentsOf: text.utf8) }
  }

  private mutating func escape(_ text: String) {
    for byte in text.utf8 {
      switch byte {
      case 0x0a: bytes += [0x5c, 0x6e]
      case 0x22, 0x5c: bytes += [0x5c, byte]
      default: bytes.append(byte)
      }
    }
  }

  /// `value` with its last `digits` behind the point, without zeros at the end: 1500 of 6 is 0.0015.
  static func decimal(_ value: Int64, digits: Int, into bytes: inout [UInt8]) {
    var rest = value.magnitude
    var figures: [UInt8] = []
    var left = digits
    while rest > 0 || left >= 0 {
      let figure = UInt8(rest % 10)
      rest /= 10
      // A zero behind the point is written where something follows it.
      if left <= 0 || figure != 0 || !figures.isEmpty { figures.append(0x30 + figure) }
      if left == 1, !figures.isEmpty { figures.append(0x2e) }
      left -= 1
    }
    if value < 0 { figures.append(0x2d) }
    bytes.append(contentsOf: figures.reversed())
  }
}
