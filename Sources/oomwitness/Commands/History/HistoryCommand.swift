// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What this host's daemon has kept, or what was imported from others.
struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Finds kills of before, explains one, draws the memory before it, sums them up, exports and imports.",
    discussion: """
      The daemon keeps what it tells in a database on this host, for 90 days or 256 MiB. It may be read while it is \
      written. Lines of other hosts are imported into a file of their own. docs/history.md tells the rest.
      Examples:
        oomwitness history list --since 7d --victim 'java*'
        oomwitness history show 42
        oomwitness history stats --pod 'shop/*'
        oomwitness history import --database fleet.db hosts/*.ndjson
      """,
    subcommands: [
      HistoryList.self, HistoryShow.self, HistoryStats.self, HistoryExport.self, HistoryReport.self,
      HistoryImport.self, HistoryRecord.self,
    ])
}
