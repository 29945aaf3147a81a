// SPDX-License-Identifier: Apache-2.0
import Events

/// The sum of many kills for people.
package struct StatisticsText: Sendable {
  /// Rows of each table; the rest is one line.
  static let rowsMax = 10
  /// Days that have a bar.
  private static let daysMax = 31
  /// Characters of a path in a row with other columns.
  private static let pathCharactersMax = 48

  private let pageSizeBytes: Int
  private let style: Style

  package init(pageSizeBytes: Int, coloured: Bool) {
    self.pageSizeBytes = pageSizeBytes
    style = Style(coloured: coloured)
  }

  /// Lines, each ending in `\n`.
  package func text(_ statistics: KillStatistics) -> String {
    guard statistics.kills > 0 else { return (["no OOM kill found"] + gaps(statistics)).map { $0 + "\n" }.joined() }
    var lines = [style.strong(count(statistics.kills, "OOM kill")) + span(statistics.tally)]
    lines.append("  " + scopes(statistics))
    lines += decisions(statistics) + times(statistics.moments) + conditions(statistics) + gaps(statistics)
    lines += victims(statistics)
    lines += table("process", statistics.processes.ranked) + table("cgroup", statistics.cgroups.ranked)
    lines += table("unit", statistics.units.ranked) + table("pod", places(statistics.pods))
    lines += table("container", places(statistics.containers))
    lines += table("host", statistics.hosts.ranked)
    lines += days(statistics.days) + hours(statistics)
    return lines.joined(separator: "\n") + "\n"
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  static func clock(_ wall: Int64) -> String {
    String(RFC3339.text(wallNanoseconds: wall).prefix(19)).replacing("T", with: " ") + "Z"
  }

  private func span(_ tally: KillTally) -> String {
    guard let first = tally.firstWallNanoseconds, let last = tally.lastWallNanoseconds else {
      return ", without wall-clock times"
    }
    return first == last
      ? " at \(StatisticsText.clock(first))" : " from \(StatisticsText.clock(first)) to \(StatisticsText.clock(last))"
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

  /// What the log tells beside the counts, and what it leaves open; a line each.
  func notes(_ statistics: KillStatistics) -> [String] {
    (decisions(statistics) + times(statistics.moments) + conditions(statistics) + gaps(statistics))
      .map { String($0.drop { $0 == " " }) }
  }

  private func decisions(_ statistics: KillStatistics) -> [String] {
    var lines: [String] = []
    if statistics.decisions < statistics.kills {
      lines.append("  by \(count(statistics.decisions, "decision")) of the kernel's: a group dies together")
    }
    if statistics.noKills > 0 { lines.append("  \(statistics.noKills) times out of memory and nobody was killed") }
    return lines
  }

  /// The last day, and how much time lies between.
  private func times(_ moments: KillMoments) -> [String] {
    var lines: [String] = []
    if let day = moments.lastDay {
      let atLeast = day.isAtLeast ? "at least " : ""
      lines.append(
        "  \(atLeast)\(day.kills) in the 24 hours up to \(StatisticsText.clock(day.endWallNanoseconds)), the log's last kill"
      )
    }
    if let intervals = moments.intervals {
      lines.append(
        "  between two on one host: median \(duration(intervals.medianNanoseconds)), shortest "
          + "\(duration(intervals.shortestNanoseconds)), longest \(duration(intervals.longestNanoseconds))")
    }
    let bursts = moments.bursts
    if let most = bursts.first {
      let at = most.firstWallNanoseconds.map { " from \(StatisticsText.clock($0))" } ?? ""
      lines.append(
        "  \(count(bursts.count, "burst")), less than a minute from one to the next; the largest: "
          + "\(count(most.decisions, "decision")) in \(duration(most.nanoseconds))\(at)")
    }
    if moments.dropped > 0 { lines.append("  of \(count(moments.dropped, "decision")) the times were not kept") }
    return lines
  }

  /// `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
  func duration(_ nanoseconds: Int64) -> String {
    let seconds = nanoseconds / 1_000_000_000
    if seconds < 1 { return "\(nanoseconds / 1_000_000) ms" }
    let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    let first = units.firstIndex { seconds >= $0.0 }!
    let text = "\(seconds / units[first].0) \(units[first].1)"
    guard first + 1 < units.count else { return text }
    let rest = seconds % units[first].0 / units[first + 1].0
    return rest == 0 ? text : text + " \(rest) \(units[first + 1].1)"
  }

  private func conditions(_ statistics: KillStatistics) -> [String] {
    let said: [(KillCondition, String)] = [
      (.higherOrder, "for more than one page in a row"),
      (.fragmented, "of these with single pages free above the watermark: memory was there, in pieces"),
      (.swapExhausted, "with less than 5 % of swap free"), (.withoutSwap, "on a host without swap"),
      (.kernelObjects, "with a quarter of memory or more in unreclaimable kernel objects"),
      (.sharedMemory, "with a quarter of memory or more in shared memory and tmpfs"),
      (.overpromised, "of a process that was promised more than memory and swap together"),
      (.allocatingTask, "by vm.oom_kill_allocating_task"),
    ]
    return said.compactMap { condition, text in
      let kills = statistics.kills(with: condition)
      return kills == 0 ? nil : "  \(kills) \(text)"
    }
  }

  /// What the log does not say, and what we did not keep.
  private func gaps(_ statistics: KillStatistics) -> [String] {
    var lines: [String] = []
    if statistics.withoutTime > 0 {
      lines.append(
        "  \(statistics.withoutTime) without a wall-clock time: in no hour, no day, not in the last 24 hours")
    }
    if statistics.incomplete > 0 {
      lines.append(
        "  \(count(statistics.incomplete, "incomplete report")): \(statistics.withoutHead) without head, "
          + "\(statistics.withoutTable) without table")
    }
    if statistics.reportsAbandoned > 0 {
      lines.append("  \(count(Int(statistics.reportsAbandoned), "report")) began, and no kill followed")
    }
    if statistics.kindsDropped > 0 {
      lines.append("  \(statistics.kindsDropped) counts dropped: more than \(KillStatistics.namesMax) names of a kind")
    }
    return lines
  }

  private func victims(_ statistics: KillStatistics) -> [String] {
    let repeated = statistics.repeatedVictims
    guard !repeated.isEmpty else { return [] }
    var rows = [["killed", "repeated victim", "where", "first", "last", "least", "most", ""]]
    for (key, history) in repeated.prefix(StatisticsText.rowsMax) {
      let samples = history.samples
      rows.append([
        String(history.tally.kills), TerminalText.safe(key.comm), place(key),
        size(samples.first?.heldPages), size(samples.last?.heldPages), size(history.leastPages),
        size(history.mostPages), trend(history),
      ])
    }
    return aligned(rows) + rest(repeated.count)
  }

  /// Where it ran, and on which host.
  func place(_ key: VictimHistory.Key) -> String {
    let name = key.place.shownName.map { TerminalText.safe($0) }
    let place =
      name.map { key.place.kindText == "cgroup" ? tail($0) : "\(key.place.kindText) \(shortened($0))" } ?? "-"
    return key.host.map { "\(TerminalText.safe($0)): \(place)" } ?? place
  }

  /// The end of a long path, which tells the most.
  private func tail(_ path: String) -> String {
    path.count > StatisticsText.pathCharactersMax ? "…" + path.suffix(StatisticsText.pathCharactersMax - 1) : path
  }

  /// The id of a container as its engine shows it.
  private func shortened(_ name: String) -> String {
    name.utf8.count == 64 ? String(name.prefix(12)) : name
  }

  private func places(_ table: NameTable<KillPlace, KillTally>) -> [(name: KernelName, tally: KillTally)] {
    table.ranked { $0.name?.text ?? "" }.map { row in
      let name = row.name.shownName ?? KernelName("-")
      guard case .container(let container) = row.name, let runtime = container.runtime else { return (name, row.tally) }
      return (KernelName(runtime + " " + name.text), row.tally)
    }
  }

  /// What its sizes say, and why it died for others' memory; empty where nothing can be said.
  func trend(_ history: VictimHistory) -> String {
    switch history.trend {
    case .grows: "grows: more at the later of two kills in \(history.pairs.growing) of \(history.pairs.all) pairs"
    case .steady: history.leastLimitPages == nil ? "steady" : "steady, at its limit"
    case .bystander: "bystander at \(history.bystanderKills): \(reason(history))"
    case .varies: "varies"
    case .unclear: ""
    }
  }

  private func reason(_ history: VictimHistory) -> String {
    guard let last = history.lastBystander else { return "" }
    let other = last.other.map { " (\(TerminalText.safe($0)) held \(size(last.otherHeldPages)))" } ?? ""
    return switch last.reason {
    case .adj: "for its oom_score_adj of \(history.oomScoreAdj ?? 0)" + other
    case .largerProtected: "a larger one is protected" + other
    case .allocatingTask: "it asked for memory" + other
    case .group: "its group was killed"
    case .smallShare: "it held less than a tenth" + other
    }
  }

  private func table(_ title: String, _ ranked: [(name: KernelName, tally: KillTally)]) -> [String] {
    guard !ranked.isEmpty else { return [] }
    let rows = ranked.prefix(StatisticsText.rowsMax).map { [String($0.tally.kills), TerminalText.safe($0.name)] }
    return aligned([["killed", title]] + rows) + rest(ranked.count)
  }

  /// A bar for each day that had kills.
  private func days(_ days: NameTable<Int64, KillTally>) -> [String] {
    guard days.count > 1, let most = days.sums.values.map(\.kills).max() else { return [] }
    let rows = days.sums.sorted { $0.key < $1.key }.suffix(StatisticsText.daysMax).map { day, tally in
      [
        String(tally.kills), String(RFC3339.text(wallNanoseconds: day * 86_400_000_000_000).prefix(10)),
        String(repeating: "#", count: max(1, tally.kills * 40 / most)),
      ]
    }
    let earlier =
      days.count > StatisticsText.daysMax ? ["  and \(days.count - StatisticsText.daysMax) days before"] : []
    return aligned([["killed", "day", ""]] + rows) + earlier
  }

  /// The hours of the day, where they say anything: more than one had kills.
  private func hours(_ statistics: KillStatistics) -> [String] {
    let hours = statistics.byHourOfDay.enumerated().filter { $0.element > 0 }
    guard hours.count > 1, let most = hours.map(\.element).max() else { return [] }
    let rows = hours.map { hour, kills in
      [String(kills), "\(hour < 10 ? "0" : "")\(hour):00", String(repeating: "#", count: max(1, kills * 40 / most))]
    }
    return aligned([["killed", "hour, UTC", ""]] + rows)
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
