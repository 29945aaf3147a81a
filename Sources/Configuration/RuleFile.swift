// SPDX-License-Identifier: Apache-2.0
import Policy

/// A file of rules, read.
///
/// A file that is no YAML, or says what nobody understands, is refused as a whole. A rule whose value cannot be is left
/// out, and the rest stays. Shape: docs/protect.md.
package struct RuleFile: Hashable, Sendable {
  package private(set) var rules: [ProtectionRule] = []
  /// Why rules were left out.
  package private(set) var faults: [ConfigurationError] = []

  private let file: String
  private let allowsUnkillable: Bool

  /// - Parameters:
  ///   - file: what errors, and the origins of rules, call it.
  ///   - allowsUnkillable: -1000 is taken.
  package init(_ bytes: [UInt8], file: String, allowsUnkillable: Bool) throws(ConfigurationError) {
    self.file = file
    self.allowsUnkillable = allowsUnkillable
    guard let root = try YAMLParser.document(bytes, file: file) else {
      throw error(.missingKey("rules"), TextPlace(line: 1, column: 1))
    }
    let fields = try mapping(root, of: "a file of rules", known: ["rules"])
    guard let list = fields["rules"] else { throw error(.missingKey("rules"), root.place) }
    guard case .sequence(let items) = list.value else {
      throw error(.wrongKind(of: "rules", wanted: [.list], found: list.value.kind), list.place)
    }
    for item in items { try addRule(item) }
  }

  private mutating func addRule(_ node: YAMLNode) throws(ConfigurationError) {
    let fields = try mapping(node, of: "a rule", known: ["name", "match", "oom_score_adj", "reason"])
    guard let match = fields["match"] else { throw error(.missingKey("match"), node.place) }
    guard let value = fields["oom_score_adj"] else { throw error(.missingKey("oom_score_adj"), node.place) }
    let patterns = try self.patterns(match)
    let origin = "\(file):\(node.place.line)"
    let name = try fields["name"].map { node throws(ConfigurationError) in try text(node, of: "name") }
    let reason = try fields["reason"].map { node throws(ConfigurationError) in try text(node, of: "reason") }
    guard case .scalar(let digits, isQuoted: false) = value.value, RuleFile.isWhole(digits) else {
      throw error(.wrongKind(of: "oom_score_adj", wanted: [.number], found: value.value.kind), value.place)
    }
    if let fault = RuleFile.fault(ofValue: digits, allowsUnkillable: allowsUnkillable) {
      faults.append(error(fault, value.place))
      return
    }
    rules.append(
      ProtectionRule(
        name: name ?? origin, patterns: patterns, oomScoreAdj: Int(digits) ?? 0, reason: reason, origin: origin))
  }

  /// What is wrong with a whole number as oom_score_adj; nil where nothing is.
  ///
  /// Kernel: include/uapi/linux/oom.h, OOM_SCORE_ADJ_MIN and OOM_SCORE_ADJ_MAX.
  package static func fault(ofValue digits: String, allowsUnkillable: Bool) -> ConfigurationError.Fault? {
    guard let value = Int(digits), (-1000...1000).contains(value) else { return .adjOutOfRange(digits) }
    return value == -1000 && !allowsUnkillable ? .unkillable : nil
  }

  /// Digits with or without a sign.
  package static func isWhole(_ text: String) -> Bool {
    let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    return !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  private func patterns(_ node: YAMLNode) throws(ConfigurationError) -> [ProtectionRule.Key: [String]] {
    let known = ProtectionRule.Key.allCases
    let fields = try mapping(node, of: "match", known: known.map(\.rawValue))
    guard !fields.isEmpty else { throw error(.emptyMatch, node.place) }
    var patterns: [ProtectionRule.Key: [String]] = [:]
    for key in known {
      guard let value = fields[key.rawValue] else { continue }
      if case .sequence(let items) = value.value {
        guard !items.isEmpty else { throw error(.emptyMatch, value.place) }
        var list: [String] = []
        for item in items { list.append(try text(item, of: key.rawValue)) }
        patterns[key] = list
      } else {
        patterns[key] = [try text(value, of: key.rawValue, orList: true)]
      }
    }
    return patterns
  }

  private func mapping(
    _ node: YAMLNode, of what: String, known: [String]
  ) throws(ConfigurationError) -> [String: YAMLNode] {
    Dictionary(
      uniqueKeysWithValues: try YAMLReader(file: file).pairs(node, of: what, known: known).map { ($0.key, $0.value) })
  }

  private func text(_ node: YAMLNode, of what: String, orList: Bool = false) throws(ConfigurationError) -> String {
    guard case .scalar(let text, _) = node.value else {
      let wanted: [YAMLKind] = orList ? [.text, .list] : [.text]
      throw error(.wrongKind(of: what, wanted: wanted, found: node.value.kind), node.place)
    }
    guard node.value.kind != .nothing, !text.isEmpty else { throw error(.emptyPattern(of: what), node.place) }
    return text
  }

  private func error(_ fault: ConfigurationError.Fault, _ place: TextPlace) -> ConfigurationError {
    ConfigurationError(file: file, place: place, fault: fault)
  }
}
