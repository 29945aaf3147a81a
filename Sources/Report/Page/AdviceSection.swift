// SPDX-License-Identifier: Apache-2.0
import Events

/// What to do, each with the kills that speak for it and what to type.
struct AdviceSection {
  private let recommendations: [Recommendation]

  private let omitted: Int

  init(_ recommendations: [Recommendation], omitted: Int) {
    self.recommendations = recommendations
    self.omitted = omitted
  }

  func write(to html: inout HTMLWriter) {
    guard !recommendations.isEmpty else { return }
    html.markup("<section aria-labelledby=\"advice\"><h2 id=\"advice\">What to change</h2><ol class=\"advice\">")
    for recommendation in recommendations {
      html.markup("<li>")
      html.element("h3", recommendation.finding)
      html.element("p", [("class", "quiet")], RecommendationText.evidence(recommendation.evidence.tally))
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
    html.markup("</ol>")
    if omitted > 0 { html.element("p", [("class", "quiet")], "And \(omitted) more.") }
    html.markup("</section>\n")
  }
}
