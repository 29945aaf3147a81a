// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import History
import Policy
import Report

/// What the kills that match have in common.
struct HistoryStats: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Sums the kills that match, and says what they advise, as analyze does.",
    discussion: """
      Examples:
        oomwitness history stats --since 7d
        oomwitness history stats --host 'db-*' --output json | jq .statistics
      """)

  @OptionGroup var kept: KeptOptions
  @OptionGroup var filter: HistoryFilterOptions
  @Option(help: "text for people, json for the document of `oomwitness analyze --output json`.")
  var output: Format = .text

  func run() throws {
    var statistics = KillStatistics()
    let pages = PageSizes()
    let lines = StandardOutput.Stream()
    var encoder: AnalysisEncoder?
    try kept.kills(filter, pages) { row, line, kill in
      statistics.add(kill, host: line.host.map { KernelName($0) }, boot: line.bootID, at: line.time)
      guard output == .json else { return true }
      if encoder == nil { encoder = HistoryStats.encoder(pages.bytes, lines) }
      let event = encoder?.event(.oomKill(kill), at: line.time, host: line.host, bootID: line.bootID) ?? []
      return lines.put(event)
    }
    pages.say()
    let advice = Recommendations(of: statistics, pageSizeBytes: pages.bytes)
    switch output {
    case .text:
      let coloured = OutputOptions.coloured
      lines.put(Array(StatisticsText(pageSizeBytes: pages.bytes, coloured: coloured).text(statistics).utf8))
      lines.put(Array(RecommendationText(coloured: coloured).text(advice.list, omitted: advice.omitted).utf8))
    case .json:
      if encoder == nil { encoder = HistoryStats.encoder(pages.bytes, lines) }
      lines.put(encoder?.tail(statistics, advice.list, omitted: advice.omitted, isWhole: true) ?? [])
    }
    try lines.end()
  }

  private static func encoder(_ pageSizeBytes: Int, _ lines: StandardOutput.Stream) -> AnalysisEncoder {
    let encoder = AnalysisEncoder(
      NDJSONEncoder(host: nil, bootID: nil, pageSizeBytes: pageSizeBytes), pageSizeBytes: pageSizeBytes)
    lines.put(encoder.head())
    return encoder
  }
}
