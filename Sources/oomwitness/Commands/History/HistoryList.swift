// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History
import Report

/// The last events that match, a line each.
struct HistoryList: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case text, ndjson, json }

  /// Rows of a list are held until their widths are known.
  private static let limitMax = 1_000_000

  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists the last kills that match, the newest at the end.",
    discussion: """
      ID is what `oomwitness history show` takes. Of one host its name is left out.
      Examples:
        oomwitness history list
        oomwitness history list --since 2026-11-24 --until 2026-11-25 --cgroup '/kubepods*'
        oomwitness history list --type any --since 1h
        oomwitness history list --output ndjson --limit 1000 | jq .explanation
      """)

  @OptionGroup var kept: KeptOptions
  @OptionGroup var filter: HistoryFilterOptions
  @Option(help: ArgumentHelp("How many at most: the last ones.", valueName: "n")) var limit = 50
  @Option(
    help: "text for people, ndjson for the lines as they were told, json for one array with their numbers.")
  var output: Format = .text

  func validate() throws {
    guard (1...HistoryList.limitMax).contains(limit) else {
      throw ValidationError("--limit takes 1 to \(HistoryList.limitMax), not \(limit)")
    }
  }

  func run() throws {
    let rows = try kept.read { history in try history.last(limit, filter.filter(defaultType: "oom_kill")) }
    switch output {
    case .ndjson: try StandardOutput.show(rows.flatMap { $0.line + [0x0a] })
    case .json:
      let documents = rows.map { HistoryDocument($0).bytes }
      try StandardOutput.show(
        Array("[".utf8) + Array(documents.joined(separator: Array(",\n".utf8))) + Array("]\n".utf8))
    case .text:
      guard !rows.isEmpty else { return try StandardOutput.show("No event of the history matches.\n") }
      let table = HistoryTable(style: Style(coloured: OutputOptions.coloured))
      try StandardOutput.show(
        table.text(
          rows.compactMap { row in
            row.read.map { .init(id: row.id, line: $0, type: row.type, pageSizeBytes: row.pageSize) }
          }))
    }
  }
}
