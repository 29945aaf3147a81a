// SPDX-License-Identifier: Apache-2.0
import Events

/// Writes rows into an open history, and deletes the oldest.
final class HistoryWriter {
  /// A line with what is stored beside it.
  struct Item {
    var columns: LineColumns
    var line: [UInt8]
    /// The memory before the kill, as JSON.
    var memory: [UInt8]?
  }

  struct Result {
    var stored: Int64 = 0
    var doubled: Int64 = 0
    var memoryRecords: Int64 = 0
  }

  private struct SourceKey: Hashable {
    var host: String
    var bootID: String
  }

  /// Rows of one transaction that deletes, and such transactions at one time.
  private static let deletedMax: Int64 = 256
  private static let deletionsMax = 16
  /// Hosts and boots whose numbers are remembered.
  private static let sourcesMax = 4096
  /// Kills of one process number in one boot that a kill is held against.
  private static let killsOfNumberMax: Int64 = 64

  private let database: Database
  private let identity: HistoryFile.Identity?
  private let insert: Statement
  private let insertLine: Statement
  private let insertMemory: Statement
  private let insertSource: Statement
  private let findSource: Statement
  private let findKills: Statement
  private var sources: [SourceKey: Int64] = [:]
  private(set) var rows: Int64
  private(set) var bytes: Int64

  init(_ settings: HistorySettings) throws(HistoryError) {
    database = try HistoryFile.openForWriting(settings)
    identity = HistoryFile.Identity(settings.path)
    insert = try database.statement(HistorySchema.insert, .write)
    insertLine = try database.statement("INSERT INTO lines (id, line) VALUES (?, ?)", .write)
    insertMemory = try database.statement("INSERT INTO memory (id, record) VALUES (?, ?)", .write)
    insertSource = try database.statement(
      """
      INSERT INTO sources (host, boot_id, page_size) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET page_size = coalesce(excluded.page_size, page_size)
      """, .write)
    findSource = try database.statement("SELECT id FROM sources WHERE host = ? AND boot_id = ?")
    findKills = try database.statement(
      """
      SELECT id, tid, start_ns, monotonic_ns, order_ns, has_time, seen_by, comm FROM events
      WHERE source_id = ? AND pid = ? AND type = 'oom_kill' ORDER BY order_ns DESC LIMIT \(HistoryWriter.killsOfNumberMax)
      """)
    rows = try database.integer("SELECT count(*) FROM events")
    bytes = 0
    bytes = try usedBytes()
  }

  /// False where its name is another file's by now, or nobody's.
  var isAtItsPath: Bool { identity != nil && HistoryFile.Identity(database.path) == identity }

  /// All of them, or none.
  func store(_ items: [Item], wallNanoseconds: Int64) throws(HistoryError) -> Result {
    var result = Result()
    try database.execute("BEGIN IMMEDIATE")
    do throws(HistoryError) {
      for item in items { try store(item, storedSeconds: wallNanoseconds / 1_000_000_000, &result) }
      try database.execute("COMMIT")
    } catch {
      rollBack()
      throw error
    }
    rows += result.stored
    bytes = try usedBytes()
    return result
  }

  private func rollBack() {
    sources.removeAll()
    if database.isInTransaction { try? database.execute("ROLLBACK") }
  }

  private func store(_ item: Item, storedSeconds: Int64, _ result: inout Result) throws(HistoryError) {
    let columns = item.columns
    let source = try number(of: columns)
    if columns.type == "oom_kill" {
      switch try known(KnownKill(columns), source: source) {
      case .no: break
      case .yes:
        result.doubled += 1
        return
      case .poorer(let id):
        try replace(id, by: item, source: source, storedSeconds: storedSeconds, &result)
        return
      }
    }
    try insert(item, source: source, storedSeconds: storedSeconds, &result)
  }

  /// Of two lines that tell one kill the richer one stays, and the other was there already.
  private func replace(
    _ id: Int64, by item: Item, source: Int64, storedSeconds: Int64, _ result: inout Result
  ) throws(HistoryError) {
    try database.execute("SAVEPOINT richer")
    try delete(through: id, alone: true)
    var inserted = Result()
    try insert(item, source: source, storedSeconds: storedSeconds, &inserted)
    // Where its place in the order is another line's, the poorer one stays.
    if inserted.stored == 0 { try database.execute("ROLLBACK TO richer") }
    try database.execute("RELEASE richer")
    result.doubled += 1
    result.memoryRecords += inserted.memoryRecords
  }

  private func insert(
    _ item: Item, source: Int64, storedSeconds: Int64, _ result: inout Result
  ) throws(HistoryError) {
    let columns = item.columns
    try insert.run(
      .text(columns.type), .integer(columns.orderNanoseconds), .integer(columns.wallNanoseconds == nil ? 0 : 1),
      .integer(columns.monotonicNanoseconds), .integer(source), .integer(columns.sequence), .integer(storedSeconds),
      .text(columns.source), .integer(columns.decisionID), .integer(columns.pid), .integer(columns.tid),
      .integer(columns.startWallNanoseconds), .text(columns.comm), .text(columns.cgroup), .text(columns.unit),
      .text(columns.containerID), .text(columns.container), .text(columns.namespace), .text(columns.pod),
      .text(columns.podContainer), .text(columns.podUID), .text(columns.limitCgroup), .text(columns.scope),
      .integer(columns.points), .integer(columns.heldPages), .integer(columns.limitPages), .text(columns.detail))
    guard database.changes > 0 else {
      result.doubled += 1
      return
    }
    let id = database.lastRow
    try insertLine.run(.integer(id), .bytes(item.line))
    result.stored += 1
    if let memory = item.memory {
      try insertMemory.run(.integer(id), .text(String(decoding: memory, as: UTF8.self)))
      result.memoryRecords += 1
    }
  }

  /// Of the host and boot of a line.
  private func number(of columns: LineColumns) throws(HistoryError) -> Int64 {
    let key = SourceKey(host: columns.host ?? "", bootID: columns.bootID ?? "")
    if columns.pageSizeBytes == nil, let known = sources[key] { return known }
    try insertSource.run(.text(key.host), .text(key.bootID), .integer(columns.pageSizeBytes))
    try findSource.bind(.text(key.host), .text(key.bootID))
    guard try findSource.step() else { throw database.failure(.write) }
    let number = findSource.integer(0)
    findSource.reset()
    if sources.count >= HistoryWriter.sourcesMax { sources.removeAll() }
    sources[key] = number
    return number
  }

  private enum Known {
    case no, yes
    /// It is there from the kernel's log, which tells less.
    case poorer(Int64)
  }

  private func known(_ kill: KnownKill, source: Int64) throws(HistoryError) -> Known {
    guard let pid = kill.pid else { return .no }
    try findKills.bind(.integer(source), .integer(pid))
    defer { findKills.reset() }
    var poorer: Int64?
    while try findKills.step() {
      func integer(_ column: Int32) -> Int64? { findKills.isNull(column) ? nil : findKills.integer(column) }
      var other = kill
      other.tid = integer(1)
      other.startNanoseconds = integer(2)
      other.monotonicNanoseconds = integer(3)
      other.wallNanoseconds = findKills.integer(5) == 1 ? integer(4) : nil
      other.source = findKills.text(6)
      other.comm = findKills.text(7)
      guard kill.isSame(as: other) else { continue }
      // The log's line stands for it only where no other does.
      guard other.isFromLog, !kill.isFromLog, kill.hasAllClocks(of: other) else { return .yes }
      poorer = poorer ?? findKills.integer(0)
    }
    return poorer.map { .poorer($0) } ?? .no
  }

  // MARK: What goes

  /// Rows that were stored before then, the oldest first, so many at most that a clock that is wrong for a minute does not
  /// take all.
  func deleteAged(before storedSeconds: Int64) throws(HistoryError) -> Int64 {
    let oldest = try database.statement(
      "SELECT id, stored_s FROM events ORDER BY id LIMIT \(4 * HistoryWriter.deletedMax)")
    var last: Int64?
    while try oldest.step(), oldest.integer(1) < storedSeconds { last = oldest.integer(0) }
    oldest.reset()
    guard let last else { return 0 }
    return try delete(through: last)
  }

  /// The oldest rows, until the file holds no more than this; what it no longer needs is given back.
  func deleteOverSize(_ bytesMax: Int64) throws(HistoryError) -> Int64 {
    var deleted: Int64 = 0
    for _ in 0..<HistoryWriter.deletionsMax {
      guard try usedBytes() > bytesMax else { break }
      let last = try database.integer(
        "SELECT max(id) FROM (SELECT id FROM events ORDER BY id LIMIT \(HistoryWriter.deletedMax))")
      guard last > 0 else { break }
      deleted += try delete(through: last)
    }
    return deleted
  }

  private func delete(through id: Int64) throws(HistoryError) -> Int64 {
    try database.execute("BEGIN IMMEDIATE")
    var deleted: Int64 = 0
    do throws(HistoryError) {
      deleted = try delete(through: id, alone: false)
      try database.execute("COMMIT")
    } catch {
      rollBack()
      throw error
    }
    rows -= deleted
    // Pages that are free go back to the file system, a few at a time. Source: sqlite.org/pragma.html.
    try database.execute("PRAGMA incremental_vacuum(1024)")
    bytes = try usedBytes()
    return deleted
  }

  @discardableResult private func delete(through id: Int64, alone: Bool) throws(HistoryError) -> Int64 {
    let sign = alone ? "=" : "<="
    try database.execute("DELETE FROM memory WHERE id \(sign) \(id); DELETE FROM lines WHERE id \(sign) \(id)")
    try database.execute("DELETE FROM events WHERE id \(sign) \(id)")
    return Int64(database.changes)
  }

  private func usedBytes() throws(HistoryError) -> Int64 {
    let pages = try database.integer("PRAGMA page_count") - database.integer("PRAGMA freelist_count")
    return pages * (try database.integer("PRAGMA page_size"))
  }
}
