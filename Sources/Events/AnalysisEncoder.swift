// SPDX-License-Identifier: Apache-2.0

/// Writes one JSON document of what a log told: its events as they come, then their sums and what these advise.
///
/// Shape: `{"schema": …, "events": [ … ], "statistics": { … }, "recommendations": { … }}`, in pieces, so that the events
/// need no memory. The contract of the fields is docs/schema/analysis.v1.schema.json.
package struct AnalysisEncoder: ~Copyable {
  package static let schema = "oomwitness.analysis.v1"

  private var encoder: NDJSONEncoder
  private let pageSizeBytes: Int

  /// - Parameter encoder: of the events; each is as its line in the stream.
  package init(_ encoder: consuming NDJSONEncoder, pageSizeBytes: Int) {
    self.encoder = encoder
    self.pageSizeBytes = pageSizeBytes
  }

  /// What comes first.
  package func head() -> [UInt8] {
    Array(
      "{\"schema\":\"\(AnalysisEncoder.schema)\",\"page_size\":\(pageSizeBytes),\"events\":[".utf8)
  }

  /// An event, with the comma before it.
  package mutating func event(_ event: Event, at time: EventTime, host: String?, bootID: String?) -> [UInt8] {
    let isFirst = encoder.sequence == 0
    return Array((isFirst ? "\n" : ",\n").utf8)
      + encoder.line(event, at: time, host: host, bootID: bootID).dropLast()
  }

  /// The event as a line of its own, of no document.
  package mutating func line(_ event: Event, at time: EventTime, host: String?, bootID: String?) -> [UInt8] {
    encoder.line(event, at: time, host: host, bootID: bootID)
  }

  /// What comes last; `isWhole` is false where a log could not be read to its end.
  package func tail(
    _ statistics: KillStatistics, _ recommendations: [Recommendation], omitted: Int, isWhole: Bool
  ) -> [UInt8] {
    var json = JSONWriter(reserving: 64 * 1024)
    json.object { json in
      json.field("whole", isWhole)
      json.field("statistics") { statistics.encode(into: &$0) }
      json.objectField("recommendations") { json in
        json.field("listed", recommendations.count)
        json.field("omitted", omitted)
        json.field("list") { json in
          json.array { json in
            for recommendation in recommendations { recommendation.encode(into: &json) }
          }
        }
      }
    }
    return Array("\n],".utf8) + json.bytes.dropFirst() + [UInt8(ascii: "\n")]
  }
}
