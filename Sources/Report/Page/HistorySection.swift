// SPDX-License-Identifier: Apache-2.0
import Events

/// Victims that were killed more than once: what each held from kill to kill, beside the limit that was hit.
struct HistorySection {
  private static let figuresMax = 12
  private static let width: Int64 = 1000
  private static let height: Int64 = 240
  private static let margin: Int64 = 14

  private let victims: [(key: VictimHistory.Key, history: VictimHistory)]
  private let more: Int
  private let explanation: Explanation
  private let words: StatisticsText

  init(_ statistics: KillStatistics, words: StatisticsText, pageSizeBytes: Int) {
    let all = statistics.repeatedVictims.filter { $0.history.samples.count > 1 }
    victims = Array(all.prefix(HistorySection.figuresMax))
    more = all.count - victims.count
    self.words = words
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
  }

  func write(to html: inout HTMLWriter) {
    guard !victims.isEmpty else { return }
    html.markup("<section aria-labelledby=\"histories\"><h2 id=\"histories\">Victims from kill to kill</h2>")
    html.markup("<p class=\"quiet\">What a victim held, resident and in swap, each time that it was killed; ")
    html.markup("dashed, the limit that was hit.</p><div class=\"histories\">")
    for (key, history) in victims { draw(key, history, &html) }
    html.markup("</div>")
    if more > 0 { html.element("p", [("class", "quiet")], "And \(more) more, in the table below.") }
    html.markup("</section>\n")
  }

  private func draw(_ key: VictimHistory.Key, _ history: VictimHistory, _ html: inout HTMLWriter) {
    let samples = history.samples
    let most = max(1, samples.map { max($0.heldPages, $0.limitPages ?? 0) }.max() ?? 1)
    let points = samples.enumerated().map { place, sample in
      point(place, of: samples.count, sample.heldPages, most: most)
    }
    html.markup("<figure>")
    html.element("h3", key.comm.text)
    html.element("p", [("class", "quiet")], words.place(key))
    let trend = words.trend(history)
    if !trend.isEmpty { html.element("p", [("class", "trend \(history.trend.rawValue)")], trend) }
    html.open(
      "svg",
      [
        ("role", "img"), ("width", "100%"), ("height", "72"), ("preserveAspectRatio", "none"),
        ("viewBox", "0 0 \(HistorySection.width) \(HistorySection.height)"), ("aria-label", spoken(samples)),
      ])
    html.element("path", [("class", "base"), ("d", "M0 \(HistorySection.height)H\(HistorySection.width)")], "")
    let limits = samples.enumerated().compactMap { place, sample in
      sample.limitPages.map { point(place, of: samples.count, $0, most: most) }
    }
    if limits.count > 1 { html.element("path", [("class", "limit"), ("d", "M" + limits.joined(separator: "L"))], "") }
    html.element("path", [("d", "M" + points.joined(separator: "L"))], "")
    html.element("path", [("class", "dot"), ("d", points.map { "M\($0)h0" }.joined())], "")
    html.close("svg")
    html.open("div", [("class", "ends")])
    html.element("span", explanation.size(samples[0].heldPages))
    html.element("span", explanation.size(samples[samples.count - 1].heldPages))
    html.close("div")
    html.element("figcaption", caption(history))
    html.markup("</figure>\n")
  }

  private func point(_ place: Int, of count: Int, _ pages: Pages, most: Pages) -> String {
    let (margin, width, height) = (HistorySection.margin, HistorySection.width, HistorySection.height)
    let x = margin + (width - 2 * margin) * Int64(place) / Int64(count - 1)
    let y = height - margin - pages * (height - 2 * margin) / most
    return "\(x) \(y)"
  }

  private func caption(_ history: VictimHistory) -> String {
    var text = Plural.kills(history.tally.kills)
    if history.samples.count < history.sizes { text += ", \(history.samples.count) of them drawn" }
    if let least = history.leastLimitPages, let most = history.mostLimitPages {
      text +=
        least == most
        ? ", limit \(explanation.size(most))" : ", limit \(explanation.size(least)) to \(explanation.size(most))"
    }
    return text
  }

  private func spoken(_ samples: [VictimHistory.Sample]) -> String {
    "held at each kill: " + samples.map { explanation.size($0.heldPages) }.joined(separator: ", ")
  }
}
