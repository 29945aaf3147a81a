// SPDX-License-Identifier: Apache-2.0
import Events

/// What holds of every text of ours, whoever chose the names in it.
enum FuzzedText {
  /// One line of JSON that a terminal may show, without its newline.
  static func holdLine(_ line: some Collection<UInt8>, _ what: String) throws(FuzzFault) {
    guard let text = String(validating: line, as: UTF8.self) else {
      throw FuzzFault(description: "\(what) is not UTF-8")
    }
    try hold(!text.unicodeScalars.contains(where: isControl), "a control character in \(what)")
    try holdJSON(Array(line), what)
  }

  static func holdJSON(_ bytes: [UInt8], _ what: String) throws(FuzzFault) {
    try hold(String(validating: bytes, as: UTF8.self) != nil, "\(what) is not UTF-8")
    var rest = bytes
    var json = JSONReader {
      defer { rest = [] }
      return rest
    }
    do throws(JSONReader.Fault) {
      try json.skip()
      try json.end()
    } catch {
      throw FuzzFault(description: "\(what) is no JSON: \(error)")
    }
  }

  /// Lines that a terminal shows as they are meant.
  static func holdTerminal(_ text: String, _ what: String) throws(FuzzFault) {
    try hold(text.hasSuffix("\n"), "\(what) does not end its line")
    for line in text.split(separator: "\n") {
      try hold(TerminalText.safe(String(line)) == line, "\(what) has what a terminal obeys")
    }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
  }
}
