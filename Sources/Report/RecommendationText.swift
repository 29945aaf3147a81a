// SPDX-License-Identifier: Apache-2.0
import Events

/// What to change, for people: the finding, the kills that it rests on, and what to type.
package struct RecommendationText: Sendable {
  private let style: Style

  package init(coloured: Bool) { style = Style(coloured: coloured) }

  /// Lines, each ending in `\n`; nothing where there is nothing to advise.
  package func text(_ recommendations: [Recommendation], omitted: Int) -> String {
    guard !recommendations.isEmpty else { return "" }
    var lines = ["", style.strong("what to change")]
    for (place, recommendation) in recommendations.enumerated() {
      lines.append("")
      lines.append("\(place + 1). \(recommendation.finding)")
      lines.append(style.dim("   " + RecommendationText.evidence(recommendation.evidence.tally)))
      for step in recommendation.steps {
        lines.append("   - " + step.advice)
        lines += (step.input?.split(separator: "\n") ?? []).map { "       " + $0 }
      }
    }
    if omitted > 0 { lines += ["", "and \(omitted) more"] }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The kills that it rests on.
  static func evidence(_ tally: KillTally) -> String {
    let kills = "evidence: \(tally.kills) kill\(tally.kills == 1 ? "" : "s")"
    if let first = tally.firstWallNanoseconds, let last = tally.lastWallNanoseconds {
      return "\(kills), \(StatisticsText.clock(first)) to \(StatisticsText.clock(last))"
    }
    guard let first = tally.firstDecision, let last = tally.lastDecision else { return kills }
    return "\(kills), decisions \(first) to \(last) of this log"
  }
}
