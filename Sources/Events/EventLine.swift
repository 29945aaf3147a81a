// SPDX-License-Identifier: Apache-2.0

/// One line of a stream, read again: what `NDJSONEncoder` wrote, and what it left out on purpose is worked out again.
///
/// What is not known is passed over, so that lines of a later version can be read. The contract of the fields is
/// docs/schema/oomwitness.v1.schema.json.
package struct EventLine: Sendable {
  package var time: EventTime
  package var host: String?
  package var bootID: String?
  package var sequence: UInt64 = 0
  /// Nil for a type that is not known, or one that lacks what it must have.
  package var event: Event?

  /// Reads one line, with or without its newline.
  package init(_ line: [UInt8]) throws(JSONReader.Fault) {
    time = EventTime(wallNanoseconds: nil, monotonicNanoseconds: nil)
    var rest = line
    var json = JSONReader {
      defer { rest = [] }
      return rest
    }
    var fields = LineFields()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "time": time.wallNanoseconds = try json.text().flatMap(RFC3339.nanoseconds)
      case "monotonic_ns": time.monotonicNanoseconds = try json.integer().flatMap { $0 < 0 ? nil : $0 }
      case "host": host = try json.text()
      case "boot_id": bootID = try json.text()
      case "seq": sequence = try json.integer().flatMap(UInt64.init(exactly:)) ?? 0
      default: return try fields.take(key, &json)
      }
      return true
    }
    try json.end()
    event = fields.event
  }
}
