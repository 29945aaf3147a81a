// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History
import Host
import Policy
import Report

/// The kills that match, as a page for a browser.
struct HistoryReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes the kills that match as one page for a browser, as analyze does.",
    discussion: """
      Examples:
        oomwitness history report --html oom.html --since 30d
        oomwitness history report --html - --cgroup '/kubepods*' > pods.html
      """)

  @OptionGroup var kept: KeptOptions
  @OptionGroup var filter: HistoryFilterOptions
  @Option(help: ArgumentHelp("The file to write, over one that is there; - is standard output.", valueName: "file"))
  var html: String
  @Option(help: ArgumentHelp("How many candidates of each kill to list, or all.", valueName: "n|all"))
  var candidates: CandidateCount = .first(20)

  func run() throws {
    guard html != "-" else {
      let lines = StandardOutput.Stream()
      try write { lines.put($0) }
      return try lines.end()
    }
    do {
      try NewFile.write(to: html) { put in try write(put) }
    } catch let error as HostError {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }

  private func write(_ put: ([UInt8]) -> Bool) throws {
    var statistics = KillStatistics()
    let pages = PageSizes()
    var page: ReportPage?
    func begun() -> ReportPage {
      let page = ReportPage(pageSizeBytes: pages.bytes, version: Version.text, origin: "history report --html")
      _ = put(page.head())
      return page
    }
    try kept.kills(filter, pages) { row, line, kill in
      var kill = kill
      let host = line.host.map { KernelName($0) }
      statistics.add(kill, host: host, boot: line.bootID, at: line.time)
      kill.candidates = kill.candidates?.first(candidates.limit)
      if page == nil { page = begun() }
      return put(page?.kill(kill, at: line.time, host: host) ?? [])
    }
    pages.say()
    let advice = Recommendations(of: statistics, pageSizeBytes: pages.bytes)
    _ = put((page ?? begun()).end(statistics, advice.list, omitted: advice.omitted, isWhole: true))
  }
}
