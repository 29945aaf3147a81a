// SPDX-License-Identifier: Apache-2.0
import Events

/// The page's headline: how many kills, of what kind, when; and what the log leaves open.
struct SumSection {
  private let statistics: KillStatistics

  init(_ statistics: KillStatistics) { self.statistics = statistics }

  func write(to html: inout HTMLWriter) {
    let kills = statistics.kills
    html.element(
      "h1", [], kills == 0 ? "No OOM kill found" : "\(DigitGroups.text(Int64(kills))) OOM kill\(kills == 1 ? "" : "s")")
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
    for note in notes() { html.element("p", [("class", "quiet note")], note) }
  }

  private func span() -> String {
    var hosts = ""
    if statistics.hosts.count == 1, let host = statistics.hosts.ranked.first?.name { hosts = " on \(host.text)" }
    if statistics.hosts.count > 1 { hosts = " on \(statistics.hosts.count) hosts" }
    guard let first = statistics.tally.firstWallNanoseconds, let last = statistics.tally.lastWallNanoseconds else {
      return "The log has no wall-clock times\(hosts.isEmpty ? "" : "; kills were" + hosts)."
    }
    if first == last { return "At \(Moment.text(first))\(hosts)." }
    return "From \(Moment.text(first)) to \(Moment.text(last))\(hosts)."
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

  /// What the numbers do not say by themselves.
  private func notes() -> [String] {
    var notes: [String] = []
    if let intervals = statistics.moments.intervals {
      notes.append(
        "Between kills on one host: \(Moment.length(intervals.medianNanoseconds)) at the median, "
          + "\(Moment.length(intervals.shortestNanoseconds)) at least, \(Moment.length(intervals.longestNanoseconds)) at most."
      )
    }
    if statistics.noKills > 0 {
      notes.append("Out of memory and nobody killed: \(Plural.times(statistics.noKills)).")
    }
    if statistics.withoutTime > 0, statistics.withoutTime < statistics.kills {
      notes.append("\(Plural.kills(statistics.withoutTime)) without a wall-clock time: in no day and no hour below.")
    }
    if statistics.incomplete > 0 {
      notes.append(
        "The log has \(statistics.incomplete) of \(statistics.decisions) reports in part: what it lacks is named at each kill."
      )
    }
    if statistics.reportsAbandoned > 0 {
      notes.append("\(statistics.reportsAbandoned) more reports began, and the log shows no kill of theirs.")
    }
    if statistics.kindsDropped > 0 {
      notes.append(
        "There were more names than \(KillStatistics.namesMax): \(statistics.kindsDropped) entries are not in the tables."
      )
    }
    return notes
  }
}

/// Times and lengths of time for people.
enum Moment {
  /// `2026-11-24 13:00:05Z`.
  static func text(_ wallNanoseconds: Int64) -> String {
    String(RFC3339.text(wallNanoseconds: wallNanoseconds).prefix(19)).replacing("T", with: " ") + "Z"
  }

  /// In its two largest units: `2 h`, `1 d 6 h`.
  static func length(_ nanoseconds: Int64) -> String {
    let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    var rest = nanoseconds / 1_000_000_000
    guard rest > 0 else { return nanoseconds > 0 ? "less than a second" : "0 s" }
    var words: [String] = []
    for (unit, name) in units where rest >= unit {
      words.append("\(rest / unit) \(name)")
      rest %= unit
    }
    return words.prefix(2).joined(separator: " ")
  }
}

/// Counts with their nouns.
enum Plural {
  static func kills(_ count: Int) -> String { "\(DigitGroups.text(Int64(count))) kill\(count == 1 ? "" : "s")" }
  static func times(_ count: Int) -> String { count == 1 ? "once" : "\(DigitGroups.text(Int64(count))) times" }
}
