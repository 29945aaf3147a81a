// SPDX-License-Identifier: Apache-2.0
import Events

/// A text as YAML takes it, whatever is in it.
///
/// Always in double quotes, so that nothing in it is a mark, a number or a comment; what is not printable, and what changes
/// how a line looks, is escaped. Source: YAML 1.2.2, 5.7 and 7.3.1; YAML 1.1 has the same escapes.
enum YAMLText {
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22, 0x5c: result += "\\" + String(scalar)
      case 0x20..<0x7f: result.unicodeScalars.append(scalar)
      case 0x00..<0xa0: result += "\\x" + padded(scalar.value, digits: 2)
      case 0x61c, 0x200b..<0x2010, 0x2028..<0x202f, 0x2060..<0x2070, 0xfeff, 0xfff0..<0x10000:
        result += "\\u" + padded(scalar.value, digits: 4)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// The same for a comment, which has no escapes: it ends where its line does, and holds what a terminal can take.
  static func comment(_ text: String) -> String {
    let scalars = TerminalText.safe(text).unicodeScalars.map { (0xfff0..<0x10000).contains($0.value) ? "\u{fffd}" : $0 }
    return String(String.UnicodeScalarView(scalars))
  }

  private static func padded(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: digits - text.count) + text
  }
}
