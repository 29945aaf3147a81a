// SPDX-License-Identifier: Apache-2.0

/// Stored events as JSON: the line as it was, and around it what the history knows of it.
///
/// The contract of the fields is docs/schema/history.v1.schema.json.
package struct HistoryDocument: Sendable {
  package static let schema = "oomwitness.history.v1"

  /// A stored line with its number.
  package struct Entry: Sendable {
    package var id: Int64
    /// Without its newline.
    package var line: [UInt8]

    package init(id: Int64, line: [UInt8]) {
      self.id = id
      self.line = line
    }
  }

  private let entry: Entry
  private let pageSizeBytes: Int?
  private let hasMemory: Bool
  /// The fields of one kill that is shown whole.
  package var outcome: Entry?
  package var diedWithIt: [Entry]?
  package var around: [Entry]?
  package var memory: MemoryBefore?

  /// - Parameter pageSizeBytes: nil where nothing has told it.
  package init(_ entry: Entry, pageSizeBytes: Int?, hasMemory: Bool) {
    self.entry = entry
    self.pageSizeBytes = pageSizeBytes
    self.hasMemory = hasMemory
  }

  /// One JSON object.
  package var bytes: [UInt8] {
    var text = Array(#"{"schema":"\#(HistoryDocument.schema)","id":\#(entry.id),"#.utf8)
    if let pageSizeBytes { text += Array(#""page_size":\#(pageSizeBytes),"#.utf8) }
    text += Array(#""has_memory":\#(hasMemory),"event":"#.utf8) + entry.line
    if let outcome { text += Array(#","outcome":"#.utf8) + HistoryDocument.bytes(outcome) }
    if let diedWithIt { text += Array(#","died_with_it":"#.utf8) + HistoryDocument.bytes(diedWithIt) }
    if let around { text += Array(#","around":"#.utf8) + HistoryDocument.bytes(around) }
    if let memory {
      var json = JSONWriter(reserving: 8192)
      memory.encode(into: &json)
      text += Array(#","memory_before":"#.utf8) + json.bytes
    }
    return text + [UInt8(ascii: "}")]
  }

  private static func bytes(_ entry: Entry) -> [UInt8] {
    Array(#"{"id":\#(entry.id),"event":"#.utf8) + entry.line + [UInt8(ascii: "}")]
  }

  private static func bytes(_ entries: [Entry]) -> [UInt8] {
    Array("[".utf8) + Array(entries.map(bytes).joined(separator: [UInt8(ascii: ",")])) + Array("]".utf8)
  }
}
