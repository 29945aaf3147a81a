// SPDX-License-Identifier: Apache-2.0
import CSQLite

/// A statement that is ready to run, with its values and the row that it stands at.
///
/// Source: sqlite3_prepare_v2(3).
final class Statement {
  private let handle: OpaquePointer
  private let database: Database
  private let operation: HistoryError.Operation
  /// Copies what is bound: it may be gone by the time the statement runs. Source: sqlite3.h, SQLITE_TRANSIENT.
  private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

  init(_ handle: OpaquePointer, of database: Database, _ operation: HistoryError.Operation) {
    self.handle = handle
    self.database = database
    self.operation = operation
  }

  deinit { sqlite3_finalize(handle) }

  /// Sets the values, from 1, and begins anew.
  func bind(_ values: Value...) throws(HistoryError) { try bind(values) }

  func bind(_ values: [Value]) throws(HistoryError) {
    sqlite3_reset(handle)
    for (place, value) in values.enumerated() {
      guard set(Int32(place + 1), value) == SQLITE_OK else { throw database.failure(operation) }
    }
  }

  /// Goes to the next row; false where there is none, and then it may be bound again.
  func step() throws(HistoryError) -> Bool {
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE:
      sqlite3_reset(handle)
      return false
    default:
      let failure = database.failure(operation)
      sqlite3_reset(handle)
      throw failure
    }
  }

  /// Binds, and runs to the end.
  func run(_ values: Value...) throws(HistoryError) {
    try bind(values)
    while try step() {}
  }

  /// Lets go of the row, and of the lock that it holds.
  func reset() { sqlite3_reset(handle) }

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  /// Nil for NULL.
  func text(_ column: Int32) -> String? {
    isNull(column) ? nil : String(decoding: bytes(column), as: UTF8.self)
  }

  func bytes(_ column: Int32) -> [UInt8] {
    guard let start = sqlite3_column_blob(handle, column) else { return [] }
    return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
  }

  private func set(_ place: Int32, _ value: Value) -> Int32 {
    switch value {
    case .integer(let number?): return sqlite3_bind_int64(handle, place, number)
    case .text(var text?):
      return text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          sqlite3_bind_text(handle, place, $0.baseAddress, Int32($0.count), Statement.copied)
        }
      }
    case .bytes(let bytes):
      return bytes.withUnsafeBytes {
        sqlite3_bind_blob(handle, place, $0.baseAddress, Int32($0.count), Statement.copied)
      }
    case .integer(nil), .text(nil): return sqlite3_bind_null(handle, place)
    }
  }

  /// What is bound; nil is NULL.
  enum Value: Sendable {
    case integer(Int64?)
    case text(String?)
    case bytes([UInt8])
  }
}
