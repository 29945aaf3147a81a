// SPDX-License-Identifier: Apache-2.0
import Events

/// Reads a history, while another process writes it or not. Not for two threads at once.
///
/// It never holds more than a piece, and no lock between two pieces, so that the writer's file does not grow meanwhile.
/// File: /var/lib/oomwitness/history.db.
package final class HistoryReader {
  /// What belongs to one kill.
  package struct Kill: Sendable {
    package var row: HistoryRow
    /// What came of it; nil where that was not told, or not stored.
    package var outcome: HistoryRow?
    /// The others that died by the same decision.
    package var others: [HistoryRow] = []
    /// What guards did and how pressure rose: five minutes before to one after, by time.
    package var around: [HistoryRow] = []
    package var memory: MemoryBefore?
  }

  /// Rows that are read at once.
  private static let pieceRows = 512
  /// Rows beside a kill that are shown.
  private static let besideMax = 32
  private static let second: Int64 = 1_000_000_000
  private static let beforeNanoseconds = 300 * second
  private static let afterNanoseconds = 60 * second

  private static let columns = """
    e.id, e.type, l.line, s.host, s.boot_id, s.page_size, m.id IS NOT NULL, e.source_id, e.order_ns, e.seq,
    e.decision_id, e.pid
    """
  private static let tables = """
    FROM events e JOIN sources s ON s.id = e.source_id JOIN lines l ON l.id = e.id LEFT JOIN memory m ON m.id = e.id
    """

  private let database: Database

  package init(path: String) throws(HistoryError) { database = try HistoryFile.openForReading(path) }

  /// How many rows there are.
  package func count() throws(HistoryError) -> Int64 { try database.integer("SELECT count(*) FROM events") }

  /// The last ones by time, the oldest of them first.
  package func last(_ limit: Int, _ filter: HistoryFilter) throws(HistoryError) -> [HistoryRow] {
    let condition = filter.condition
    // First the numbers alone: a line is read where it is wanted.
    let statement = try database.statement(
      """
      SELECT \(HistoryReader.columns) FROM (
        SELECT e.id AS wanted, e.order_ns AS place, e.seq AS turn FROM events e JOIN sources s ON s.id = e.source_id
        WHERE \(condition.sql) ORDER BY e.order_ns DESC, e.seq DESC LIMIT ?) w
      JOIN events e ON e.id = w.wanted JOIN sources s ON s.id = e.source_id JOIN lines l ON l.id = e.id
      LEFT JOIN memory m ON m.id = e.id ORDER BY w.place, w.turn, e.id
      """)
    try statement.bind(condition.values + [.integer(Int64(limit))])
    return try rows(statement)
  }

  /// All of them: of one type by time, else as they were stored. Ends where `body` says false.
  package func all(_ filter: HistoryFilter, _ body: (HistoryRow) throws -> Bool) throws {
    let condition = filter.condition
    let isByTime = filter.types.count == 1
    let (place, order) =
      isByTime
      ? ("(e.order_ns, e.seq, e.source_id) > (?, ?, ?)", "e.order_ns, e.seq, e.source_id") : ("e.id > ?", "e.id")
    let statement = try database.statement(
      """
      SELECT \(HistoryReader.columns) \(HistoryReader.tables)
      WHERE \(condition.sql) AND \(place) ORDER BY \(order) LIMIT \(HistoryReader.pieceRows)
      """)
    var after: [Statement.Value] = isByTime ? [.integer(.min), .integer(.min), .integer(.min)] : [.integer(.min)]
    while true {
      try statement.bind(condition.values + after)
      let piece = try rows(statement)
      for row in piece { guard try body(row) else { return } }
      guard piece.count == HistoryReader.pieceRows, let last = piece.last else { return }
      after =
        isByTime
        ? [.integer(last.orderNanoseconds), .integer(last.sequence), .integer(last.sourceID)] : [.integer(last.id)]
    }
  }

  /// The row of that number; nil where there is none.
  package func row(_ id: Int64) throws(HistoryError) -> HistoryRow? {
    try rows("e.id = ?", [.integer(id)]).first
  }

  /// A kill with what belongs to it; another event alone.
  package func kill(_ row: HistoryRow) throws(HistoryError) -> Kill {
    var kill = Kill(row: row)
    guard row.type == "oom_kill" else { return kill }
    let time = row.orderNanoseconds
    let source = Statement.Value.integer(row.sourceID)
    if let decision = row.decisionID {
      kill.outcome = try rows(
        "e.source_id = ? AND e.pid = ? AND e.type = 'oom_outcome' AND e.decision_id = ? AND e.order_ns BETWEEN ? AND ?",
        [
          source, .integer(row.pid), .integer(decision), .integer(time &- HistoryReader.second),
          .integer(time &+ HistoryReader.afterNanoseconds),
        ]
      ).first
      kill.others = try rows(
        "e.type = 'oom_kill' AND e.order_ns BETWEEN ? AND ? AND e.source_id = ? AND e.decision_id = ? AND e.id != ?",
        [
          .integer(time &- HistoryReader.second), .integer(time &+ HistoryReader.second), source, .integer(decision),
          .integer(row.id),
        ])
    }
    for type in ["guard_action", "pressure"] {
      kill.around += try rows(
        "e.type = ? AND e.order_ns BETWEEN ? AND ? AND e.source_id = ?",
        [
          .text(type), .integer(time &- HistoryReader.beforeNanoseconds),
          .integer(time &+ HistoryReader.afterNanoseconds), source,
        ])
    }
    kill.around.sort { ($0.orderNanoseconds, $0.sequence) < ($1.orderNanoseconds, $1.sequence) }
    kill.memory = try memory(row.id)
    return kill
  }

  /// The memory before a kill; nil where it is not kept.
  package func memory(_ id: Int64) throws(HistoryError) -> MemoryBefore? {
    let statement = try database.statement("SELECT record FROM memory WHERE id = ?")
    try statement.bind(.integer(id))
    guard try statement.step() else { return nil }
    defer { statement.reset() }
    return MemoryBefore(json: statement.bytes(0))
  }

  private func rows(_ condition: String, _ values: [Statement.Value]) throws(HistoryError) -> [HistoryRow] {
    let statement = try database.statement(
      """
      SELECT \(HistoryReader.columns) \(HistoryReader.tables)
      WHERE \(condition) ORDER BY e.order_ns, e.seq LIMIT \(HistoryReader.besideMax)
      """)
    try statement.bind(values)
    return try rows(statement)
  }

  private func rows(_ statement: Statement) throws(HistoryError) -> [HistoryRow] {
    var rows: [HistoryRow] = []
    while try statement.step() {
      func integer(_ column: Int32) -> Int64? { statement.isNull(column) ? nil : statement.integer(column) }
      func text(_ column: Int32) -> String? { statement.text(column).flatMap { $0.isEmpty ? nil : $0 } }
      rows.append(
        HistoryRow(
          id: statement.integer(0), type: statement.text(1) ?? "", line: statement.bytes(2), host: text(3),
          bootID: text(4), pageSizeBytes: integer(5).map { Int(clamping: $0) }, hasMemory: statement.integer(6) != 0,
          sourceID: statement.integer(7), orderNanoseconds: statement.integer(8), sequence: statement.integer(9),
          decisionID: integer(10), pid: integer(11)))
    }
    return rows
  }
}
