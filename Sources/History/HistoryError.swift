// SPDX-License-Identifier: Apache-2.0

/// What the history refused, or its file did: facts alone, the command words them.
///
/// Source: sqlite3_errcode(3), errno(3).
package enum HistoryError: Error, Hashable, Sendable {
  package enum Operation: String, Sendable {
    case open, read, write, make, rename, stat
    case setMode = "set the mode of"
  }

  /// SQLite failed: its extended code, and its own words.
  case database(path: String, operation: Operation, code: Int32, message: String)
  /// A system call failed.
  case system(path: String, operation: Operation, errno: Int32)
  /// There is no such file, and it was only to be read.
  case absent(path: String)
  /// A database of another program's.
  case foreign(path: String)
  /// Its tables are of a later version than this program knows.
  case newer(path: String, version: Int64)

  /// The file is damaged, or no database at all. Source: sqlite3.h, SQLITE_CORRUPT and SQLITE_NOTADB.
  package var isDamage: Bool {
    if case .database(_, _, let code, _) = self { return [11, 26].contains(code & 0xff) }
    return false
  }

  /// Somebody else writes, and it may work a moment later. Source: sqlite3.h, SQLITE_BUSY and SQLITE_LOCKED.
  package var isBusy: Bool {
    if case .database(_, _, let code, _) = self { return [5, 6].contains(code & 0xff) }
    return false
  }
}
