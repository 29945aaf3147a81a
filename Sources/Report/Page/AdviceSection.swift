// SPDX-License-Identifier: Apache-2.0
import Events

/// What to do, each with the kills that speak for it and what to type.
struct AdviceSection {
  private let recommendations: [Recommendation]

  init(_ recommendations: [Recommendation]) { self.recommendations = recommendations }

  func write(to html: inout HTMLWriter) {
    guard !recommendations.isEmpty else { return }
    html.markup("<section aria-labelledby=\"advice\"><h2 id=\"advice\">What to do</h2><ol class=\"advice\">")
    for recommendation in recommendations {
      html.markup("<li>")
      html.element("h3", recommendation.finding)
      html.element("p", [("class", "quiet")], evidence(recommendation.evidence.tally))
      for step in recommendation.steps {
        html.element("p", step.advice)
        if let input = step.input {
          html.markup("<pre><code>")
          html.lines(input)
          html.markup("</code></pre>")
        }
      }
      html.markup("</li>\n")
    }
    html.markup("</ol></section>\n")
  }

  private func evidence(_ tally: KillTally) -> String {
    let kills = "Rests on \(Plural.kills(tally.kills))"
    guard let first = tally.firstWallNanoseconds, let last = tally.lastWallNanoseconds else { return kills + "." }
    return first == last
      ? "\(kills), at \(Moment.text(first))." : "\(kills), from \(Moment.text(first)) to \(Moment.text(last))."
  }
}
