// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Walks over bytes from left to right, and takes only what is exactly there.
///
/// A failed step moves nothing, so that steps chain with `guard`. No regular expression: a process may be named like one.
struct ByteScanner {
  /// Sizes that a kernel may print and that no later sum can overflow, in pages or kilobytes.
  static let sane: ClosedRange<Int64> = -(1 << 50)...(1 << 50)

  private let bytes: ArraySlice<UInt8>
  private(set) var index: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  var isAtEnd: Bool { index == bytes.endIndex }

  func isAt(_ byte: UInt8) -> Bool { index < bytes.endIndex && bytes[index] == byte }

  var rest: ArraySlice<UInt8> { bytes[index...] }

  mutating func skip(_ literal: StaticString) -> Bool {
    let length = literal.utf8CodeUnitCount
    guard bytes.endIndex - index >= length else { return false }
    let start = index - bytes.startIndex
    let isThere = bytes.withUnsafeBufferPointer {
      length == 0 || memcmp($0.baseAddress! + start, literal.utf8Start, length) == 0
    }
    if isThere { index += length }
    return isThere
  }

  mutating func skipSpaces() { while index < bytes.endIndex, bytes[index] == 0x20 { index += 1 } }

  /// Decimal digits, with a minus where the type has one; nil where there are none or too many.
  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number? {
    var end = index
    let isNegative = Number.isSigned && end < bytes.endIndex && bytes[end] == UInt8(ascii: "-")
    if isNegative { end += 1 }
    let digits = end
    var number: Number = 0
    while end < bytes.endIndex, bytes[end].isDigit {
      let digit = Number(truncatingIfNeeded: bytes[end] - UInt8(ascii: "0"))
      let (shifted, isTooLong) = number.multipliedReportingOverflow(by: 10)
      let (sum, isTooLarge) =
        isNegative ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
      guard !isTooLong, !isTooLarge else { return nil }
      number = sum
      end += 1
    }
    guard end > digits else { return nil }
    index = end
    return number
  }

  /// The number of no more than so many digits, up to 18; those after them are left. Nil where there is none.
  mutating func digits(atMost count: Int) -> Int? {
    let end = index + min(count, bytes.endIndex - index)
    let start = index
    var number = 0
    while index < end, bytes[index].isDigit {
      number = number * 10 + Int(bytes[index] - UInt8(ascii: "0"))
      index += 1
    }
    return index > start ? number : nil
  }

  /// A number and the unit that must follow it.
  mutating func number<Number: FixedWidthInteger>(after label: StaticString, unit: StaticString = "") -> Number? {
    var ahead = self
    guard ahead.skip(label), let number = ahead.number(Number.self), ahead.skip(unit) else { return nil }
    self = ahead
    return number
  }

  /// `0x` and hexadecimal digits.
  mutating func hexadecimal() -> UInt64? {
    var ahead = self
    guard ahead.skip("0x") else { return nil }
    let digits = ahead.take { $0.hexDigitValue != nil }
    guard let number = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
    self = ahead
    return number
  }

  /// The bytes up to the first that `belongs` refuses; may be none.
  mutating func take(while belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
    let start = index
    while index < bytes.endIndex, belongs(bytes[index]) { index += 1 }
    return bytes[start..<index]
  }

  /// A user id, which the kernel prints as `%d` in some lines and as `%u` in others: 4294967294 is -2 there.
  mutating func userID() -> UInt32? {
    var ahead = self
    guard let number = ahead.number(Int64.self), let id = UInt32(exactly: number >= 0 ? number : number + 1 << 32)
    else {
      return nil
    }
    self = ahead
    return id
  }
}

extension UInt8 {
  var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

  var hexDigitValue: UInt8? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// A byte of a list of nodes: `0-1,3`.
  var isInNodeList: Bool { isDigit || self == UInt8(ascii: ",") || self == UInt8(ascii: "-") }
}

extension ArraySlice<UInt8> {
  func begins(with literal: StaticString) -> Bool {
    let length = literal.utf8CodeUnitCount
    guard count >= length else { return false }
    return withUnsafeBufferPointer { memcmp($0.baseAddress!, literal.utf8Start, length) == 0 }
  }

  func begins(with other: ArraySlice<UInt8>) -> Bool {
    guard count >= other.count else { return false }
    return withUnsafeBufferPointer { bytes in
      other.withUnsafeBufferPointer { $0.isEmpty || memcmp(bytes.baseAddress!, $0.baseAddress!, $0.count) == 0 }
    }
  }

  /// As contains(), many bytes at a time.
  func holds(_ byte: UInt8) -> Bool {
    withUnsafeBufferPointer { $0.isEmpty ? false : memchr($0.baseAddress!, Int32(byte), $0.count) != nil }
  }

  func ends(with literal: StaticString) -> Bool { suffix(literal.utf8CodeUnitCount).begins(with: literal) }

  /// Where `literal` begins, each place, from left to right.
  func places(of literal: StaticString) -> [Int] {
    let length = literal.utf8CodeUnitCount
    return withUnsafeBufferPointer { bytes in
      var found: [Int] = []
      guard let base = bytes.baseAddress else { return found }
      var from = 0
      while bytes.count - from >= length,
        let place = memmem(base + from, bytes.count - from, literal.utf8Start, length)
      {
        let offset = UnsafeRawPointer(place) - UnsafeRawPointer(base)
        found.append(startIndex + offset)
        from = offset + 1
      }
      return found
    }
  }
}
