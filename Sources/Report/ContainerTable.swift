// SPDX-License-Identifier: Apache-2.0
import Events

/// The containers of a host as a table for people, those that need somebody first.
package struct ContainerTable: Sendable {
  private let style: Style

  package init(style: Style) { self.style = style }

  private static let head = [
    "RUNTIME", "CONTAINER", "LIMIT", "USAGE", "WORKING SET", "PEAK", "USED", "KILLS", "LAST KILL", "VERDICT",
  ]
  private static let leftColumns: Set<Int> = [0, 1, 8, 9]

  /// A line for each row below a head, each ending in a newline.
  package func text(_ rows: [ContainerRow]) -> String {
    let rows = rows.enumerated().sorted { rank($0.element, $0.offset) < rank($1.element, $1.offset) }.map(\.element)
    let lines = TextTable.lines(
      head: ContainerTable.head, leftColumns: ContainerTable.leftColumns, rows: rows.map(cells))
    return style.dim(lines[0]) + "\n" + zip(lines.dropFirst(), rows).map { painted($0, $1) + "\n" }.joined()
  }

  /// By verdict, then the fullest first, then as they were made.
  private func rank(_ row: ContainerRow, _ place: Int) -> (Int, Int64, Int) {
    let gravity = ContainerRow.Verdict.allCases.firstIndex(of: row.verdict) ?? 0
    return (gravity, -(row.binding?.usedHundredths ?? 0), place)
  }

  private func painted(_ line: String, _ row: ContainerRow) -> String {
    switch row.verdict {
    case .waiting, .killed: style.alarm(line)
    case .nearLimit, .nearPodLimit: style.warning(line)
    case .noLimit, .fine: line
    }
  }

  private func cells(_ row: ContainerRow) -> [String] {
    let status = row.status
    let container = status.cgroup.owner?.container
    let name = status.cgroup.owner?.displayName ?? status.cgroup.path?.text ?? "-"
    return [
      TerminalText.safe(container?.runtime ?? "-"),
      TerminalText.safe(name == container?.id ? String(name.prefix(12)) : name), limit(row),
      CgroupWords.size(status.currentBytes),
      status.parts?.inactiveFileBytes == nil ? "-" : CgroupWords.size(status.workingSetBytes),
      CgroupWords.size(status.peakBytes), row.binding.map { "\($0.usedHundredths / 100)%" } ?? "-",
      status.events?.oomKills.map(String.init) ?? "-", lastKill(row.lastKill), ContainerTable.words(row),
    ]
  }

  /// The limit that binds, and whose it is where that is not the container.
  private func limit(_ row: ContainerRow) -> String {
    guard let binding = row.binding else { return "none" }
    let size = ScoreTable.size(bytes: binding.limitBytes)
    if binding.cgroup.path == row.status.cgroup.path { return size }
    return size + (row.status.cgroup.owner?.pod == nil ? " (above)" : " (pod)")
  }

  /// `2026-11-24 22:56:31Z hog (pid 12)`.
  private func lastKill(_ kill: ContainerRow.LastKill?) -> String {
    guard let kill else { return "-" }
    let time = RFC3339.text(wallNanoseconds: kill.wallNanoseconds).prefix(19).replacing("T", with: " ")
    return "\(time)Z \(kill.comm.map { TerminalText.safe($0) } ?? "?") (pid \(kill.pid))"
  }

  /// The verdict, in words.
  package static func words(_ row: ContainerRow) -> String {
    let kills = row.status.events?.oomKills ?? 0
    let times = kills == 1 ? "once" : kills == 2 ? "twice" : "\(kills) times"
    return switch row.verdict {
    case .waiting: "waits at its limit: killing is disabled"
    case .killed: "killed \(times)" + (row.binding?.isNear == true ? ", and near its limit" : "")
    case .nearLimit: "near its limit"
    case .nearPodLimit: row.status.cgroup.owner?.pod == nil ? "near a limit above it" : "near its pod's limit"
    case .noLimit: "no limit"
    case .fine: "fine"
    }
  }
}
