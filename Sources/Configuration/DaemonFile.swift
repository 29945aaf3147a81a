// SPDX-License-Identifier: Apache-2.0

/// What /etc/oomwitness/config.yaml says, read as far as it can be without knowing the commands.
///
/// The sections trace, pressure, guard and protect take the options of the command of that name, written with `_` for `-`:
/// so each has one list of what it understands. Shape: docs/daemon.md.
package struct DaemonFile: Hashable, Sendable {
  /// One key of a section, as the command line has it.
  package struct Setting: Hashable, Sendable {
    /// As the file has it.
    package var key: String
    package var place: TextPlace
    /// `--memory=70,85,95`, one for each value of a list; none for a flag that is off.
    package var arguments: [String]
  }

  /// A command's options; nil in `DaemonFile` where it is not asked for.
  package struct Section: Hashable, Sendable {
    package var name: String
    package var place: TextPlace
    package var settings: [Setting] = []

    package init(name: String, place: TextPlace) { (self.name, self.place) = (name, place) }
  }

  package private(set) var hostName: String?
  /// Where what outlives the process is kept.
  package private(set) var stateDirectory = "/var/lib/oomwitness"
  package private(set) var trace = Section(name: "trace", place: TextPlace(line: 1, column: 1))
  package private(set) var pressure: Section? = Section(name: "pressure", place: TextPlace(line: 1, column: 1))
  package private(set) var guardian: Section?
  package private(set) var protect: Section?
  /// Sections with shapes of their own: the whole value, as it stands.
  package private(set) var nodes: [String: YAMLNode] = [:]

  /// What a file may say.
  package static let keys = [
    "host_name", "state_directory", "trace", "pressure", "guard", "protect", "sinks", "history", "metrics",
  ]

  private let reader: YAMLReader

  /// - Parameter file: what errors call it.
  package init(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
    reader = YAMLReader(file: file)
    // An empty file is one that changes nothing.
    guard let root = try YAMLParser.document(bytes, file: file), root.value.kind != .nothing else { return }
    for (key, value) in try reader.pairs(root, of: "the configuration", known: DaemonFile.keys) {
      switch key {
      case "host_name": hostName = try reader.text(value, of: key)
      case "state_directory": stateDirectory = try reader.path(value, of: key)
      case "trace": trace = try section(value, key) ?? trace
      case "pressure": pressure = try section(value, key)
      case "guard": guardian = try section(value, key)
      case "protect": protect = try section(value, key)
      default: nodes[key] = value
      }
    }
  }

  /// Nil where it is `false`; `true` and nothing are the defaults.
  private func section(_ node: YAMLNode, _ name: String) throws(ConfigurationError) -> Section? {
    var section = Section(name: name, place: node.place)
    if case .scalar(let text, isQuoted: false) = node.value {
      if text == "false" { return nil }
      if text == "true" || node.value.kind == .nothing { return section }
    }
    for (key, value) in try reader.pairs(node, of: name, known: nil) {
      let option =
        "--" + String(decoding: key.utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }, as: UTF8.self)
      let items: [YAMLNode] = if case .sequence(let items) = value.value { items } else { [value] }
      var arguments: [String] = []
      for item in items {
        guard case .scalar(let text, let isQuoted) = item.value, isQuoted || item.value.kind != .nothing else {
          throw reader.error(.wrongKind(of: key, wanted: [.text, .list], found: item.value.kind), item.place)
        }
        if !isQuoted, text == "true" {
          arguments.append(option)
        } else if isQuoted || text != "false" {
          arguments.append("\(option)=\(text)")
        }
      }
      section.settings.append(Setting(key: key, place: value.place, arguments: arguments))
    }
    return section
  }
}
