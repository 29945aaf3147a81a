// SPDX-License-Identifier: Apache-2.0
import Events

/// Whom people want taken first, last, or never.
///
/// As earlyoom's --prefer and --avoid, which add and subtract 300 of what /proc/PID/oom_score shows: that is 450 thousandths
/// of the domain. Source: earlyoom(1). Kernel: fs/proc/base.c, proc_oom_score().
package struct GuardPreferences: Sendable {
  /// A pattern, and what it is held against.
  package struct Rule {
    package var field: GuardField
    package var pattern: GuardPattern

    /// `REGEX` of the name, or `FIELD=REGEX`.
    package init(_ text: String) throws(GuardPattern.Failure) {
      field = .comm
      var expression = text[...]
      if let equals = text.firstIndex(of: "="), let named = GuardField(rawValue: String(text[..<equals])) {
        field = named
        expression = text[text.index(after: equals)...]
      }
      do throws(GuardPattern.Failure) {
        pattern = try GuardPattern(String(expression))
      } catch {
        let before = text.utf8.count - expression.utf8.count
        throw GuardPattern.Failure(reason: error.reason, position: error.position + before)
      }
    }
  }

  package static let bonusPermille: Int64 = 450
  /// Patterns in all.
  package static let rulesMax = 64

  // Used by one thread alone, from its making on.
  nonisolated(unsafe) private let prefer: [Rule]
  nonisolated(unsafe) private let avoid: [Rule]
  nonisolated(unsafe) private let ignore: [Rule]

  package init(prefer: [Rule] = [], avoid: [Rule] = [], ignore: [Rule] = []) {
    self.prefer = prefer
    self.avoid = avoid
    self.ignore = ignore
  }

  package var isEmpty: Bool { prefer.isEmpty && avoid.isEmpty && ignore.isEmpty }
  /// Whether a pattern is held against containers, which have names beside their ids.
  package var asksForContainers: Bool { (prefer + avoid + ignore).contains { $0.field == .container } }

  /// Asks for no memory.
  ///
  /// - Parameters:
  ///   - bytes: gives a field, nil where the process has none or is gone.
  ///   - containerName: gives the name of the container with an id, nil where it is not known.
  package func verdict(
    _ bytes: (GuardField) -> UnsafeRawBufferPointer?,
    containerName: (UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? = { _ in nil }
  ) -> GuardVerdict {
    if GuardPreferences.anyMatches(ignore, bytes, containerName) { return .never }
    var bonus: Int64 = 0
    if GuardPreferences.anyMatches(prefer, bytes, containerName) { bonus += GuardPreferences.bonusPermille }
    if GuardPreferences.anyMatches(avoid, bytes, containerName) { bonus -= GuardPreferences.bonusPermille }
    return .may(bonusPermille: bonus)
  }

  private static func anyMatches(
    _ rules: [Rule], _ bytes: (GuardField) -> UnsafeRawBufferPointer?,
    _ containerName: (UnsafeRawBufferPointer) -> UnsafeRawBufferPointer?
  ) -> Bool {
    for index in rules.indices {
      guard let text = bytes(rules[index].field) else { continue }
      if rules[index].pattern.isFound(in: text) { return true }
      guard rules[index].field == .container, let name = containerName(text) else { continue }
      if rules[index].pattern.isFound(in: name) { return true }
    }
    return false
  }
}
