// SPDX-License-Identifier: Apache-2.0

/// One stored line, with the number that it has in this history.
package struct HistoryRow: Hashable, Sendable {
  /// What `oomwitness history show` takes; it is never given again.
  package var id: Int64
  package var type: String
  /// Whole, as it was stored, without its newline.
  package var line: [UInt8]
  /// Nil where the line names none.
  package var host: String?
  package var bootID: String?
  /// Of the boot that it is of; nil where no line of it has said.
  package var pageSizeBytes: Int?
  /// Whether the memory of the minutes before is kept beside it.
  package var hasMemory: Bool

  var sourceID: Int64
  var orderNanoseconds: Int64
  var sequence: Int64
  var decisionID: Int64?
  var pid: Int64?
}
