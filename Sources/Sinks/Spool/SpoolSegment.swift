// SPDX-License-Identifier: Apache-2.0
import Glibc

/// One file of the spool: `NUMBER.spool`, by the number of its first record, in twenty digits.
struct SpoolSegment {
  /// Name and version of the format, then the first number; a reader needs neither, a person who looks at it does.
  static let magic = Array("OOMWSPL1".utf8)
  static let headerBytes = 16
  private static let suffix = ".spool"

  let first: UInt64
  var bytes: Int64

  var name: String { SpoolSegment.name(first) }

  static func name(_ first: UInt64) -> String {
    let digits = String(first)
    return String(repeating: "0", count: 20 - digits.count) + digits + suffix
  }

  /// Nil where it is no name of one; there is no line 0.
  static func first(ofName name: String) -> UInt64? {
    guard name.utf8.count == 26, name.hasSuffix(suffix) else { return nil }
    let digits = name.dropLast(suffix.count)
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let first = UInt64(digits) else { return nil }
    return (1...SpoolFrame.numberMax).contains(first) ? first : nil
  }

  static func header(_ first: UInt64) -> [UInt8] {
    magic + withUnsafeBytes(of: first.littleEndian) { Array($0) }
  }
}
