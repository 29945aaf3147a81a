// SPDX-License-Identifier: Apache-2.0

/// Turns events into the lines of one stream: the envelope, the numbering, the fields.
///
/// The only place that knows the names of fields; docs/schema/oomwitness.v1.schema.json is its contract.
package struct NDJSONEncoder: ~Copyable {
  package static let schema = "oomwitness.v1"

  private let host: String?
  private let bootID: String?
  private let stream: String?
  private let explanation: Explanation
  private var writer = JSONWriter(reserving: 64 * 1024)
  /// Number of the last line; the next has one more.
  package private(set) var sequence: UInt64 = 0

  /// - Parameter stream: tells this stream from others of the host, where one place gets several; nil: none is told.
  package init(host: String?, bootID: String?, stream: String? = nil, pageSizeBytes: Int) {
    self.host = host
    self.bootID = bootID
    self.stream = stream
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
  }

  /// Takes back the number of the last line, which nobody got: the next line has it.
  package mutating func retract() { sequence -= 1 }

  /// One event as one line, `\n` included.
  package mutating func line(_ event: Event, at time: EventTime) -> [UInt8] {
    line(event, at: time, host: host, bootID: bootID)
  }

  /// The same for an event of another host or boot; nil where it is not known whose.
  package mutating func line(_ event: Event, at time: EventTime, host: String?, bootID: String?) -> [UInt8] {
    sequence += 1
    writer.reset()
    let (sequence, explanation, stream) = (sequence, explanation, stream)
    writer.object { json in
      json.field("schema", NDJSONEncoder.schema)
      json.field("type", event.typeName.description)
      json.field("time", wallNanoseconds: time.wallNanoseconds)
      json.field("monotonic_ns", time.monotonicNanoseconds)
      json.field("host", host)
      json.field("boot_id", bootID)
      json.field("stream", stream)
      json.field("seq", sequence)
      switch event {
      case .streamStart(let start): start.encode(into: &json)
      case .oomKill(let kill): kill.encode(into: &json, explanation: explanation.bytes(kill))
      case .oomOutcome(let outcome): outcome.encode(into: &json)
      case .oomNoKill(let noKill): noKill.encode(into: &json)
      case .loss(let loss): loss.encode(into: &json)
      case .pressure(let pressure): pressure.encode(into: &json, explanation: explanation)
      case .policyAction(let action): action.encode(into: &json)
      case .guardAction(let action): action.encode(into: &json)
      case .streamEnd(let end): end.encode(into: &json)
      }
    }
    writer.appendRaw(UInt8(ascii: "\n"))
    return writer.bytes
  }
}
