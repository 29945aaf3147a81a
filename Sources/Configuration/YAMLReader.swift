// SPDX-License-Identifier: Apache-2.0
import Events

/// Takes values out of a document, each of the kind that is wanted, or says what is there instead.
package struct YAMLReader: Hashable, Sendable {
  /// What errors call the file.
  package let file: String

  package init(file: String) { self.file = file }

  /// Keys and values in the order of the text.
  ///
  /// - Parameter known: the keys that may come; nil: any.
  package func pairs(
    _ node: YAMLNode, of what: String, known: [String]?
  ) throws(ConfigurationError) -> [(key: String, value: YAMLNode)] {
    guard case .mapping(let pairs) = node.value else {
      throw error(.wrongKind(of: what, wanted: [.mapping], found: node.value.kind), node.place)
    }
    var found: [(String, YAMLNode)] = []
    for (key, value) in pairs {
      let name = if case .scalar(let name, _) = key.value { name } else { "" }
      guard known?.contains(name) ?? !name.isEmpty else {
        throw error(.unknownKey(name, known: known ?? []), key.place)
      }
      found.append((name, value))
    }
    return found
  }

  package func items(_ node: YAMLNode, of what: String) throws(ConfigurationError) -> [YAMLNode] {
    guard case .sequence(let items) = node.value else {
      throw error(.wrongKind(of: what, wanted: [.list], found: node.value.kind), node.place)
    }
    return items
  }

  /// A text that is not empty.
  package func text(_ node: YAMLNode, of what: String) throws(ConfigurationError) -> String {
    guard case .scalar(let text, _) = node.value else {
      throw error(.wrongKind(of: what, wanted: [.text], found: node.value.kind), node.place)
    }
    guard node.value.kind != .nothing, !text.isEmpty else { throw error(.emptyPattern(of: what), node.place) }
    return text
  }

  /// One text or a list of them.
  package func texts(_ node: YAMLNode, of what: String) throws(ConfigurationError) -> [String] {
    guard case .sequence(let items) = node.value else { return [try text(node, of: what)] }
    var texts: [String] = []
    for item in items { texts.append(try text(item, of: what)) }
    return texts
  }

  /// A path from the root.
  package func path(_ node: YAMLNode, of what: String) throws(ConfigurationError) -> String {
    let path = try text(node, of: what)
    guard path.hasPrefix("/") else { throw error(.notAbsolute(of: what, path), node.place) }
    return path
  }

  package func flag(_ node: YAMLNode, of what: String) throws(ConfigurationError) -> Bool {
    guard case .scalar(let text, isQuoted: false) = node.value, text == "true" || text == "false" else {
      throw error(.wrongKind(of: what, wanted: [.flag], found: node.value.kind), node.place)
    }
    return text == "true"
  }

  /// A whole number within `range`, with a factor where it ends in one of `units`.
  package func number(
    _ node: YAMLNode, of what: String, in range: ClosedRange<Int64>, units: [Unit] = []
  ) throws(ConfigurationError) -> Int64 {
    let text = try text(node, of: what)
    let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
    let suffix = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
    let factor: Int64? = suffix.isEmpty ? (units.isEmpty ? 1 : nil) : units.first { $0.suffix == suffix }?.factor
    guard let factor, let value = Int64(Substring(digits)), !value.multipliedReportingOverflow(by: factor).overflow,
      range.contains(value * factor)
    else {
      let least = YAMLReader.words(range.lowerBound, units)
      throw error(.outOfRange(of: what, text, least, YAMLReader.words(range.upperBound, units)), node.place)
    }
    return value * factor
  }

  /// What a number may end in.
  package struct Unit: Hashable, Sendable {
    package let suffix: String
    package let factor: Int64
  }

  /// Seconds, and more than one of them.
  package static let seconds = [
    Unit(suffix: "d", factor: 86_400), Unit(suffix: "h", factor: 3600), Unit(suffix: "m", factor: 60),
    Unit(suffix: "s", factor: 1),
  ]
  /// Bytes, by powers of 1024, as systemd writes them.
  package static let bytes = [
    Unit(suffix: "G", factor: 1 << 30), Unit(suffix: "M", factor: 1 << 20), Unit(suffix: "K", factor: 1 << 10),
    Unit(suffix: "B", factor: 1),
  ]

  /// `90m`, in the largest unit that divides it.
  private static func words(_ number: Int64, _ units: [Unit]) -> String {
    let unit = units.first { number != 0 && number % $0.factor == 0 } ?? units.last
    return unit.map { "\(number / $0.factor)\($0.suffix)" } ?? "\(number)"
  }

  package func error(_ fault: ConfigurationError.Fault, _ place: TextPlace) -> ConfigurationError {
    ConfigurationError(file: file, place: place, fault: fault)
  }
}
