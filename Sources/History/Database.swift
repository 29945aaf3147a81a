// SPDX-License-Identifier: Apache-2.0
import CSQLite
import Events
import Glibc

/// One connection to a database file. Not for two threads at once.
///
/// Source: sqlite3_open_v2(3).
final class Database {
  enum Access {
    /// It is made where there is none.
    case write
    case read
    /// Nobody writes it now, and nothing beside it may be made: a reader without the right to its folder.
    /// Source: sqlite.org/uri.html, "immutable".
    case readUnchanging
  }

  let path: String
  private let handle: OpaquePointer

  /// - Parameter busyMilliseconds: how long a statement waits for another's lock.
  init(path: String, _ access: Access, busyMilliseconds: Int32) throws(HistoryError) {
    self.path = path
    var handle: OpaquePointer?
    var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI
    flags |= access == .write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
    let status = sqlite3_open_v2(
      Database.uri(path) + (access == .readUnchanging ? "?immutable=1" : ""), &handle, flags, nil)
    guard status == SQLITE_OK, let handle else {
      let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      let code = handle.map { sqlite3_extended_errcode($0) } ?? status
      sqlite3_close_v2(handle)
      throw .database(path: path, operation: .open, code: code, message: message)
    }
    self.handle = handle
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, busyMilliseconds)
    guard csqlite_harden(handle) == SQLITE_OK else { throw failure(.open) }
    registerGlob()
  }

  // Statements that are still there hold it open until they go. Source: sqlite3_close_v2(3).
  deinit { sqlite3_close_v2(handle) }

  /// Rows that the last statement changed.
  var changes: Int { Int(sqlite3_changes(handle)) }

  /// The last row that was put into a table.
  var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }

  /// Runs statements that have no results that are wanted.
  func execute(_ sql: String, _ operation: HistoryError.Operation = .write) throws(HistoryError) {
    guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(operation) }
  }

  /// Makes a statement ready; it is written once and run often.
  func statement(
    _ sql: String, _ operation: HistoryError.Operation = .read
  ) throws(HistoryError) -> Statement {
    var prepared: OpaquePointer?
    guard sqlite3_prepare_v2(handle, sql, -1, &prepared, nil) == SQLITE_OK, let prepared else {
      throw failure(operation)
    }
    return Statement(prepared, of: self, operation)
  }

  /// The one number that a statement gives; 0 where it gives none.
  func integer(_ sql: String) throws(HistoryError) -> Int64 {
    let statement = try statement(sql)
    return try statement.step() ? statement.integer(0) : 0
  }

  /// What SQLite says of the last call.
  func failure(_ operation: HistoryError.Operation) -> HistoryError {
    .database(
      path: path, operation: operation, code: sqlite3_extended_errcode(handle),
      message: String(cString: sqlite3_errmsg(handle)))
  }

  /// Whether a transaction is open; some errors end it. Source: sqlite3_get_autocommit(3).
  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  /// `fits(pattern, text)`: names by a pattern as shells have it, `*` across slashes. Source: fnmatch(3).
  private func registerGlob() {
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
    sqlite3_create_function_v2(
      handle, "fits", 2, flags, nil,
      { context, _, values in
        guard let values, let pattern = sqlite3_value_text(values[0]), let text = sqlite3_value_text(values[1]) else {
          return sqlite3_result_int(context, 0)
        }
        let isMatch = pattern.withMemoryRebound(to: CChar.self, capacity: 1) { pattern in
          text.withMemoryRebound(to: CChar.self, capacity: 1) { fnmatch(pattern, $0, 0) == 0 }
        }
        sqlite3_result_int(context, isMatch ? 1 : 0)
      }, nil, nil, nil)
  }

  /// The path as a URI, so that no name is taken for one. Source: sqlite.org/uri.html.
  private static func uri(_ path: String) -> String {
    var uri = Array("file:".utf8)
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0..<0x21, 0x7f...:
        uri += Array("%".utf8) + Array(KernelName(bytes: [byte]).hex.utf8)
      default: uri.append(byte)
      }
    }
    return String(decoding: uri, as: UTF8.self)
  }
}
