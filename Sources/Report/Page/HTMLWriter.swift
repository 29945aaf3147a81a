// SPDX-License-Identifier: Apache-2.0
import Events

/// Writes a piece of an HTML page as UTF-8.
///
/// Markup is a StaticString, so that it can only come from this program's source; whatever a log says goes in as text or as
/// an attribute's value, and is escaped there. Source: HTML, 13.1.2.3 "Attributes", 13.1.4 "Character references", and
/// 4.12.1.3 "Restrictions for contents of script elements".
struct HTMLWriter {
  private(set) var bytes: [UInt8] = []

  /// Markup of ours, as it stands.
  mutating func markup(_ markup: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: markup.utf8Start, count: markup.utf8CodeUnitCount))
  }

  /// A tag with attributes; their values may be anybody's.
  mutating func open(_ tag: StaticString, _ attributes: [(StaticString, String)] = []) {
    markup("<")
    markup(tag)
    for (name, value) in attributes {
      markup(" ")
      markup(name)
      markup("=\"")
      text(value)
      markup("\"")
    }
    markup(">")
  }

  mutating func close(_ tag: StaticString) {
    markup("</")
    markup(tag)
    markup(">")
  }

  /// An element that holds text alone.
  mutating func element(_ tag: StaticString, _ attributes: [(StaticString, String)], _ text: String) {
    open(tag, attributes)
    self.text(text)
    close(tag)
  }

  mutating func element(_ tag: StaticString, _ text: String) { element(tag, [], text) }

  /// Anybody's text: control characters and the marks that turn text around are shown as `\x1b` and `\u{202e}`.
  mutating func text(_ text: String) {
    var isPlain = true
    for byte in text.utf8 where byte < 0x20 || byte >= 0x7f { isPlain = false }
    for byte in (isPlain ? text : TerminalText.safe(text)).utf8 {
      switch byte {
      case UInt8(ascii: "&"): markup("&amp;")
      case UInt8(ascii: "<"): markup("&lt;")
      case UInt8(ascii: ">"): markup("&gt;")
      case UInt8(ascii: "\""): markup("&quot;")
      case UInt8(ascii: "'"): markup("&#39;")
      default: bytes.append(byte)
      }
    }
  }

  /// Text of several lines, which stay lines.
  mutating func lines(_ text: String) {
    for (place, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if place > 0 { markup("\n") }
      self.text(String(line))
    }
  }

  /// JSON that the page's script reads: a `<` stands in its strings alone, where JSON can say it otherwise.
  mutating func data(_ json: [UInt8]) {
    markup("<script type=\"application/json\">")
    for byte in json {
      if byte == UInt8(ascii: "<") { markup("\\u003c") } else { bytes.append(byte) }
    }
    markup("</script>")
  }
}
