// SPDX-License-Identifier: Apache-2.0
import Events

/// Advised limits for people: a row for each, then why, for those that are to change.
package struct LimitText: Sendable {
  private let style: Style

  package init(style: Style) { self.style = style }

  private static let head = [
    "LIMIT", "NEEDED", "PEAK", "KILLS", "RESTARTS", "ADVICE", "LIMIT", "REQUEST", "CONFIDENCE", "NAME",
  ]
  private static let leftColumns: Set<Int> = [5, 8, 9]

  /// Lines, each ending in a newline.
  package func text(_ all: [AdvisedLimit]) -> String {
    let table = TextTable.lines(head: LimitText.head, leftColumns: LimitText.leftColumns, rows: all.map(cells))
    var lines = [style.dim(table[0])] + table.dropFirst()
    for advised in all where advised.verdict != .keep && advised.verdict != .unknown {
      let name = TerminalText.safe(advised.evidence.subject.name)
      lines += ["", style.strong("\(name): \(LimitText.words(advised.verdict))")]
      lines += advised.reasons.map { "  - " + $0 }
      lines.append(style.dim("  confidence \(advised.confidence.rawValue): \(advised.confidenceReason)"))
    }
    let same = all.count { $0.verdict == .keep }
    let unknown = all.count { $0.verdict == .unknown }
    lines += ["", "\(all.count - same - unknown) to change, \(same) will do, of \(unknown) too little is known."]
    return lines.map { $0 + "\n" }.joined()
  }

  /// What to do, in a few words.
  static func words(_ verdict: AdvisedLimit.Verdict) -> String {
    switch verdict {
    case .raise: "raise its limit"
    case .lower: "lower its limit"
    case .set: "give it a limit"
    case .keep: "as it is"
    case .leak: "find its leak"
    case .unknown: "too little is known"
    }
  }

  private func cells(_ advised: AdvisedLimit) -> [String] {
    let evidence = advised.evidence
    let limit = evidence.limitBytes.map { $0.bytes.map(SizeText.people) ?? "none" }
    let kills = evidence.kills.number
    return [
      limit ?? "-", LimitText.size(advised.neededBytes), LimitText.size(evidence.peakBytes),
      kills > 0 ? "\(kills)" : "-",
      evidence.restarts.map(String.init) ?? "-", advised.verdict.rawValue, LimitText.size(advised.limitBytes),
      LimitText.size(advised.requestBytes), advised.confidence.rawValue, TerminalText.safe(evidence.subject.name),
    ]
  }

  private static func size(_ bytes: Int64?) -> String { bytes.map(SizeText.people) ?? "-" }
}
