// SPDX-License-Identifier: Apache-2.0
import Events

/// Kills by name and by time, as tables that the page's script lets sort.
struct TableSection {
  /// Rows of one table; how many more there are is told.
  private static let rowsMax = 200

  private let statistics: KillStatistics
  private let explanation: Explanation
  private let words: StatisticsText

  init(_ statistics: KillStatistics, words: StatisticsText, pageSizeBytes: Int) {
    self.statistics = statistics
    self.words = words
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
  }

  func write(to html: inout HTMLWriter) {
    html.markup("<section aria-labelledby=\"sums\"><h2 id=\"sums\">Kills by name and time</h2>")
    victims(&html)
    html.markup("<div class=\"tables\">")
    table("Process", statistics.processes.ranked.map { ($0.name.text, $0.tally) }, &html)
    table("systemd unit", statistics.units.ranked.map { ($0.name.text, $0.tally) }, &html)
    let pods = statistics.pods.ranked { $0.name?.text ?? "" }
    table("Pod", pods.map { ($0.name.shownName?.text ?? "", $0.tally) }, &html)
    let containers = statistics.containers.ranked { $0.name?.text ?? "" }
    table("Container", containers.map { (TableSection.container($0.name), $0.tally) }, &html)
    table("Host", statistics.hosts.ranked.map { ($0.name.text, $0.tally) }, &html)
    let days = statistics.days.sums.sorted { $0.key > $1.key }
    table("Day", days.map { (String(StatisticsText.clock($0.key * 86_400_000_000_000).prefix(10)), $0.value) }, &html)
    hours(&html)
    table(
      "Cgroup at its limit, or the victim's", statistics.cgroups.ranked.map { ($0.name.text, $0.tally) }, isWide: true,
      &html)
    html.markup("</div></section>\n")
  }

  private static func container(_ place: KillPlace) -> String {
    guard case .container(let container) = place else { return "" }
    return "\(container.runtime ?? "container") \(container.shownName)"
  }

  // MARK: Victims

  private func victims(_ html: inout HTMLWriter) {
    let victims = statistics.repeatedVictims
    guard !victims.isEmpty else { return }
    html.markup("<h3>Victims killed more than once</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" ")
    html.markup("aria-label=\"Victims killed more than once\"><table><thead><tr>")
    html.markup(
      "<th scope=\"col\">Victim</th><th scope=\"col\">Where</th><th scope=\"col\" class=\"number\">Kills</th>")
    html.markup("<th scope=\"col\" class=\"number\">First</th><th scope=\"col\" class=\"number\">Last</th>")
    html.markup("<th scope=\"col\" class=\"number\">Most</th><th scope=\"col\" class=\"number\">Limit</th>")
    html.markup("<th scope=\"col\">From kill to kill</th></tr></thead><tbody>\n")
    for (key, history) in victims.prefix(TableSection.rowsMax) {
      html.markup("<tr>")
      html.element("th", [("scope", "row"), ("class", "name")], key.comm.text)
      html.element("td", [("class", "name")], words.place(key))
      number(Int64(history.tally.kills), DigitGroups.text(Int64(history.tally.kills)), &html)
      for pages in [
        history.samples.first?.heldPages, history.samples.last?.heldPages, history.mostPages, history.mostLimitPages,
      ] { number(pages, pages.map { explanation.size($0) }, &html) }
      html.element("td", words.trend(history))
      html.markup("</tr>\n")
    }
    html.markup("</tbody></table></div>")
    more(victims.count, &html)
  }

  private func number(_ value: Int64?, _ shown: String?, _ html: inout HTMLWriter) {
    html.element("td", [("class", "number"), ("data-sort", value.map(String.init) ?? "")], shown ?? "–")
  }

  // MARK: Names and times

  private func table(
    _ title: String, _ rows: [(name: String, tally: KillTally)], isWide: Bool = false, _ html: inout HTMLWriter
  ) {
    guard !rows.isEmpty else { return }
    head(title, columns: ["Kills", "First", "Last"], isWide: isWide, &html)
    for (name, tally) in rows.prefix(TableSection.rowsMax) {
      html.markup("<tr>")
      html.element("th", [("scope", "row"), ("class", "name")], name)
      number(Int64(tally.kills), DigitGroups.text(Int64(tally.kills)), &html)
      for wall in [tally.firstWallNanoseconds, tally.lastWallNanoseconds] {
        number(wall.map { $0 / 1_000_000 }, wall.map { String(StatisticsText.clock($0).prefix(16)) }, &html)
      }
      html.markup("</tr>\n")
    }
    html.markup("</tbody></table></div>")
    more(rows.count, &html)
    html.markup("</section>\n")
  }

  private func hours(_ html: inout HTMLWriter) {
    let hours = statistics.byHourOfDay.enumerated().filter { $0.element > 0 }
    guard !hours.isEmpty else { return }
    head("Hour of the day", columns: ["Kills"], &html)
    for (hour, count) in hours {
      html.markup("<tr>")
      html.element("th", [("scope", "row")], "\(hour < 10 ? "0" : "")\(hour):00Z")
      number(Int64(count), DigitGroups.text(Int64(count)), &html)
      html.markup("</tr>\n")
    }
    html.markup("</tbody></table></div></section>\n")
  }

  private func head(_ title: String, columns: [String], isWide: Bool = false, _ html: inout HTMLWriter) {
    html.open("section", [("class", isWide ? "wide" : "")])
    html.open("div", [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", title)])
    html.markup("<table><thead><tr>")
    html.element("th", [("scope", "col")], title)
    for name in columns { html.element("th", [("scope", "col"), ("class", "number")], name) }
    html.markup("</tr></thead><tbody>\n")
  }

  private func more(_ count: Int, _ html: inout HTMLWriter) {
    guard count > TableSection.rowsMax else { return }
    html.element("p", [("class", "quiet")], "And \(DigitGroups.text(Int64(count - TableSection.rowsMax))) more.")
  }
}
