// SPDX-License-Identifier: Apache-2.0

/// Turns events into the lines of one stream: the envelope, the numbering, the fields.
///
/// The only place that knows the names of fields; docs/schema/oomwitness.v1.schema.json is its contract.
package struct NDJSONEncoder: Sendable {
  package static let schema = "oomwitness.v1"

  private let host: String
  private let bootID: String?
  private let explanation: Explanation
  private var writer = JSONWriter(reserving: 64 * 1024)
  /// Number of the last line; the next has one more.
  package private(set) var sequence: UInt64 = 0

  package init(host: String, bootID: String?, pageSizeBytes: Int) {
    self.host = host
    self.bootID = bootID
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
  }

  /// Takes back the number of the last line, which nobody got: the next line has it.
  package mutating func retract() { sequence -= 1 }

  /// One event as one line, `\n` included.
  package mutating func line(_ event: Event, at time: EventTime) -> [UInt8] {
    sequence += 1
    writer.reset()
    let (host, bootID, sequence, explanation) = (host, bootID, sequence, explanation)
    writer.object { json in
      json.field("schema", NDJSONEncoder.schema)
      json.field("type", event.typeName.description)
      json.field("time", RFC3339.text(wallNanoseconds: time.wallNanoseconds))
      json.field("monotonic_ns", time.monotonicNanoseconds)
      json.field("host", host)
      json.field("boot_id", bootID)
      json.field("seq", sequence)
      switch event {
      case .streamStart(let start): start.encode(into: &json)
      case .oomKill(let kill): kill.encode(into: &json, explanation: explanation.sentence(kill))
      case .oomOutcome(let outcome): outcome.encode(into: &json)
      case .oomNoKill(let noKill): noKill.encode(into: &json)
      case .loss(let loss): loss.encode(into: &json)
      case .policyAction(let action): action.encode(into: &json)
      case .streamEnd(let end): end.encode(into: &json)
      }
    }
    writer.appendRaw(UInt8(ascii: "\n"))
    return writer.bytes
  }
}

/// Time as RFC 3339 in UTC with nanoseconds.
package enum RFC3339 {
  /// `2026-11-24T21:13:57.000000001Z` from nanoseconds since 1970.
  package static func text(wallNanoseconds: Int64) -> String {
    let nanosecondsPerDay: Int64 = 86_400_000_000_000
    var days = wallNanoseconds / nanosecondsPerDay
    var rest = wallNanoseconds % nanosecondsPerDay
    if rest < 0 {
      rest += nanosecondsPerDay
      days -= 1
    }
    let (year, month, day) = civil(daysSince1970: days)
    let seconds = rest / 1_000_000_000
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    let clock = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
    return "\(date)T\(clock).\(padded(rest % 1_000_000_000, 9))Z"
  }

  /// Days to a date of the proleptic Gregorian calendar: 400-year eras that begin in March. 64 bits of nanoseconds reach
  /// from 1677 to 2262, so that no era is negative.
  private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
