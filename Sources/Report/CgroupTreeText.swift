// SPDX-License-Identifier: Apache-2.0
import Events

/// The tree of control groups for people: a line for each, the biggest first among those of one parent.
package struct CgroupTreeText: Sendable {
  private let style: Style

  package init(style: Style) { self.style = style }

  private static let head = ["CGROUP", "CURRENT", "LIMIT", "USED", "KILLS", "WHOSE"]
  private static let leftColumns: Set<Int> = [0, 5]
  /// From these shares of its own limit on a line is coloured: 95 and 85 percent, as the gauges of the screen.
  private static let (alarmPercent, warningPercent): (Int64, Int64) = (95, 85)

  /// Lines without newlines, the head first.
  package func lines(_ tree: CgroupNode) -> [String] {
    var rows: [[String]] = []
    var percents: [Int64?] = []
    add(tree, prefix: "", branch: "", &rows, &percents)
    let lines = TextTable.lines(head: CgroupTreeText.head, leftColumns: CgroupTreeText.leftColumns, rows: rows)
    return [style.dim(lines[0])] + zip(lines.dropFirst(), percents).map(painted)
  }

  private func painted(_ line: String, _ percent: Int64?) -> String {
    guard let percent else { return line }
    if percent >= CgroupTreeText.alarmPercent { return style.alarm(line) }
    return percent >= CgroupTreeText.warningPercent ? style.warning(line) : line
  }

  private func add(
    _ node: CgroupNode, prefix: String, branch: String, _ rows: inout [[String]], _ percents: inout [Int64?]
  ) {
    let status = node.status
    let path = status.cgroup.path?.text ?? ""
    let name = branch.isEmpty ? path : path.split(separator: "/").last.map(String.init) ?? path
    let percent = CgroupWords.percent(status.currentBytes, of: status.limitBytes)
    rows.append([
      prefix + branch + CgroupTreeText.shortened(TerminalText.safe(name)), CgroupWords.size(status.currentBytes),
      CgroupWords.limit(status.limitBytes), percent.map { "\($0)%" } ?? "-",
      status.events?.oomKills.map(String.init) ?? "-", CgroupWords.owner(status.cgroup.owner) ?? "",
    ])
    percents.append(percent)
    let below = branch.isEmpty ? "" : prefix + (branch == CgroupTreeText.last ? "   " : "│  ")
    let children = node.children.enumerated().sorted {
      ($1.element.status.currentBytes ?? 0, $0.offset) < ($0.element.status.currentBytes ?? 0, $1.offset)
    }.map(\.element)
    for (place, child) in children.enumerated() {
      let isLast = place == children.count - 1 && node.omittedChildren == 0
      add(child, prefix: below, branch: isLast ? CgroupTreeText.last : "├─ ", &rows, &percents)
    }
    guard node.omittedChildren > 0 else { return }
    rows.append([below + CgroupTreeText.last + "\(node.omittedChildren) more", "", "", "", "", ""])
    percents.append(nil)
  }

  /// Ids of containers fill the screen: of 64 hexadecimal digits twelve are shown, which name the container everywhere.
  private static func shortened(_ name: String) -> String {
    let parts: [Substring] = name.split { !$0.isHexDigit }
    guard let id = parts.first(where: { $0.utf8.count == idDigits }) else { return name }
    return String(name[..<id.startIndex]) + String(id.prefix(shownDigits)) + "…" + String(name[id.endIndex...])
  }

  private static let (idDigits, shownDigits) = (64, 12)
  private static let last = "└─ "
}

/// What is said of a group, in words that all its texts share.
enum CgroupWords {
  /// `12M`, or `-` where it is not known.
  static func size(_ bytes: Int64?) -> String { bytes.map { ScoreTable.size(bytes: $0) } ?? "-" }

  /// `64M`, `none`, or `-` where there is no such file.
  static func limit(_ limit: ByteLimit?) -> String {
    switch limit {
    case .bytes(let bytes): ScoreTable.size(bytes: bytes)
    case .unlimited: "none"
    case nil: "-"
    }
  }

  static func percent(_ bytes: Int64?, of limit: ByteLimit?) -> Int64? {
    guard let bytes, let limit = limit?.bytes, limit > 0 else { return nil }
    return Int64(min(Double(bytes) * 100 / Double(limit), 9999))
  }

  /// `web (docker 3f2a9c1b7d10)`, `default/web-0/app`, `db.service`; nil of nobody's.
  static func owner(_ owner: CgroupOwner?) -> String? {
    guard let owner, let name = owner.displayName else { return nil }
    guard let container = owner.container else { return TerminalText.safe(name) }
    let id = "\(container.runtime.map { $0 + " " } ?? "")\(container.id.prefix(12))"
    return TerminalText.safe(name == container.id ? id : "\(name) (\(id))")
  }
}
