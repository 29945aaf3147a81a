// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct TerminalTextTests {
  static let rows: [(String, String)] = [
    ("", ""),
    ("a )", "a )"),
    ("grün 記憶 \u{1f480}", "grün 記憶 \u{1f480}"),
    ("\u{0}\u{7}\u{a}\u{1f}", #"\x00\x07\x0a\x1f"#),
    ("\u{1b}[31m\u{1b}]0;t\u{7}", #"\x1b[31m\x1b]0;t\x07"#),
    ("\u{7e}\u{7f}\u{80}\u{9b}2J\u{9f}\u{a0}", "~\\x7f\\x80\\x9b2J\\x9f\u{a0}"),
    ("a\u{202e}b\u{202c}", #"a\u{202e}b\u{202c}"#),
    ("\u{202a}\u{202d}\u{202f}", "\\u{202a}\\u{202d}\u{202f}"),
    ("\u{2066}\u{2069}\u{206a}\u{206f}", #"\u{2066}\u{2069}\u{206a}\u{206f}"#),
    ("\u{200b}\u{200e}\u{200f}\u{2010}", "\\u{200b}\\u{200e}\\u{200f}\u{2010}"),
    ("\u{61c}x", #"\u{61c}x"#),
    ("\u{2028}\u{2029}\u{2060}\u{feff}", #"\u{2028}\u{2029}\u{2060}\u{feff}"#),
    ("e\u{301}\r\n", "e\u{301}\\x0d\\x0a"),
  ]

  @Test("what moves the cursor, turns the text around or hides is shown as digits", arguments: rows)
  func safe(text: String, shown: String) {
    #expect(TerminalText.safe(text) == shown)
    #expect(TerminalText.safe(KernelName(text)) == shown)
  }

  @Test("broken UTF-8 is shown as U+FFFD")
  func brokenBytes() {
    #expect(TerminalText.safe(KernelName(bytes: [0xff, 0x1b, 0x61])) == "\u{fffd}\\x1ba")
  }

  @Test("no bytes can bring a control character to a terminal")
  func everyByte() {
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        let shown = TerminalText.safe(KernelName(bytes: [first, second]))
        if shown.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }) {
          Issue.record("\(first) \(second)")
        }
      }
    }
  }
}
