// SPDX-License-Identifier: Apache-2.0
import Events

/// The sum of many kills for people.
package struct StatisticsText: Sendable {
  /// Rows of each table; the rest is one line.
  private static let rowsMax = 10

  private let pageSizeBytes: Int
  private let style: Style

  package init(pageSizeBytes: Int, coloured: Bool) {
    self.pageSizeBytes = pageSizeBytes
    style = Style(coloured: coloured)
  }

  /// Lines, each ending in `\n`.
  package func text(_ statistics: KillStatistics) -> String {
    guard statistics.kills > 0 else { return "no OOM kill found\n" }
    var lines = [style.strong("\(statistics.kills) OOM kill\(statistics.kills == 1 ? "" : "s")") + span(statistics)]
    lines.append("  " + scopes(statistics))
    if statistics.higherOrder > 0 {
      lines.append("  \(statistics.higherOrder) for more than one page in a row: memory may have been there, in pieces")
    }
    if statistics.swapExhausted > 0 { lines.append("  \(statistics.swapExhausted) with less than 5 % of swap free") }
    lines += victims(statistics)
    lines += table("cgroup", statistics.byCgroup)
    lines += table("host", statistics.byHost)
    lines += days(statistics.byDay)
    return lines.joined(separator: "\n") + "\n"
  }

  private func span(_ statistics: KillStatistics) -> String {
    guard let first = statistics.firstWallNanoseconds, let last = statistics.lastWallNanoseconds else {
      return ", without wall-clock times"
    }
    func clock(_ wall: Int64) -> String {
      String(RFC3339.text(wallNanoseconds: wall).prefix(19)).replacing("T", with: " ") + "Z"
    }
    return first == last ? " at \(clock(first))" : " from \(clock(first)) to \(clock(last))"
  }

  private func scopes(_ statistics: KillStatistics) -> String {
    let names: [(Scope, String)] = [
      (.system, "of the whole system"), (.memcg, "at the limit of a cgroup"), (.cpuset, "within a cpuset"),
      (.mempolicy, "within a NUMA policy"),
    ]
    var parts = names.compactMap { scope, name in statistics.byScope[scope].map { "\($0) \(name)" } }
    if statistics.scopeUnknown > 0 { parts.append("\(statistics.scopeUnknown) of unknown scope") }
    return parts.joined(separator: ", ")
  }

  private func victims(_ statistics: KillStatistics) -> [String] {
    let ranked = statistics.victims.sorted { ($1.value.kills, $0.key.text) < ($0.value.kills, $1.key.text) }
    var rows = [["killed", "process", "first", "last", "most", ""]]
    for (name, victim) in ranked.prefix(StatisticsText.rowsMax) {
      rows.append([
        String(victim.kills), TerminalText.safe(name), size(victim.firstPages), size(victim.lastPages),
        size(victim.mostPages), trend(victim),
      ])
    }
    return aligned(rows) + rest(ranked.count)
  }

  /// What the sizes of one name say from kill to kill; three are needed to say anything.
  private func trend(_ victim: KillStatistics.Victim) -> String {
    guard victim.kills > 2, let first = victim.firstPages, let last = victim.lastPages, first > 0 else { return "" }
    if last >= first * 3 / 2 { return "grows" }
    return last * 10 >= first * 9 && last * 10 <= first * 11 ? "steady" : ""
  }

  private func table(_ title: String, _ counts: [KernelName: Int]) -> [String] {
    guard !counts.isEmpty else { return [] }
    let ranked = counts.sorted { ($1.value, $0.key.text) < ($0.value, $1.key.text) }
    let rows = ranked.prefix(StatisticsText.rowsMax).map { [String($0.value), TerminalText.safe($0.key)] }
    return aligned([["killed", title]] + rows) + rest(ranked.count)
  }

  /// A bar for each day that had kills.
  private func days(_ counts: [Int64: Int]) -> [String] {
    guard counts.count > 1, let most = counts.values.max() else { return [] }
    let rows = counts.sorted { $0.key < $1.key }.suffix(31).map { day, count in
      [
        String(count), String(RFC3339.text(wallNanoseconds: day * 86_400_000_000_000).prefix(10)),
        String(repeating: "#", count: max(1, count * 40 / most)),
      ]
    }
    return aligned([["killed", "day", ""]] + rows)
  }

  private func rest(_ count: Int) -> [String] {
    count > StatisticsText.rowsMax ? ["  and \(count - StatisticsText.rowsMax) more"] : []
  }

  private func size(_ pages: Pages?) -> String {
    pages.map { ScoreTable.size(bytes: $0 * Int64(pageSizeBytes)) } ?? "-"
  }

  /// A head that is dim, columns that stand below each other.
  private func aligned(_ rows: [[String]]) -> [String] {
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return [""]
      + rows.enumerated().map { place, row in
        var line = " "
        for (column, cell) in row.enumerated() {
          let blanks = String(repeating: " ", count: widths[column] - cell.count)
          line += " " + (column == 0 ? blanks + cell : cell + blanks)
        }
        while line.last == " " { line.removeLast() }
        return place == 0 ? style.dim(line) : line
      }
  }
}
