// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON value into a byte buffer, without Foundation and without an intermediate tree.
///
/// A kill is told while the host is out of memory: the buffer is reserved once and reused, and a `nil` field is left
/// out, since what was not observed is absent. Source: RFC 8259.
package struct JSONWriter: Sendable {
  static let hexDigits = Array("0123456789abcdef".utf8)

  /// What was written so far: valid UTF-8.
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  package init(reserving capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Forgets what was written and keeps the memory.
  package mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  /// Appends a raw byte outside of any value: the newline after a line.
  package mutating func appendRaw(_ byte: UInt8) { bytes.append(byte) }

  /// An object; `body` writes its fields.
  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    enclosed(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
  }

  /// An array; `body` writes its elements.
  package mutating func array(_ body: (inout JSONWriter) -> Void) {
    enclosed(UInt8(ascii: "["), UInt8(ascii: "]"), body)
  }

  package mutating func value(_ number: Int64) {
    separate()
    bytes.append(contentsOf: String(number).utf8)
    needsComma = true
  }

  package mutating func value(_ flag: Bool) {
    separate()
    bytes.append(contentsOf: (flag ? "true" : "false").utf8)
    needsComma = true
  }

  package mutating func value(_ text: String) {
    separate()
    quote(text)
    needsComma = true
  }

  package mutating func field(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
    self.key(key)
    body(&self)
    needsComma = true
  }

  package mutating func objectField(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
    field(key) { $0.object(body) }
  }

  package mutating func field<Number: FixedWidthInteger>(_ key: StaticString, _ number: Number?) {
    guard let number else { return }
    self.key(key)
    bytes.append(contentsOf: String(number).utf8)
    needsComma = true
  }

  package mutating func field(_ key: StaticString, _ flag: Bool?) {
    guard let flag else { return }
    self.key(key)
    value(flag)
  }

  package mutating func field(_ key: StaticString, _ text: String?) {
    guard let text else { return }
    self.key(key)
    value(text)
  }

  /// A number with two decimals, as the kernel prints its averages: hundredths in, `0.25` out.
  package mutating func field(_ key: StaticString, hundredths: Int64?) {
    guard let hundredths else { return }
    self.key(key)
    let fraction = hundredths % 100
    bytes.append(contentsOf: "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)".utf8)
    needsComma = true
  }

  /// A name, and beside it all of its bytes as `hexKey` where the text could not hold them.
  package mutating func field(_ key: StaticString, hexKey: StaticString, _ name: KernelName?) {
    guard let name else { return }
    field(key, name.text)
    if !name.isValidUTF8 { field(hexKey, name.hex) }
  }

  private mutating func key(_ key: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    key.withUTF8Buffer { bytes.append(contentsOf: $0) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = false
  }

  private mutating func enclosed(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
    separate()
    bytes.append(open)
    body(&self)
    bytes.append(close)
    needsComma = true
  }

  /// Control characters are escaped, DEL and the C1 range too, so that a line is safe to show on a terminal.
  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    var text = text
    if text.withUTF8({ JSONWriter.isPlain($0) }) {
      text.withUTF8 { bytes.append(contentsOf: $0) }
    } else {
      escape(text)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Whether nothing in it has to be escaped, nor looked at closer: printable ASCII, as nearly all of it is.
  private static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
  }

  private mutating func escape(_ text: String) {
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22: bytes.append(contentsOf: [0x5c, 0x22])
      case 0x5c: bytes.append(contentsOf: [0x5c, 0x5c])
      case 0x0a: bytes.append(contentsOf: [0x5c, UInt8(ascii: "n")])
      case 0x09: bytes.append(contentsOf: [0x5c, UInt8(ascii: "t")])
      case 0x0d: bytes.append(contentsOf: [0x5c, UInt8(ascii: "r")])
      case 0x00..<0x20, 0x7f..<0xa0, 0x2028, 0x2029: escape(scalar.value)
      default: bytes.append(contentsOf: UTF8.encode(scalar)!)
      }
    }
  }

  private mutating func escape(_ value: UInt32) {
    bytes.append(contentsOf: [0x5c, UInt8(ascii: "u")])
    for shift in stride(from: UInt32(12), through: 0, by: -4) {
      bytes.append(JSONWriter.hexDigits[Int(value >> shift & 15)])
    }
  }
}
