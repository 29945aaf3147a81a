// SPDX-License-Identifier: Apache-2.0

/// Decimal numbers as the kernel prints them: digits alone, nothing around them, nil where they do not fit.
enum Decimal {
  static func unsigned<Number: FixedWidthInteger>(_ digits: some Collection<UInt8>) -> Number? {
    guard !digits.isEmpty else { return nil }
    var number: Number = 0
    for digit in digits {
      guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
      let (product, overflowed) = number.multipliedReportingOverflow(by: 10)
      let (sum, carried) = product.addingReportingOverflow(Number(digit - UInt8(ascii: "0")))
      if overflowed || carried { return nil }
      number = sum
    }
    return number
  }

  /// As `unsigned`, with an optional minus. The least number of a type does not fit, and no file of ours holds it.
  static func signed<Number: FixedWidthInteger>(_ text: ArraySlice<UInt8>) -> Number? {
    guard text.first == UInt8(ascii: "-") else { return unsigned(text) }
    guard let number: Number = unsigned(text.dropFirst()) else { return nil }
    let (negative, overflowed) = Number(0).subtractingReportingOverflow(number)
    return overflowed ? nil : negative
  }

  /// Bytes of a kernel file's "kB" as whole pages; nil where they do not fit.
  static func pages(kibibytes: Int64, pageSizeBytes: Int) -> Int64? {
    let (bytes, overflowed) = kibibytes.multipliedReportingOverflow(by: 1024)
    return overflowed ? nil : bytes / Int64(pageSizeBytes)
  }
}

extension ArraySlice<UInt8> {
  /// What follows `prefix`, or nil where the bytes do not begin with it.
  func dropping(_ prefix: StaticString) -> ArraySlice<UInt8>? {
    prefix.withUTF8Buffer { starts(with: $0) ? dropFirst($0.count) : nil }
  }

  func isEqual(to text: StaticString) -> Bool { dropping(text)?.isEmpty == true }

  /// The words between blanks, tabs among them.
  var words: [ArraySlice<UInt8>] { split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }
}
