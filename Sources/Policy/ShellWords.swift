// SPDX-License-Identifier: Apache-2.0

/// Reads what a shell would make of a simple line: words with quotes, and files of assignments as /etc/default has them.
///
/// No command is run and nothing is expanded but variables of the file itself; what is neither an assignment nor a comment
/// is passed over. Source: dash(1), Quoting; systemd.exec(5), EnvironmentFile.
package enum ShellWords {
  package enum Failure: Error, Hashable, Sendable {
    /// A quote that does not end; the line, from 1.
    case openQuote(line: Int)
    case tooLong
  }

  /// Of a file, and of what its variables grow to.
  package static let bytesMax = 64 * 1024

  /// The words of a line.
  package static func words(_ text: String) throws(Failure) -> [String] {
    var scanner = Scanner(text)
    var words: [String] = []
    while scanner.skipBlanks() {
      guard let word = scanner.word(variables: nil) else { throw .openQuote(line: 1) }
      words.append(word)
    }
    return words
  }

  /// What `name` is at the end of a file; nil where it is never set.
  package static func value(of name: String, in text: String) throws(Failure) -> String? {
    guard text.utf8.count <= bytesMax else { throw .tooLong }
    var scanner = Scanner(text)
    var variables: [String: String] = [:]
    while scanner.skipToWord() {
      guard let key = scanner.name(), scanner.takes("=") else {
        scanner.skipLine()
        continue
      }
      let line = scanner.line
      guard let value = scanner.word(variables: variables) else { throw .openQuote(line: line) }
      guard value.utf8.count <= bytesMax else { throw .tooLong }
      variables[key] = value
    }
    return variables[name]
  }

  private struct Scanner {
    private let text: [Character]
    private var place = 0
    private(set) var line = 1

    init(_ text: String) { self.text = Array(text) }

    private var current: Character? { place < text.count ? text[place] : nil }

    mutating func takes(_ wanted: Character) -> Bool {
      guard current == wanted else { return false }
      advance()
      return true
    }

    private mutating func advance() {
      if text[place].isNewline { line += 1 }
      place += 1
    }

    /// False at the end.
    mutating func skipBlanks() -> Bool {
      while let current, current.isWhitespace { advance() }
      return current != nil
    }

    /// Past blanks and comments; false at the end.
    mutating func skipToWord() -> Bool {
      while skipBlanks() {
        if current == "#" {
          skipLine()
        } else if text[place...].starts(with: "export ") {
          place += 7
        } else {
          return true
        }
      }
      return false
    }

    mutating func skipLine() { while let current, !current.isNewline { _ = takes(current) } }

    mutating func name() -> String? {
      let start = place
      while let current, current == "_" || (current.isASCII && (current.isLetter || current.isNumber)) { place += 1 }
      return place > start ? String(text[start..<place]) : nil
    }

    /// A word up to the next blank outside of quotes; nil where a quote does not end.
    mutating func word(variables: [String: String]?) -> String? {
      var word = ""
      while let current, !current.isWhitespace {
        advance()
        switch current {
        case "'": guard take(until: "'", into: &word) else { return nil }
        case "\"": guard takeQuoted(into: &word, variables) else { return nil }
        case "\\":
          if let next = self.current {
            advance()
            if !next.isNewline { word.append(next) }
          }
        case "$": word += variable(variables)
        default: word.append(current)
        }
      }
      return word
    }

    private mutating func take(until end: Character, into word: inout String) -> Bool {
      while let current {
        advance()
        if current == end { return true }
        word.append(current)
      }
      return false
    }

    private mutating func takeQuoted(into word: inout String, _ variables: [String: String]?) -> Bool {
      while let current {
        advance()
        switch current {
        case "\"": return true
        case "\\":
          guard let next = self.current else { return false }
          if "\"\\$`".contains(next) {
            advance()
            word.append(next)
          } else if next.isNewline {
            advance()
          } else {
            word.append("\\")
          }
        case "$": word += variable(variables)
        default: word.append(current)
        }
      }
      return false
    }

    /// After a dollar sign: what the variable holds, or the sign itself where no name follows, or none are known.
    private mutating func variable(_ variables: [String: String]?) -> String {
      guard let variables else { return "$" }
      let start = place
      let isBraced = takes("{")
      guard let name = name(), !isBraced || takes("}") else {
        place = start
        return "$"
      }
      return variables[name] ?? ""
    }
  }
}
