// SPDX-License-Identifier: Apache-2.0

/// Reads thresholds as they are written: `10`, `10,5`, `2.5`, and sizes in KiB.
///
/// Source: earlyoom(1): without a second number it is half of the first.
package enum GuardNumbers {
  package enum Failure: Error, Hashable, Sendable {
    case notANumber(String)
    /// More than 100 percent, or more than any memory has.
    case outOfRange(String)
    /// The threshold of SIGKILL is above that of SIGTERM.
    case outOfOrder(terminate: String, kill: String)
  }

  /// In hundredths of a percent.
  package static func percents(_ text: String) throws(Failure) -> GuardThresholds.Pair {
    try pair(text, most: 10_000, hundredths)
  }

  /// In KiB.
  package static func kibibytes(_ text: String) throws(Failure) -> GuardThresholds.Pair {
    try pair(text, most: 1 << 50) { Int64($0).flatMap { $0 >= 0 ? $0 : nil } }
  }

  /// One percentage, in hundredths of a percent.
  package static func percent(_ text: String) throws(Failure) -> Int64 {
    guard let value = hundredths(text[...]) else { throw .notANumber(text) }
    guard value > 0, value <= 10_000 else { throw .outOfRange(text) }
    return value
  }

  private static func pair(
    _ text: String, most: Int64, _ read: (Substring) -> Int64?
  ) throws(Failure) -> GuardThresholds.Pair {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let terminate = read(parts[0]) else { throw .notANumber(text) }
    guard terminate > 0, terminate <= most else { throw .outOfRange(String(parts[0])) }
    guard parts.count == 2 else { return GuardThresholds.Pair(terminate: terminate, kill: terminate / 2)! }
    guard let kill = read(parts[1]) else { throw .notANumber(text) }
    guard kill <= most else { throw .outOfRange(String(parts[1])) }
    guard let pair = GuardThresholds.Pair(terminate: terminate, kill: kill) else {
      throw .outOfOrder(terminate: String(parts[0]), kill: String(parts[1]))
    }
    return pair
  }

  /// "12.5" as 1250; nil where it is no such number, or finer than a hundredth.
  private static func hundredths(_ text: Substring) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), (1...6).contains(parts[0].utf8.count), isDigits(parts[0]),
      let whole = Int64(parts[0])
    else { return nil }
    guard parts.count == 2 else { return whole * 100 }
    guard (1...2).contains(parts[1].utf8.count), isDigits(parts[1]), let rest = Int64(parts[1]) else { return nil }
    return whole * 100 + (parts[1].utf8.count == 1 ? rest * 10 : rest)
  }

  private static func isDigits(_ text: Substring) -> Bool { text.utf8.allSatisfy { (0x30...0x39).contains($0) } }
}
