// SPDX-License-Identifier: Apache-2.0
import Events

/// One kill of the page: a row of facts, and below it the explanation, which opens to all that is known.
///
/// The candidates are data that the page's script draws when they are asked for: 2,000 kills with twenty each would be half
/// a million elements.
struct KillRow {
  /// Columns of the table.
  static let columns = ["Time", "Victim", "Held", "Points", "Out of memory", "Host"]
  static let classes = ["", "", "number", "number", "", "host"]

  private let pageSizeBytes: Int
  private let explanation: Explanation
  private let text: EventText

  init(pageSizeBytes: Int) {
    self.pageSizeBytes = pageSizeBytes
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
    text = EventText(pageSizeBytes: pageSizeBytes, coloured: false)
  }

  /// A table body of two rows.
  func write(_ kill: OOMKill, number: Int, at time: EventTime, host: KernelName?, to html: inout HTMLWriter) {
    html.open("tbody", [("class", "kill"), ("id", "kill\(number)")])
    html.markup("<tr>")
    timeCell(time, &html)
    html.open("th", [("scope", "row"), ("data-label", KillRow.columns[1])])
    html.text(kill.victim.comm.text)
    html.element("span", [("class", "pid")], " pid \(kill.victim.pid)")
    html.markup("</th>")
    numberCell(2, kill.heldPages.map { explanation.size($0) }, sort: kill.heldPages, &html)
    numberCell(3, kill.badness?.points.map(DigitGroups.text), sort: kill.badness?.points, &html)
    html.open("td", [("data-label", KillRow.columns[4])])
    html.element("i", [("class", "kind\(TimeBins.Kind(kill.scope).rawValue)")], "")
    html.text(place(kill))
    html.markup("</td>")
    html.element("td", [("class", "host"), ("data-label", KillRow.columns[5])], host?.text ?? "–")
    html.markup("</tr><tr class=\"more\"><td colspan=\"6\"><details><summary>")
    html.text(explanation.sentence(kill))
    html.markup("</summary><dl>")
    for fact in text.facts(of: kill) {
      html.element("dt", fact.label)
      html.element("dd", fact.value)
    }
    html.markup("</dl>")
    if let candidates = kill.candidates { html.data(data(candidates, victim: kill.victim)) }
    html.markup("</details></td></tr></tbody>\n")
  }

  private func timeCell(_ time: EventTime, _ html: inout HTMLWriter) {
    let order = (time.wallNanoseconds ?? time.monotonicNanoseconds).map { "\($0 / 1_000_000)" } ?? ""
    html.open("td", [("data-label", KillRow.columns[0]), ("data-sort", order)])
    html.text(time.wallNanoseconds.map(StatisticsText.clock) ?? EventText.clock(time))
    html.markup("</td>")
  }

  private func numberCell(_ column: Int, _ shown: String?, sort: Pages?, _ html: inout HTMLWriter) {
    html.element(
      "td", [("class", "number"), ("data-label", KillRow.columns[column]), ("data-sort", sort.map(String.init) ?? "")],
      shown ?? "–")
  }

  /// Whose memory ran out.
  private func place(_ kill: OOMKill) -> String {
    let kind = TimeBins.Kind(kill.scope)
    guard kind == .memcg, let path = kill.limit?.cgroup?.path else { return kind.words }
    let place = KillPlace(kill.limit?.cgroup)
    return "limit of \(place.kindText) \(place.shownName?.text ?? path.text)"
  }

  /// An object of short keys for each candidate; what is not known is absent.
  private func data(_ candidates: Candidates, victim: Victim) -> [UInt8] {
    var json = JSONWriter(reserving: 4096)
    json.object { json in
      json.field("considered", candidates.considered)
      json.field("list") { json in
        json.array { json in
          for candidate in candidates.list { write(candidate, isVictim: candidate.pid == victim.pid, &json) }
        }
      }
    }
    return json.bytes
  }

  private func write(_ candidate: Candidate, isVictim: Bool, _ json: inout JSONWriter) {
    json.object { json in
      json.field("rank", candidate.rank)
      json.field("pid", candidate.pid)
      json.field("comm", TerminalText.safe(candidate.comm))
      json.field("adj", candidate.oomScoreAdj)
      json.field("points", candidate.points)
      json.field("skipped", candidate.skipped.map(ScoreTable.words))
      if isVictim { json.field("victim", true) }
      guard let parts = candidate.parts else { return }
      json.field("parts") { json in
        json.array { json in
          for pages in [parts.anonPages, parts.filePages, parts.shmemPages, parts.swapPages, parts.pgtablePages] {
            json.value(pages)
          }
          json.value(candidate.adjPoints ?? 0)
        }
      }
    }
  }
}

/// Numbers for people: `1,234,567`.
enum DigitGroups {
  static func text(_ number: Int64) -> String {
    var digits = String(number.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }
}
