// SPDX-License-Identifier: Apache-2.0
import Events

/// A plan for people: who changes, then who is next before and after.
package struct ProtectionText: Sendable {
  private let style: Style

  package init(style: Style) { self.style = style }

  private static let head = ["PID", "USER", "ADJ", "THEN", "SCORE", "THEN", "COMM", "WHERE", "RULE", "REASON"]
  private static let leftColumns: Set<Int> = [1, 6, 7, 8, 9]

  /// Lines, each ending in a newline.
  package func text(_ plan: PlannedProtection) -> String {
    var lines: [String] = []
    if !plan.changes.isEmpty {
      let table = TextTable.lines(
        head: ProtectionText.head, leftColumns: ProtectionText.leftColumns, rows: plan.changes.map(cells))
      lines += [style.dim(table[0])] + table.dropFirst()
    }
    let (count, same) = (plan.changes.count, plan.unchanged)
    let changed = "\(count) process\(count == 1 ? "" : "es") would change"
    lines.append("\(changed), \(same) \(same == 1 ? "has its" : "have their") value already.")
    for domain in plan.domains {
      lines.append("")
      lines.append("now    " + domain.before.explanation)
      let isSame = domain.before.explanation == domain.after.explanation
      lines.append("then   " + (isSame ? "the same" : style.strong(domain.after.explanation)))
      if let warning = ProtectionText.warning(domain.left) {
        lines.append(style.warning("warning") + "  then " + warning)
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Nil where there is none to give.
  package static func warning(_ left: PlannedProtection.Domain.Left) -> String? {
    switch left {
    case .enough: nil
    case .allProtected: "all that may be killed has an oom_score_adj below 0: who protects all protects nobody"
    case .nobodyKillable: "nobody may be killed any more"
    }
  }

  private func cells(_ change: PlannedProtection.Change) -> [String] {
    let candidate = change.row.candidate
    let sharing = change.sharesMemoryWith.map { "shares the memory of pid \($0)" }
    return [
      "\(candidate.pid)", TerminalText.safe(change.row.user ?? candidate.uid.map(String.init) ?? "-"),
      "\(candidate.oomScoreAdj)", "\(change.adjThen)", change.row.procOOMScore.map(String.init) ?? "-",
      change.scoreThen.map(String.init) ?? "-", TerminalText.safe(candidate.comm), ScoreTable.place(change.row),
      TerminalText.safe(change.rule), TerminalText.safe(sharing ?? change.reason ?? "-"),
    ]
  }
}
