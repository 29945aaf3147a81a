// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import History

/// Which history, and the ways to read it.
struct KeptOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The history's file.", valueName: "path"))
  var database = HistorySettings.defaultPath

  func validate() throws {
    if database.isEmpty || database.utf8.contains(0) { throw ValidationError("--database takes a path, not nothing") }
  }

  /// Reads it, and words what goes wrong.
  func read<Result>(_ body: (HistoryReader) throws -> Result) throws -> Result {
    do {
      return try body(try HistoryReader(path: database))
    } catch let error as HistoryError {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }

  /// Each kill that matches, by time, as the event that it was; ends where `body` says false.
  func kills(
    _ options: HistoryFilterOptions, _ pages: PageSizes,
    _ body: (HistoryRow, EventLine, OOMKill) throws -> Bool
  ) throws {
    var filter = options.filter(defaultType: "oom_kill")
    filter.types = ["oom_kill"]
    try read { history in
      try history.all(filter) { row in
        guard let line = row.read, case .oomKill(let kill)? = line.event, pages.take(row) else { return true }
        return try body(row, line, kill)
      }
    }
  }
}

/// Kills are summed in pages: those of hosts whose pages have another size than the first one's are left out, and said.
final class PageSizes {
  private var first: Int?
  private var leftOut = 0

  /// Of all that are taken.
  var bytes: Int { first ?? HistoryRow.pageSizeUsual }

  func take(_ row: HistoryRow) -> Bool {
    if first == nil { first = row.pageSize }
    if row.pageSize != first { leftOut += 1 }
    return row.pageSize == first
  }

  func say() {
    guard leftOut > 0 else { return }
    Diagnostic.say(
      "\(leftOut) kills of hosts with another page size than \(bytes) are left out (--host names those of one kind)")
  }
}

extension HistoryRow {
  static let pageSizeUsual = 4096

  /// As a line of its boot has told it, else the usual one.
  var pageSize: Int { pageSizeBytes ?? HistoryRow.pageSizeUsual }

  /// The line, read again; nil where it is none any more.
  var read: EventLine? { try? EventLine(line) }
}

extension HistoryDocument {
  init(_ row: HistoryRow) {
    self.init(Entry(id: row.id, line: row.line), pageSizeBytes: row.pageSizeBytes, hasMemory: row.hasMemory)
  }
}
