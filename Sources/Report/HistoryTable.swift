// SPDX-License-Identifier: Apache-2.0
import Events

/// Events that were kept, as a table for people: a line each.
package struct HistoryTable: Sendable {
  /// One event with the number that it is asked for by.
  package struct Row: Sendable {
    package var id: Int64
    package var line: EventLine
    package var type: String
    package var pageSizeBytes: Int

    package init(id: Int64, line: EventLine, type: String, pageSizeBytes: Int) {
      self.id = id
      self.line = line
      self.type = type
      self.pageSizeBytes = pageSizeBytes
    }
  }

  private static let head = ["ID", "TIME", "HOST", "EVENT", "PROCESS", "HELD", "WHERE", "WHAT"]
  private static let leftColumns: Set<Int> = [1, 2, 3, 4, 6, 7]
  private static let hostColumn = 2
  /// Characters of a name in a column.
  private static let nameMax = 40

  private let style: Style

  package init(style: Style) { self.style = style }

  /// A line for each row below a head, each ending in a newline; hosts are named where there are several.
  package func text(_ rows: [Row]) -> String {
    let hasHosts = Set(rows.map(\.line.host)).count > 1
    func shown(_ cells: [String]) -> [String] {
      hasHosts ? cells : cells.enumerated().filter { $0.offset != HistoryTable.hostColumn }.map(\.element)
    }
    let left =
      hasHosts ? HistoryTable.leftColumns : Set(HistoryTable.leftColumns.filter { $0 > 2 }.map { $0 - 1 } + [1])
    let lines = TextTable.lines(head: shown(HistoryTable.head), leftColumns: left, rows: rows.map { shown(cells($0)) })
    return style.dim(lines[0]) + "\n" + lines.dropFirst().map { $0 + "\n" }.joined()
  }

  private func cells(_ row: Row) -> [String] {
    let explanation = Explanation(pageSizeBytes: row.pageSizeBytes)
    let time = row.line.time.wallNanoseconds.map(StatisticsText.clock) ?? EventText.clock(row.line.time)
    var cells = ["\(row.id)", time, HistoryTable.name(row.line.host ?? "-"), row.type, "-", "-", "-", "-"]
    func fill(_ comm: KernelName?, _ pid: Int32?, _ held: Pages?, _ place: KillPlace?, _ what: String) {
      if let comm { cells[4] = HistoryTable.name(comm.text) + (pid.map { " pid \($0)" } ?? "") }
      if let held { cells[5] = explanation.size(held) }
      if let place, let name = place.shownName { cells[6] = HistoryTable.name(name.text) }
      cells[7] = what
    }
    switch row.line.event {
    case .oomKill(let kill):
      fill(kill.victim.comm, kill.victim.pid, kill.heldPages, KillPlace(kill.victim.cgroup), HistoryTable.cause(kill))
    case .oomOutcome(let outcome):
      let freed = outcome.freedBytes.map { ", gave back \(explanation.size(bytes: $0))" } ?? ""
      let after = outcome.exitMicroseconds.map { " after \($0 / 1000) ms" } ?? ""
      fill(outcome.comm, outcome.pid, nil, nil, outcome.exited ? "gone\(after)\(freed)" : "not gone")
    case .oomNoKill(let noKill):
      let place = noKill.limit?.cgroup.map { KillPlace($0) }
      fill(noKill.comm, noKill.pid, nil, place, noKill.reason.rawValue.replacing("_", with: " "))
    case .pressure(let pressure):
      let place = pressure.reading.cgroup.map { KillPlace($0) }
      let causes = pressure.causes.map { $0.rawValue.replacing("_", with: " ") }.joined(separator: ", ")
      fill(nil, nil, nil, place, pressure.level.name + (causes.isEmpty ? "" : " by \(causes)"))
    case .guardAction(let action):
      let signal = action.signal.map { " \($0.rawValue)" } ?? ""
      fill(
        action.victim?.comm, action.victim?.pid, action.badness?.parts.totalPages,
        action.victim?.cgroup.map { KillPlace($0) },
        "\(HistoryTable.name(action.by)): \(action.outcome.rawValue.replacing("_", with: " "))\(signal)")
    case .policyAction(let action):
      let after = action.adjAfter.map { "oom_score_adj \($0)" } ?? action.outcome.rawValue
      fill(action.comm, action.pid, nil, action.cgroup.map { KillPlace($0) }, after)
    case .loss(let loss): fill(nil, nil, nil, nil, TerminalText.safe(loss.detail))
    case .streamStart(let start):
      fill(nil, nil, nil, nil, "kernel \(HistoryTable.name(start.kernelRelease)) by \(start.source.rawValue)")
    case .streamEnd(let end): fill(nil, nil, nil, nil, Plural.kills(Int(clamping: end.kills)) + " told")
    case nil: break
    }
    return cells
  }

  /// Whose memory ran out.
  private static func cause(_ kill: OOMKill) -> String {
    switch kill.scope {
    case .memcg:
      let place = KillPlace(kill.limit?.cgroup)
      guard let shown = place.shownName else { return "limit of a cgroup" }
      return "limit of \(place.kindText) \(name(shown.text))"
    case .system: return "the whole system"
    case .cpuset: return "the nodes of a cpuset"
    case .mempolicy: return "the nodes of a NUMA policy"
    case nil: return "-"
    }
  }

  /// Safe for a terminal, and no longer than a column: of a path the end tells most.
  private static func name(_ text: String) -> String {
    let safe = TerminalText.safe(text)
    return safe.count > nameMax ? "…" + safe.suffix(nameMax - 1) : safe
  }
}
