// SPDX-License-Identifier: Apache-2.0
import Events

/// One entry of the journal as `journalctl --output=json` writes it: a flat JSON object on a line.
///
/// A value is a string, or an array of bytes where it is no UTF-8, or null where it is too long.
/// Source: systemd, docs/JOURNAL_EXPORT_FORMATS.md.
struct JournalEntry {
  var line: LogLine
  var host: KernelName?
  var bootID: String?

  /// Nil where the line is no such object, or has no message.
  init?(json bytes: ArraySlice<UInt8>) {
    guard bytes.first == UInt8(ascii: "{") else { return nil }
    var fields: [String: [UInt8]] = [:]
    var reader = FlatJSON(bytes)
    guard reader.object({ name, value in if JournalEntry.wanted.contains(name) { fields[name] = value } }) else {
      return nil
    }
    self.init(fields)
  }

  private static let wanted: Set<String> = [
    "MESSAGE", "_HOSTNAME", "_BOOT_ID", "_TRANSPORT", "__REALTIME_TIMESTAMP",
    "_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP",
  ]

  /// The name as one of those that an entry is made of; nil where it is none of them.
  static func wantedName(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> String? {
    // Nearly all fields of a journal are others: these two letters tell most of them.
    guard bytes.first == UInt8(ascii: "_") || bytes.first == UInt8(ascii: "M") else { return nil }
    let name = String(decoding: bytes, as: UTF8.self)
    return wanted.contains(name) ? name : nil
  }

  /// Nil where the fields have no message.
  init?(_ fields: [String: [UInt8]]) {
    guard let text = fields["MESSAGE"] else { return nil }
    func nanoseconds(_ name: String) -> Int64? {
      guard let microseconds = fields[name].flatMap({ Int64(String(decoding: $0, as: UTF8.self)) }),
        (0...Int64.max / 1000) ~= microseconds
      else { return nil }
      return microseconds * 1000
    }
    line = LogLine(text: text)
    // The kernel's own clock where journald has kept it: its own is when it read the record.
    line.monotonicNanoseconds = nanoseconds("_SOURCE_MONOTONIC_TIMESTAMP") ?? nanoseconds("__MONOTONIC_TIMESTAMP")
    line.wallNanoseconds = nanoseconds("__REALTIME_TIMESTAMP")
    line.isFromKernel = fields["_TRANSPORT"].map { $0[...].begins(with: "kernel") && $0.count == 6 } ?? true
    host = fields["_HOSTNAME"].map(KernelName.init(bytes:))
    bootID = fields["_BOOT_ID"].flatMap { JournalEntry.uuid($0) }
  }

  /// 32 hexadecimal digits as /proc/sys/kernel/random/boot_id has them.
  private static func uuid(_ digits: [UInt8]) -> String? {
    guard digits.count == 32, digits.allSatisfy({ $0.hexDigitValue != nil }) else { return nil }
    let text = String(decoding: digits, as: UTF8.self)
    var result = ""
    for (place, digit) in text.enumerated() {
      if [8, 12, 16, 20].contains(place) { result += "-" }
      result.append(digit)
    }
    return result
  }
}

/// Reads one JSON object whose values are no objects: what journald writes and no more.
private struct FlatJSON {
  private let bytes: ArraySlice<UInt8>
  private var index: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  private var next: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x09 { index += 1 }
  }

  private mutating func skip(_ byte: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard next == UInt8(ascii: byte) else { return false }
    index += 1
    return true
  }

  /// False where it is no such object; `body` has then got what came before. Of a field with several values the first.
  mutating func object(_ body: (String, [UInt8]) -> Void) -> Bool {
    guard skip("{") else { return false }
    if skip("}") { return true }
    repeat {
      skipBlanks()
      guard let name = string(), skip(":") else { return false }
      skipBlanks()
      switch next {
      case UInt8(ascii: "\""):
        guard let value = string() else { return false }
        body(String(decoding: name, as: UTF8.self), value)
      case UInt8(ascii: "["):
        guard let value = array() else { return false }
        if let value { body(String(decoding: name, as: UTF8.self), value) }
      default:
        while let byte = next, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}") { index += 1 }
      }
    } while skip(",")
    return skip("}")
  }

  private mutating func string() -> [UInt8]? {
    guard skip("\"") else { return nil }
    var result: [UInt8] = []
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return result
      case UInt8(ascii: "\\"):
        guard let escaped = next else { return nil }
        index += 1
        switch escaped {
        case UInt8(ascii: "n"): result.append(0x0a)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "r"): result.append(0x0d)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0c)
        case UInt8(ascii: "u"):
          guard let scalar = unicode() else { return nil }
          result += Array(String(scalar).utf8)
        default: result.append(escaped)
        }
      default: result.append(byte)
      }
    }
    return nil
  }

  private mutating func unit() -> UInt32? {
    guard index + 4 <= bytes.endIndex else { return nil }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = bytes[index].hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  private mutating func unicode() -> Unicode.Scalar? {
    guard let first = unit() else { return nil }
    guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) ?? "\u{fffd}" }
    guard skip("\\"), skip("u"), let second = unit(), (0xdc00..<0xe000).contains(second) else { return "\u{fffd}" }
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
  }

  /// Bytes as numbers; of an array of strings the first. The inner nil: of neither.
  private mutating func array() -> [UInt8]?? {
    guard skip("[") else { return nil }
    var numbers: [UInt8] = []
    var first: [UInt8]?
    repeat {
      skipBlanks()
      if next == UInt8(ascii: "\"") {
        guard let text = string() else { return nil }
        if first == nil { first = text }
        continue
      }
      let digits = bytes[index...].prefix { $0.isDigit }
      guard let number = UInt8(String(decoding: digits, as: UTF8.self)) else { break }
      numbers.append(number)
      index = digits.endIndex
    } while skip(",")
    guard skip("]") else { return nil }
    return .some(first ?? (numbers.isEmpty ? nil : numbers))
  }
}
