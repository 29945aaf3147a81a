// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import History

/// What matches, for other programs.
struct HistoryExport: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case ndjson, csv }

  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes all events that match: the lines as they were told, or a table of their columns.",
    discussion: """
      ndjson is what `oomwitness history import` takes. csv is of RFC 4180, with a head; cells of a spreadsheet that \
      begin with = + - or @ may be run by it, and names are anybody's.
      Examples:
        oomwitness history export > all.ndjson
        oomwitness history export --type oom_kill --since 30d --output csv > kills.csv
      """)

  @OptionGroup var kept: KeptOptions
  @OptionGroup var filter: HistoryFilterOptions
  @Option(help: "ndjson or csv.") var output: Format = .ndjson

  func run() throws {
    let lines = StandardOutput.Stream()
    if output == .csv { lines.put(CSVRow.head) }
    try kept.read { history in
      try history.all(filter.filter(defaultType: nil)) { row in
        switch output {
        case .ndjson: return lines.put(row.line + [0x0a])
        case .csv:
          guard let columns = try? LineColumns(row.line) else { return true }
          return lines.put(CSVRow.bytes(row, columns))
        }
      }
    }
    try lines.end()
  }
}

/// Events as rows of a table. Source: RFC 4180.
private enum CSVRow {
  private static let names = [
    "id", "type", "time", "monotonic_ns", "host", "boot_id", "seq", "page_size", "source", "scope", "decision_id",
    "pid",
    "tid", "comm", "start_time", "cgroup", "systemd_unit", "container_id", "container_name", "namespace", "pod",
    "pod_container", "pod_uid", "limit_cgroup", "limit_pages", "points", "held_pages", "detail",
  ]

  static var head: [UInt8] { Array((names.joined(separator: ",") + "\r\n").utf8) }

  static func bytes(_ row: HistoryRow, _ columns: LineColumns) -> [UInt8] {
    func text(_ number: Int64?) -> String? { number.map { String($0) } }
    func time(_ nanoseconds: Int64?) -> String? { nanoseconds.map { RFC3339.text(wallNanoseconds: $0) } }
    let cells: [String?] = [
      "\(row.id)", row.type, time(columns.wallNanoseconds), text(columns.monotonicNanoseconds), columns.host,
      columns.bootID, "\(columns.sequence)", row.pageSizeBytes.map { "\($0)" }, columns.source, columns.scope,
      text(columns.decisionID), text(columns.pid), text(columns.tid), columns.comm, time(columns.startWallNanoseconds),
      columns.cgroup, columns.unit, columns.containerID, columns.container, columns.namespace, columns.pod,
      columns.podContainer, columns.podUID, columns.limitCgroup, text(columns.limitPages), text(columns.points),
      text(columns.heldPages), columns.detail,
    ]
    return Array((cells.map { quoted($0 ?? "") }.joined(separator: ",") + "\r\n").utf8)
  }

  private static func quoted(_ text: String) -> String {
    let needsQuotes =
      text.utf8.contains { [0x22, 0x2c, 0x0a, 0x0d].contains($0) } || text.first == " " || text.last == " "
    return needsQuotes ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
  }
}
