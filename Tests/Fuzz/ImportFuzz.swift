// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

@testable import History

/// A file of lines into a history, as `history import` reads it.
///
/// Each line is stored, there already, or no event, and is counted once; what is stored is a line of the file, and is
/// found; and the same file a second time, in other pieces, changes nothing.
enum ImportFuzz {
  /// 2026-11-28 12:00 UTC: the same in each run.
  private static let now = EventTime(
    wallNanoseconds: 1_795_867_200_000_000_000, monotonicNanoseconds: 5_000_000_000_000)
  /// Kills of one process number that a kill is held against; of more, a double may be stored.
  private static let rowsMax = 64

  static func take(_ file: [UInt8]) throws(FuzzFault) {
    let lines = file.split(separator: 0x0a).filter { !isBlank($0) }
    let folder = FuzzFolder()
    let path = folder.path + "/history.db"
    let first = try read(file, piece: max(1, file.count), into: path)
    try hold(
      first.linesStored + first.linesDoubled + first.linesMalformed == lines.count,
      "\(lines.count) lines are \(first.linesStored), \(first.linesDoubled) and \(first.linesMalformed)")
    guard first.linesStored + first.linesDoubled > 0 else { return }
    let rows = try rows(path)
    try hold(rows.count == first.linesStored && first.rows == first.linesStored, "rows that were not stored")
    let given = Set(lines.map(Array.init))
    for row in rows { try holdRow(row, given) }
    guard rows.count <= rowsMax else { return }
    let second = try read(file, piece: 1 + Int(file.first ?? 0), into: path)
    try hold(second.linesStored == 0, "the same file is stored again")
    try hold(second.linesDoubled == first.linesStored + first.linesDoubled, "what was there is not known again")
    try hold(self.rows(path) == rows, "what is there already changes it")
  }

  /// What HistoryImport passes over without counting it.
  private static func isBlank(_ line: ArraySlice<UInt8>) -> Bool {
    line.allSatisfy { $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }
  }

  private static func read(_ file: [UInt8], piece: Int, into path: String) throws(FuzzFault) -> HistoryStatus {
    var settings = HistorySettings(path: path)
    (settings.secondsMax, settings.bytesMax, settings.setsDamagedAside) = (.max, .max, false)
    settings.clock = { now }
    let store = HistoryStore(settings)
    var splitter = LineSplitter(lineBytesMax: LineColumns.lineBytesMax)
    func take(_ line: ArraySlice<UInt8>, _ number: Int) { if !isBlank(line) { store.take(Array(line)) } }
    var start = 0
    while start < file.count {
      let end = min(file.count, start + piece)
      splitter.take(file[start..<end], take)
      start = end
    }
    splitter.end(take)
    store.close()
    let status = store.status
    try hold(status.failure == nil && status.linesDropped == 0, "it cannot be stored: \(status)")
    return status
  }

  private static func rows(_ path: String) throws(FuzzFault) -> [HistoryRow] {
    do {
      let reader = try HistoryReader(path: path)
      var rows: [HistoryRow] = []
      try reader.all(HistoryFilter()) {
        rows.append($0)
        return true
      }
      var filter = HistoryFilter()
      filter.types = ["oom_kill"]
      filter.victim = "*"
      for kill in try reader.last(8, filter) { _ = try reader.kill(kill) }
      return rows
    } catch {
      throw FuzzFault(description: "what was stored cannot be read: \(error)")
    }
  }

  private static func holdRow(_ row: HistoryRow, _ given: Set<[UInt8]>) throws(FuzzFault) {
    try hold(given.contains(row.line), "a line that is not in the file")
    guard let columns = try? LineColumns(row.line) else {
      throw FuzzFault(description: "a line is stored that is none")
    }
    try hold(row.type == columns.type && row.sequence == columns.sequence, "a row of another line")
    try hold((row.host ?? "") == (columns.host ?? "") && (row.bootID ?? "") == (columns.bootID ?? ""), "another host")
    try hold(row.pid == columns.pid && row.orderNanoseconds == columns.orderNanoseconds, "a row of another kill")
  }
}
