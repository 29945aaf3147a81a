// SPDX-License-Identifier: Apache-2.0
import Events

/// Names in what people are to type: a name is anybody's, so it is quoted, or not there at all.
///
/// Source: POSIX.1-2024, Shell Command Language, 2.2 Quoting.
package enum ShellText {
  /// One word of a POSIX shell, whatever is in it; nil where it holds what nobody should paste: control characters, bytes
  /// that are no text, or marks that change how it looks.
  package static func quoted(_ name: KernelName) -> String? {
    guard name.isValidUTF8, !name.bytes.isEmpty, TerminalText.safe(name) == name.text else { return nil }
    if name.bytes.allSatisfy(isPlain), name.bytes.first != UInt8(ascii: "-") { return name.text }
    return "'" + name.text.replacing("'", with: #"'\''"#) + "'"
  }

  /// The name where it is a word that no program takes for an option or a pattern: letters, digits, `_` and `-`; else nil.
  static func plain(_ name: KernelName) -> String? {
    guard let first = name.bytes.first, first != UInt8(ascii: "-") else { return nil }
    return name.bytes.allSatisfy { isAlphanumeric($0) || "_-".utf8.contains($0) } ? name.text : nil
  }

  /// Nothing of these is the shell's.
  private static func isPlain(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || "_-./:@%+=".utf8.contains(byte) }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }
}
