// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON value into memory of its own, without Foundation and without an intermediate tree.
///
/// A kill is told while the host is out of memory, by code that has not run for days: the buffer is reserved once and
/// reused, numbers and names go into it without a String between, and what every field needs is written once and not
/// inlined, since a cold processor pays for each new line of code. A `nil` field is left out: what was not observed is
/// absent. Source: RFC 8259.
package struct JSONWriter: ~Copyable {
  static let hexDigits = Array("0123456789abcdef".utf8)
  /// Digits, sign, comma and the like around any key or number.
  private static let spareBytes = 32

  private var buffer: UnsafeMutableBufferPointer<UInt8>
  private var count = 0
  private var needsComma = false

  package init(reserving capacity: Int = 0) {
    buffer = .allocate(capacity: max(capacity, 256))
  }

  deinit { buffer.deallocate() }

  /// What was written so far: valid UTF-8.
  package var bytes: [UInt8] { Array(buffer[..<count]) }

  /// Forgets what was written and keeps the memory.
  package mutating func reset() {
    count = 0
    needsComma = false
  }

  /// Appends a raw byte outside of any value: the newline after a line.
  package mutating func appendRaw(_ byte: UInt8) {
    reserve(1)
    put(byte)
  }

  /// An object; `body` writes its fields.
  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    open(UInt8(ascii: "{"))
    body(&self)
    close(UInt8(ascii: "}"))
  }

  /// An array; `body` writes its elements.
  package mutating func array(_ body: (inout JSONWriter) -> Void) {
    open(UInt8(ascii: "["))
    body(&self)
    close(UInt8(ascii: "]"))
  }

  package mutating func value(_ number: Int64) {
    separate()
    decimal(number.magnitude, isNegative: number < 0)
  }

  package mutating func value(_ flag: Bool) {
    separate()
    raw(flag ? "true" : "false")
  }

  package mutating func value(_ text: String) {
    separate()
    quote(text)
  }

  package mutating func field(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
    self.key(key)
    body(&self)
    needsComma = true
  }

  package mutating func objectField(_ key: StaticString, _ body: (inout JSONWriter) -> Void) {
    self.key(key)
    object(body)
  }

  @inline(__always)
  package mutating func field<Number: FixedWidthInteger>(_ key: StaticString, _ number: Number?) {
    guard let number else { return }
    self.number(key, UInt64(number.magnitude), isNegative: number < 0)
  }

  package mutating func field(_ key: StaticString, _ flag: Bool?) {
    guard let flag else { return }
    self.key(key)
    raw(flag ? "true" : "false")
  }

  package mutating func field(_ key: StaticString, _ text: String?) {
    guard let text else { return }
    self.key(key)
    quote(text)
  }

  /// Under a key that is not known before.
  package mutating func field(named key: String, _ text: String) {
    separate()
    quote(key)
    reserve(1)
    put(UInt8(ascii: ":"))
    quote(text)
  }

  /// Text in UTF-8.
  package mutating func field(_ key: StaticString, utf8: [UInt8]) {
    self.key(key)
    let isPlain = utf8.withUnsafeBufferPointer { quotePlain($0) }
    if !isPlain { quote(String(decoding: utf8, as: UTF8.self)) }
  }

  /// A number with two decimals, as the kernel prints its averages: hundredths in, `0.25` out.
  package mutating func field(_ key: StaticString, hundredths: Int64?) {
    guard let hundredths else { return }
    number(key, (hundredths / 100).magnitude, isNegative: hundredths < 0)
    let fraction = UInt8((hundredths % 100).magnitude)
    reserve(3)
    put(UInt8(ascii: "."))
    put(UInt8(ascii: "0") + fraction / 10)
    put(UInt8(ascii: "0") + fraction % 10)
  }

  /// A moment in UTC, as RFC 3339 has it.
  package mutating func field(_ key: StaticString, wallNanoseconds: Int64?) {
    guard let wallNanoseconds else { return }
    self.key(key)
    reserve(RFC3339.byteCount + 2)
    put(UInt8(ascii: "\""))
    RFC3339.write(wallNanoseconds, to: buffer.baseAddress! + count)
    count += RFC3339.byteCount
    put(UInt8(ascii: "\""))
    needsComma = true
  }

  /// A name, and beside it all of its bytes as `hexKey` where the text could not hold them.
  package mutating func field(_ key: StaticString, hexKey: StaticString, _ name: KernelName?) {
    guard let name else { return }
    self.key(key)
    let isPlain = name.bytes.withUnsafeBufferPointer { quotePlain($0) }
    if isPlain { return }
    quote(name.text)
    if !name.isValidUTF8 { field(hexKey, name.hex) }
  }

  @inline(never)
  private mutating func key(_ key: StaticString) {
    reserve(key.utf8CodeUnitCount + JSONWriter.spareBytes)
    if needsComma { put(UInt8(ascii: ",")) }
    put(UInt8(ascii: "\""))
    copy(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
    put(UInt8(ascii: "\""))
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  @inline(never)
  private mutating func number(_ key: StaticString, _ magnitude: UInt64, isNegative: Bool) {
    self.key(key)
    decimal(magnitude, isNegative: isNegative)
  }

  @inline(never)
  private mutating func decimal(_ magnitude: UInt64, isNegative: Bool) {
    reserve(JSONWriter.spareBytes)
    if isNegative { put(UInt8(ascii: "-")) }
    count += Decimals.write(magnitude, to: buffer.baseAddress! + count)
    needsComma = true
  }

  @inline(never)
  private mutating func open(_ bracket: UInt8) {
    separate()
    reserve(1)
    put(bracket)
  }

  @inline(never)
  private mutating func close(_ bracket: UInt8) {
    reserve(1)
    put(bracket)
    needsComma = true
  }

  private mutating func separate() {
    reserve(1)
    if needsComma { put(UInt8(ascii: ",")) }
    needsComma = false
  }

  private mutating func raw(_ word: StaticString) {
    reserve(word.utf8CodeUnitCount)
    copy(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    needsComma = true
  }

  @inline(never)
  private mutating func quote(_ text: String) {
    var text = text
    if text.withUTF8({ quotePlain($0) }) { return }
    reserve(2)
    put(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars { escape(scalar) }
    reserve(1)
    put(UInt8(ascii: "\""))
    needsComma = true
  }

  /// Quotes printable ASCII, as nearly all text is; where anything else is in it, writes nothing and says false.
  @inline(never)
  private mutating func quotePlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    reserve(text.count + 2)
    var end = buffer.baseAddress! + count
    end.pointee = UInt8(ascii: "\"")
    end += 1
    for byte in text {
      guard byte >= 0x20, byte < 0x7f, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { return false }
      end.pointee = byte
      end += 1
    }
    end.pointee = UInt8(ascii: "\"")
    count += text.count + 2
    needsComma = true
    return true
  }

  /// Control characters are escaped, DEL and the C1 range too, so that a line is safe to show on a terminal.
  private mutating func escape(_ scalar: Unicode.Scalar) {
    reserve(6)
    switch scalar.value {
    case 0x22, 0x5c:
      put(UInt8(ascii: "\\"))
      put(UInt8(scalar.value))
    case 0x0a: escape(short: UInt8(ascii: "n"))
    case 0x09: escape(short: UInt8(ascii: "t"))
    case 0x0d: escape(short: UInt8(ascii: "r"))
    case 0x00..<0x20, 0x7f..<0xa0, 0x2028, 0x2029:
      escape(short: UInt8(ascii: "u"))
      for shift in stride(from: UInt32(12), through: 0, by: -4) {
        put(JSONWriter.hexDigits[Int(scalar.value >> shift & 15)])
      }
    default: for byte in UTF8.encode(scalar)! { put(byte) }
    }
  }

  private mutating func escape(short letter: UInt8) {
    put(UInt8(ascii: "\\"))
    put(letter)
  }

  /// Makes room for so many bytes more.
  private mutating func reserve(_ additional: Int) {
    if buffer.count - count < additional { grow(additional) }
  }

  @inline(never)
  private mutating func grow(_ additional: Int) {
    let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(buffer.count * 2, count + additional))
    larger.baseAddress!.initialize(from: buffer.baseAddress!, count: count)
    buffer.deallocate()
    buffer = larger
  }

  /// Into room that was reserved.
  private mutating func put(_ byte: UInt8) {
    buffer.baseAddress![count] = byte
    count += 1
  }

  private mutating func copy(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let start = bytes.baseAddress else { return }
    (buffer.baseAddress! + count).update(from: start, count: bytes.count)
    count += bytes.count
  }
}

/// Numbers as decimal digits, into memory that is there.
enum Decimals {
  /// Of the largest UInt64.
  static let digitsMax = 20

  /// As many digits as it takes; returns how many.
  static func write(_ number: UInt64, to start: UnsafeMutablePointer<UInt8>) -> Int {
    var count = 1
    var bound = number
    while bound >= 10 {
      bound /= 10
      count += 1
    }
    write(number, digits: count, to: start)
    return count
  }

  /// So many digits, with leading zeros.
  static func write(_ number: UInt64, digits: Int, to start: UnsafeMutablePointer<UInt8>) {
    var rest = number
    var place = digits
    while place > 0 {
      place -= 1
      start[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }
}
