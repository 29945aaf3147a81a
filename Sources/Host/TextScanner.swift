// SPDX-License-Identifier: Apache-2.0

/// Reads the lines of a small file from left to right, without a slice or an array between.
///
/// For files that are read at each kill. `skip`, `digit` and `endLine` do not move where they say no.
struct TextScanner {
  private let text: UnsafeBufferPointer<UInt8>
  private var position = 0
  /// Of the line that it stands in, from 1.
  private(set) var line = 1

  init(_ text: UnsafeBufferPointer<UInt8>) { self.text = text }

  var isAtEnd: Bool { position == text.count }

  /// Goes past these bytes, if they are what comes.
  mutating func skip(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard text.count - position >= count else { return false }
    for index in 0..<count where text[position + index] != word.utf8Start[index] { return false }
    position += count
    return true
  }

  mutating func skipBlanks() {
    while position < text.count, text[position] == UInt8(ascii: " ") || text[position] == UInt8(ascii: "\t") {
      position += 1
    }
  }

  /// Decimal digits; nil where none come, or more than fit.
  mutating func number() -> Int64? {
    var number: Int64 = 0
    var end = position
    while end < text.count, text[end] >= UInt8(ascii: "0"), text[end] <= UInt8(ascii: "9") {
      let (product, overflowed) = number.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(Int64(text[end] - UInt8(ascii: "0")))
      if overflowed || carried { return nil }
      number = sum
      end += 1
    }
    guard end > position else { return nil }
    position = end
    return number
  }

  mutating func digit() -> Int64? {
    guard position < text.count, text[position] >= UInt8(ascii: "0"), text[position] <= UInt8(ascii: "9") else {
      return nil
    }
    position += 1
    return Int64(text[position - 1] - UInt8(ascii: "0"))
  }

  /// Whether the rest of this line has a colon, which ends a name.
  var isNamed: Bool {
    for byte in text[position...] {
      if byte == UInt8(ascii: ":") { return true }
      if byte == UInt8(ascii: "\n") { return false }
    }
    return false
  }

  /// Goes to the next line, if this one ends here.
  mutating func endLine() -> Bool {
    guard position < text.count else { return true }
    guard text[position] == UInt8(ascii: "\n") else { return false }
    position += 1
    line += 1
    return true
  }

  /// Goes to the next line, whatever is left of this one.
  mutating func leaveLine() {
    while position < text.count, text[position] != UInt8(ascii: "\n") { position += 1 }
    _ = endLine()
  }
}
