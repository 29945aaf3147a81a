// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History
import Report

/// One event in full; of a kill also what came of it, what was done around it, and the memory before it.
struct HistoryShow: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Explains one kill in full, and draws the memory of the minutes before it.",
    discussion: """
      Drawn is what the daemon saw: the victim, the four that grew most, the biggest, and the host. Each picture begins \
      at 0.
      Examples:
        oomwitness history show 42
        oomwitness history show 42 --output json | jq .memory_before
      """)

  @OptionGroup var kept: KeptOptions
  @Argument(help: "Its number, as `oomwitness history list` has it.") var id: Int64
  @Option(help: "text for people, json for one object.") var output: Format = .text

  func run() throws {
    let kill = try kept.read { history in try history.row(id).map { try history.kill($0) } }
    guard let kill else {
      throw Diagnostic.fail(
        "there is no event \(id) in \(TerminalText.safe(kept.database)) (`oomwitness history list` shows what there is)"
      )
    }
    switch output {
    case .json: try StandardOutput.show(HistoryShow.document(kill) + [0x0a])
    case .text: try StandardOutput.show(HistoryShow.text(kill))
    }
  }

  private static func document(_ kill: HistoryReader.Kill) -> [UInt8] {
    func entry(_ row: HistoryRow) -> HistoryDocument.Entry { .init(id: row.id, line: row.line) }
    var document = HistoryDocument(kill.row)
    document.outcome = kill.outcome.map(entry)
    document.diedWithIt = kill.others.map(entry)
    document.around = kill.around.map(entry)
    document.memory = kill.memory
    return document.bytes
  }

  private static func text(_ kill: HistoryReader.Kill) -> String {
    let row = kill.row
    let style = Style(coloured: OutputOptions.coloured)
    let text = EventText(pageSizeBytes: row.pageSize, coloured: OutputOptions.coloured)
    func words(_ row: HistoryRow) -> String {
      guard let line = row.read, let event = line.event else {
        return TerminalText.safe(String(decoding: row.line, as: UTF8.self)) + "\n"
      }
      return text.text(event, at: line.time)
    }
    let place = [row.host.map { "host \($0)" }, row.bootID.map { "boot \($0)" }].compactMap { $0 }.joined(
      separator: ", ")
    var parts = [style.dim("event \(row.id)" + (place.isEmpty ? "" : " of \(TerminalText.safe(place))")) + "\n"]
    parts.append(words(row))
    if let outcome = kill.outcome { parts.append(words(outcome)) }
    if !kill.others.isEmpty {
      parts.append("\n" + style.strong("killed by the same decision") + "\n")
      let others: [HistoryTable.Row] = kill.others.compactMap { row in
        row.read.map { .init(id: row.id, line: $0, type: row.type, pageSizeBytes: row.pageSize) }
      }
      parts.append(HistoryTable(style: style).text(others))
    }
    if let memory = kill.memory {
      parts.append("\n" + MemoryChart(pageSizeBytes: row.pageSize, style: style).text(memory))
    }
    if !kill.around.isEmpty {
      parts.append("\n" + style.strong("around it") + "\n")
      parts += kill.around.map(words)
    }
    return parts.joined()
  }
}
