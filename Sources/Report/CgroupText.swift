// SPDX-License-Identifier: Apache-2.0
import Events

/// One control group in full for people: the sentence, its numbers, the groups above it, and its processes.
package struct CgroupText: Sendable {
  private let style: Style
  private let pageSizeBytes: Int

  package init(style: Style, pageSizeBytes: Int) {
    self.style = style
    self.pageSizeBytes = pageSizeBytes
  }

  /// Lines without newlines.
  ///
  /// - Parameter columns: where the sentence is broken; nil: nowhere.
  package func lines(_ report: CgroupReport, columns: Int? = nil) -> [String] {
    let status = report.status
    var title = status.cgroup.path.map { TerminalText.safe($0) } ?? "-"
    if let owner = CgroupWords.owner(status.cgroup.owner) { title += "  \(owner)" }
    if let image = status.cgroup.owner?.container?.image { title += "  \(TerminalText.safe(image))" }
    var lines = [style.strong(title)]
    let isPressing = report.binding?.isNear == true && report.scarcity == .limit
    for line in CgroupText.wrapped(report.explanation, columns) { lines.append(isPressing ? style.alarm(line) : line) }
    lines += numbers(status).map { "  \(CgroupText.padded($0.0))\($0.1)" }
    lines += above(report.ancestors)
    if !report.processes.isEmpty {
      let table = ScoreTable(style: style, pageSizeBytes: pageSizeBytes).text(report.processes)
      lines += [""] + table.split(separator: "\n").map(String.init)
    }
    return lines
  }

  /// At blanks, where the width allows it.
  private static func wrapped(_ text: String, _ columns: Int?) -> [String] {
    guard let columns else { return [text] }
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= columns {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  private static func padded(_ name: String) -> String { name + String(repeating: " ", count: max(1, 13 - name.count)) }

  private func numbers(_ status: CgroupStatus) -> [(String, String)] {
    var rows: [(String, String)] = []
    func add(_ name: String, _ text: String?) { if let text { rows.append((name, text)) } }
    let size = CgroupWords.size
    let percent = CgroupWords.percent(status.currentBytes, of: status.limitBytes)
    add("limit", status.limitBytes.map { CgroupWords.limit($0) })
    add("current", status.currentBytes.map { size($0) + (percent.map { " (\($0)%)" } ?? "") })
    if status.parts?.inactiveFileBytes != nil { add("working set", status.workingSetBytes.map { size($0) }) }
    add("peak", status.peakBytes.map { size($0) })
    add("high", status.highBytes.map { CgroupWords.limit($0) })
    add("low", status.lowBytes.map { CgroupWords.limit($0) })
    add("min", status.minBytes.map { CgroupWords.limit($0) })
    if let swap = status.swapCurrentBytes {
      add("swap", size(swap) + (status.swapLimitBytes.map { ", limit \(CgroupWords.limit($0))" } ?? ""))
    }
    add("parts", status.parts.flatMap(CgroupText.parts))
    add("events", status.events.flatMap(CgroupText.events))
    add("pressure", status.pressure.map(CgroupText.pressure))
    add("oom.group", status.isKilledAsOne.map { $0 ? "all of it is killed at once" : "one process at a time" })
    if status.isKillDisabled == true { add("oom_control", "oom_kill_disable: its tasks wait in place of being killed") }
    add("processes", status.processCount.map { "\($0) in it, without those of groups below" })
    return rows
  }

  private static func parts(_ parts: CgroupStatus.Parts) -> String? {
    joined([
      ("anon", parts.anonBytes), ("file", parts.fileBytes), ("shmem", parts.shmemBytes),
      ("kernel", parts.kernelBytes), ("slab", slab(parts)), ("sock", parts.socketBytes), ("dirty", parts.dirtyBytes),
    ]) { ScoreTable.size(bytes: $0) }
  }

  private static func slab(_ parts: CgroupStatus.Parts) -> Int64? {
    guard let one = parts.slabReclaimableBytes, let other = parts.slabUnreclaimableBytes else { return nil }
    return one &+ other
  }

  private static func events(_ events: CgroupStatus.Events) -> String? {
    joined([
      ("low", events.low), ("high", events.high), ("max", events.max), ("oom", events.oom),
      ("oom_kill", events.oomKills), ("oom_group_kill", events.groupKills),
    ]) { String($0) }
  }

  private static func joined(_ items: [(String, Int64?)], _ text: (Int64) -> String) -> String? {
    let known = items.compactMap { name, value in value.map { "\(name) \(text($0))" } }
    return known.isEmpty ? nil : known.joined(separator: "  ")
  }

  private static func pressure(_ pressure: PressureStall) -> String {
    func averages(_ line: PressureStall.Line) -> String {
      [line.average10Hundredths, line.average60Hundredths, line.average300Hundredths]
        .map { "\($0 / 100).\($0 % 100 < 10 ? "0" : "")\($0 % 100)%" }.joined(separator: " ")
    }
    let full = pressure.full.map { "  full \(averages($0))" } ?? ""
    return "some \(averages(pressure.some))\(full)  (10, 60, 300 s)"
  }

  private func above(_ ancestors: [CgroupStatus]) -> [String] {
    ancestors.enumerated().map { place, status in
      let path = status.cgroup.path.map { TerminalText.safe($0) } ?? "-"
      let usage = status.currentBytes.map { ", \(CgroupWords.size($0)) used" } ?? ""
      let limit = status.limitBytes?.bytes.map { "limit \(ScoreTable.size(bytes: $0))" } ?? "no limit"
      return "  \(CgroupText.padded(place == 0 ? "above" : ""))\(path): \(limit)\(usage)"
    }
  }
}
