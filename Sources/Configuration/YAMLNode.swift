// SPDX-License-Identifier: Apache-2.0

/// A place in a text, as editors count it.
package struct TextPlace: Hashable, Sendable {
  /// From 1.
  package var line: Int
  /// From 1, in characters.
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

/// A value of a YAML document, with the place where it begins.
///
/// Source: YAML 1.1 as libyaml has it; JSON is a part of it.
package struct YAMLNode: Hashable, Sendable {
  package indirect enum Value: Hashable, Sendable {
    /// - Parameter isQuoted: then it is a text, whatever is in it.
    case scalar(String, isQuoted: Bool)
    case sequence([YAMLNode])
    /// In the order of the text; no key is there twice.
    case mapping([(key: YAMLNode, value: YAMLNode)])

    package static func == (left: Value, right: Value) -> Bool {
      switch (left, right) {
      case (.scalar(let one, let isQuoted), .scalar(let other, let otherIsQuoted)):
        one == other && isQuoted == otherIsQuoted
      case (.sequence(let one), .sequence(let other)): one == other
      case (.mapping(let one), .mapping(let other)):
        one.map(\.key) == other.map(\.key) && one.map(\.value) == other.map(\.value)
      default: false
      }
    }
    package func hash(into hasher: inout Hasher) { hasher.combine(kind) }

    /// What it is, as the messages of errors call it.
    package var kind: YAMLKind {
      switch self {
      case .scalar("", isQuoted: false), .scalar("~", isQuoted: false), .scalar("null", isQuoted: false): .nothing
      case .scalar: .text
      case .sequence: .list
      case .mapping: .mapping
      }
    }
  }

  package var value: Value
  package var place: TextPlace
}

/// What a value is, or ought to be.
package enum YAMLKind: String, Sendable { case text, number, flag, list, mapping, nothing }
