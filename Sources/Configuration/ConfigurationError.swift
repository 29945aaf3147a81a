// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a text that somebody wrote, and where: facts, which the command words.
///
/// Source: libyaml's yaml_parser_t, and docs/protect.md.
package struct ConfigurationError: Error, Hashable, Sendable {
  package enum Fault: Hashable, Sendable {
    /// No YAML; in libyaml's words.
    case syntax(String)
    /// `&name` or `*name`: nothing here needs them, and they can make a small file huge.
    case alias
    /// A second document after `---`.
    case secondDocument
    case tooDeep(limit: Int)
    case tooManyNodes(limit: Int)
    /// NUL, which no name of the kernel's holds.
    case holdsNUL
    case duplicateKey(String, firstLine: Int)
    case unknownKey(String, known: [String])
    case missingKey(String)
    case wrongKind(of: String, wanted: [YAMLKind], found: YAMLKind)
    /// A rule that says of nobody whom it is for, or a list of no patterns.
    case emptyMatch
    case emptyPattern(of: String)
    /// A path that does not begin at the root.
    case notAbsolute(of: String, String)
    /// A number, with its bounds as people write them.
    case outOfRange(of: String, String, String, String)
    /// What the option of the same name says of its value; a sentence.
    case refused(String)
    /// Not -1000 to 1000.
    case adjOutOfRange(String)
    /// -1000, and nobody has said that it may be.
    case unkillable
  }

  package var file: String
  package var place: TextPlace
  package var fault: Fault

  package init(file: String, place: TextPlace, fault: Fault) {
    self.file = file
    self.place = place
    self.fault = fault
  }
}
