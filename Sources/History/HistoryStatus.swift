// SPDX-License-Identifier: Apache-2.0

/// What the history of this process has done, from zero at its start, and what its file holds.
package struct HistoryStatus: Hashable, Sendable {
  /// Rows in the file, when it was opened and since by our own count.
  package var rows: Int64 = 0
  /// Bytes in use in the file, without what waits beside it to be merged.
  package var bytes: Int64 = 0
  package var linesStored: Int64 = 0
  /// They were there already.
  package var linesDoubled: Int64 = 0
  /// They were no lines of the stream.
  package var linesMalformed: Int64 = 0
  /// There was no room for them while the file could not be written.
  package var linesDropped: Int64 = 0
  package var linesWaiting: Int64 = 0
  /// Rows that went for their age, and for the size of the file.
  package var rowsAged: Int64 = 0
  package var rowsOverSize: Int64 = 0
  /// Kills that were stored with the memory before them, and those that had too many others beside them.
  package var memoryRecords: Int64 = 0
  package var memoryRecordsOmitted: Int64 = 0
  /// Files that were damaged, and the name that the last of them got.
  package var filesSetAside: Int64 = 0
  package var lastSetAside: String?
  /// Why nothing can be stored now; nil where it can.
  package var failure: HistoryError?

  package init() {}
}
