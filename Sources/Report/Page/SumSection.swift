// SPDX-License-Identifier: Apache-2.0
import Events

/// The page's headline: how many kills, of what kind, when; and what the log leaves open.
struct SumSection {
  private let statistics: KillStatistics
  private let words: StatisticsText
  private let isWhole: Bool

  init(_ statistics: KillStatistics, words: StatisticsText, isWhole: Bool) {
    self.statistics = statistics
    self.words = words
    self.isWhole = isWhole
  }

  func write(to html: inout HTMLWriter) {
    let kills = statistics.kills
    html.element(
      "h1", [], kills == 0 ? "No OOM kill found" : "\(DigitGroups.text(Int64(kills))) OOM kill\(kills == 1 ? "" : "s")")
    if !isWhole {
      html.markup("<p class=\"gap\">A log could not be read, or not to its end: this is what the others tell.</p>")
    }
    guard kills > 0 else { return }
    html.element("p", [("class", "quiet")], span())
    html.open("dl", [("class", "sums")])
    for (count, words) in sums() where count > 0 {
      html.markup("<div>")
      html.element("dt", words)
      html.element("dd", DigitGroups.text(Int64(count)))
      html.markup("</div>")
    }
    html.close("dl")
    html.open("ul", [("class", "quiet notes")])
    for note in words.notes(statistics) { html.element("li", note) }
    html.close("ul")
  }

  private func span() -> String {
    var hosts = ""
    if statistics.hosts.count == 1, let host = statistics.hosts.ranked.first?.name { hosts = " on \(host.text)" }
    if statistics.hosts.count > 1 { hosts = " on \(statistics.hosts.count) hosts" }
    guard let first = statistics.tally.firstWallNanoseconds, let last = statistics.tally.lastWallNanoseconds else {
      return "The log has no wall-clock times\(hosts.isEmpty ? "" : "; kills were" + hosts)."
    }
    if first == last { return "At \(StatisticsText.clock(first))\(hosts)." }
    return "From \(StatisticsText.clock(first)) to \(StatisticsText.clock(last))\(hosts)."
  }

  private func sums() -> [(Int, String)] {
    let scopes = statistics.byScope
    return [
      (scopes[.system] ?? 0, "of the whole system"), (scopes[.memcg] ?? 0, "at the limit of a cgroup"),
      ((scopes[.cpuset] ?? 0) + (scopes[.mempolicy] ?? 0), "within a cpuset or a NUMA policy"),
      (statistics.scopeUnknown, "of unknown scope"),
      (statistics.moments.lastDay?.kills ?? 0, "in the 24 hours up to the last kill"),
      (statistics.repeatedVictims.count, "victims killed more than once"),
      (statistics.kills(with: .swapExhausted), "with less than 5 % of swap free"),
      (statistics.kills(with: .higherOrder), "for more than one page in a row"),
    ]
  }
}

/// Counts with their nouns.
enum Plural {
  static func kills(_ count: Int) -> String { "\(DigitGroups.text(Int64(count))) kill\(count == 1 ? "" : "s")" }
}
