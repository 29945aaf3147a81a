// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Policy

/// What people declare: the daemon's configuration, files of rules, and the journal of what rules have changed.
///
/// A text is taken as a whole or refused with a place in it; what is taken keeps to the bounds that it is documented
/// with; and a line of the journal is read again as it was written.
enum ConfigurationFuzz {
  /// Of a journal: more of them would only take time.
  private static let linesMax = 8

  static func take(_ input: [UInt8]) throws(FuzzFault) {
    try daemon(input)
    try rules(input)
    try journal(input)
  }

  private static func daemon(_ input: [UInt8]) throws(FuzzFault) {
    let file: DaemonFile
    do throws(ConfigurationError) {
      file = try DaemonFile(input, file: "f")
    } catch {
      return try holdPlace(error, input)
    }
    try hold(file.stateDirectory.hasPrefix("/"), "a state directory that is not below the root")
    for section in [file.trace, file.pressure, file.guardian, file.protect].compactMap({ $0 }) {
      for setting in section.settings {
        try holdPlace(setting.place, input)
        for argument in setting.arguments {
          try hold(argument.hasPrefix("--") && argument.utf8.count > 2, "an argument that is no option")
          try hold(!argument.utf8.contains(0), "an argument with NUL")
        }
      }
    }
    for node in file.nodes.values { try values(of: node) }
  }

  /// Asks a value of a section with a shape of its own for whatever it may be.
  private static func values(of node: YAMLNode) throws(FuzzFault) {
    let reader = YAMLReader(file: "f")
    let units = [YAMLReader.seconds, YAMLReader.bytes, []]
    for units in units {
      guard let number = try? reader.number(node, of: "a", in: -1...1 << 50, units: units) else { continue }
      try hold((-1...1 << 50).contains(number), "a number out of its range")
    }
    if let path = try? reader.path(node, of: "a") { try hold(path.hasPrefix("/"), "a path that is not of the root") }
    if let texts = try? reader.texts(node, of: "a") { try hold(!texts.contains(""), "an empty text") }
    _ = try? reader.flag(node, of: "a")
    switch node.value {
    case .scalar: break
    case .sequence(let items): for item in items { try values(of: item) }
    case .mapping(let pairs): for (_, value) in pairs { try values(of: value) }
    }
  }

  private static func rules(_ input: [UInt8]) throws(FuzzFault) {
    let strict: RuleFile
    let lenient: RuleFile
    do throws(ConfigurationError) {
      strict = try RuleFile(input, file: "f", allowsUnkillable: false)
      lenient = try RuleFile(input, file: "f", allowsUnkillable: true)
    } catch {
      return try holdPlace(error, input)
    }
    for fault in strict.faults { try holdPlace(fault, input) }
    let killable = lenient.rules.filter { $0.oomScoreAdj != -1000 }
    try hold(strict.rules == killable, "what may be unkillable changes other rules")
    try hold(
      strict.rules.count + strict.faults.count == lenient.rules.count + lenient.faults.count, "a rule is lost")
    for rule in lenient.rules {
      try hold((-1000...1000).contains(rule.oomScoreAdj), "an oom_score_adj out of its range")
      try hold(!rule.patterns.isEmpty, "a rule for everybody")
      try hold(rule.patterns.values.allSatisfy { !$0.isEmpty && !$0.contains("") }, "an empty pattern")
      var subject = ProtectionSubject(pid: 7, comm: KernelName("sshd"))
      try hold(!rule.matches(subject) { _, _ in false }, "a rule that matches where no pattern does")
      (subject.user, subject.cgroup, subject.unit) = ("root", KernelName("/a"), "a.service")
      _ = rule.matches(subject) { pattern, name in name.map { pattern.utf8.count > $0.bytes.count } ?? false }
    }
  }

  private static func journal(_ input: [UInt8]) throws(FuzzFault) {
    let lines = Array(input.split(separator: 0x0a, omittingEmptySubsequences: false).prefix(linesMax))
    let entries = lines.compactMap { JournalEntry(line: $0) }
    for entry in entries {
      let line = entry.line
      try hold(line.starts(with: JournalEntry.beginning) && line.last == 0x0a, "a line that is none of the journal's")
      try FuzzedText.holdLine(line.dropLast(), "a line of the journal")
      try hold(JournalEntry(line: line) == entry, "a line of the journal is read otherwise than it was written")
      let way = JournalEntry.wayBack(entries, from: entry.adjAfter)
      try hold((0...entries.count).contains(way.left), "more is left than there was")
      try hold((-1000...1000).contains(way.value), "a way back out of the range")
    }
    let compacted = JournalEntry.compacted(lines) { _ in true }
    try hold(compacted.count <= lines.count, "a journal grows when it is compacted")
    let again = JournalEntry.compacted(compacted.map { $0.dropLast() }) { _ in true }
    try hold(again == compacted, "a compacted journal is not compact")
  }

  private static func holdPlace(_ error: ConfigurationError, _ input: [UInt8]) throws(FuzzFault) {
    try holdPlace(error.place, input)
  }

  /// Lines of YAML end in more ways than one: no line is behind the last byte, and no column behind its line.
  private static func holdPlace(_ place: TextPlace, _ input: [UInt8]) throws(FuzzFault) {
    try hold((1...input.count + 1).contains(place.line), "line \(place.line) is not in the text")
    try hold((1...input.count + 1).contains(place.column), "column \(place.column) is not in the text")
  }
}
