// SPDX-License-Identifier: Apache-2.0

/// A size as Kubernetes writes it: `512Mi`, `1.5Gi`, `128974848`, `129e6`, `129M`, `128974848000m`.
///
/// Source: Kubernetes, k8s.io/apimachinery/pkg/api/resource/quantity.go.
enum Quantity {
  private static let binary: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60]
  private static let decimal: [String: Int] = ["k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "": 0]
  private static let fractions: [String: Int] = ["m": 3, "u": 6, "n": 9]

  /// Whole bytes, rounded up, and the most that an Int64 holds where there are more; nil where it is none, or below zero.
  static func bytes(_ text: String) -> Int64? {
    var rest = Substring(text)
    if rest.first == "+" { rest = rest.dropFirst() }
    let whole = rest.prefix(while: isDigit)
    rest = rest.dropFirst(whole.count)
    var fraction: Substring = ""
    if rest.first == "." {
      fraction = rest.dropFirst().prefix(while: isDigit)
      rest = rest.dropFirst(fraction.count + 1)
    }
    guard !(whole.isEmpty && fraction.isEmpty) else { return nil }
    guard let (powerOfTwo, powerOfTen) = scale(rest) else { return nil }
    let digits = whole.drop { $0 == "0" } + fraction
    return value(String(digits), powerOfTwo: powerOfTwo, powerOfTen: powerOfTen - fraction.count)
  }

  private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

  /// By what it is to be multiplied: powers of two and of ten.
  private static func scale(_ suffix: Substring) -> (two: Int, ten: Int)? {
    let text = String(suffix)
    if let ten = decimal[text] { return (0, ten) }
    if let ten = fractions[text] { return (0, -ten) }
    if text.count == 2, text.last == "i", let two = binary[text.first!] { return (two, 0) }
    guard text.first == "e" || text.first == "E", let exponent = Int(text.dropFirst()), abs(exponent) < 1000 else {
      return nil
    }
    return (0, exponent)
  }

  private static func value(_ digits: String, powerOfTwo: Int, powerOfTen: Int) -> Int64 {
    var (digits, ten, isRoundedUp) = (digits, powerOfTen, false)
    while digits.count > digitsMax, let last = digits.popLast() {
      if last != "0" { isRoundedUp = true }
      ten += 1
    }
    var value = UInt128(UInt64(digits) ?? 0) << UInt128(powerOfTwo)
    guard value > 0 else { return isRoundedUp ? 1 : 0 }
    guard ten <= 19 else { return .max }
    guard ten >= -38 else { return 1 }
    var power: UInt128 = 1
    for _ in 0..<abs(ten) { power *= 10 }
    if ten < 0 {
      if value % power > 0 { isRoundedUp = true }
      value /= power
    } else {
      let (product, overflow) = value.multipliedReportingOverflow(by: power)
      guard !overflow else { return .max }
      value = product
    }
    guard value < UInt128(Int64.max) else { return .max }
    return Int64(value) + (isRoundedUp ? 1 : 0)
  }

  /// So many fit an UInt64, and with sixty binary ones an UInt128.
  private static let digitsMax = 19
}
