// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Reads the times that loggers write before a line, and makes nanoseconds since 1970 of them.
///
/// Source: RFC 3164 4.1.2, RFC 3339, dmesg(1) --ctime, journalctl(1) --output.
package struct LogCalendar: Sendable {
  /// The newest that a time without a year can be: nanoseconds since 1970.
  private let nowWallNanoseconds: Int64
  private let thisYear: Int
  /// The last hour that was asked for, and when it began: the lines of a report are of one.
  private var lastHour: (hour: Hour, wallSeconds: Int64)?

  /// An hour of a calendar; the offset is nil where it is the time zone of the reader.
  private struct Hour: Hashable {
    var year = 0
    var month = 0
    var day = 0
    var hour = 0
    var offsetSeconds: Int?

    /// Seconds since 1970 when it began.
    var wallSeconds: Int64 {
      var parts = tm()
      (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(year - 1900), Int32(month - 1), Int32(day))
      parts.tm_hour = Int32(hour)
      parts.tm_isdst = -1
      return Int64(offsetSeconds.map { timegm(&parts) - $0 } ?? mktime(&parts))
    }
  }

  /// `nowWallNanoseconds` decides the year where a logger writes none: the latest that is not in the future.
  package init(nowWallNanoseconds: Int64) {
    self.nowWallNanoseconds = nowWallNanoseconds
    var now = time_t(nowWallNanoseconds / 1_000_000_000)
    var today = tm()
    localtime_r(&now, &today)
    thisYear = Int(today.tm_year) + 1900
  }

  /// A date and a time of day.
  private struct Moment {
    var hour = Hour()
    var secondOfHour = 0
    var nanoseconds: Int64 = 0
  }

  private mutating func wallNanoseconds(_ moment: Moment) -> Int64 {
    if lastHour?.hour != moment.hour { lastHour = (moment.hour, moment.hour.wallSeconds) }
    return (lastHour!.wallSeconds + Int64(moment.secondOfHour)) * 1_000_000_000 + moment.nanoseconds
  }

  /// `Nov 25 10:16:35`, with a fraction of a second where there is one; of syslog and journalctl.
  mutating func syslog(_ scanner: inout ByteScanner) -> Int64? {
    var ahead = scanner
    guard let month = LogCalendar.month(&ahead), ahead.skip(" ") else { return nil }
    ahead.skipSpaces()
    guard let day = LogCalendar.number(&ahead, 1...31), ahead.skip(" "), var moment = LogCalendar.timeOfDay(&ahead)
    else { return nil }
    (moment.hour.month, moment.hour.day) = (month, day)
    scanner = ahead
    moment.hour.year = thisYear
    // A clock may be a little ahead of ours: a day is not the year before.
    if wallNanoseconds(moment) > nowWallNanoseconds + 86_400_000_000_000 { moment.hour.year -= 1 }
    return wallNanoseconds(moment)
  }

  /// `2026-11-25T10:16:35.123456+00:00`; a blank for the T, a comma for the point, an offset without a colon or none.
  mutating func iso8601(_ scanner: inout ByteScanner) -> Int64? {
    var ahead = scanner
    guard let year = LogCalendar.number(&ahead, 1970...2261, digits: 4), ahead.skip("-"),
      let month = LogCalendar.number(&ahead, 1...12, digits: 2), ahead.skip("-"),
      let day = LogCalendar.number(&ahead, 1...31, digits: 2), ahead.skip("T") || ahead.skip(" "),
      var moment = LogCalendar.timeOfDay(&ahead)
    else { return nil }
    (moment.hour.year, moment.hour.month, moment.hour.day) = (year, month, day)
    moment.hour.offsetSeconds = LogCalendar.offset(&ahead)
    scanner = ahead
    return wallNanoseconds(moment)
  }

  /// `Wed Nov 25 10:16:35 2026`, of dmesg --ctime.
  mutating func ctime(_ scanner: inout ByteScanner) -> Int64? {
    var ahead = scanner
    guard LogCalendar.weekday(&ahead), ahead.skip(" "), let month = LogCalendar.month(&ahead), ahead.skip(" ") else {
      return nil
    }
    ahead.skipSpaces()
    guard let day = LogCalendar.number(&ahead, 1...31), ahead.skip(" "), var moment = LogCalendar.timeOfDay(&ahead),
      ahead.skip(" "), let year = LogCalendar.number(&ahead, 1970...2261, digits: 4)
    else { return nil }
    (moment.hour.year, moment.hour.month, moment.hour.day) = (year, month, day)
    scanner = ahead
    return wallNanoseconds(moment)
  }

  /// `Wed 2026-11-25 10:16:35 UTC`, of journalctl --output=short-full; a zone that is not UTC is taken for the reader's.
  mutating func shortFull(_ scanner: inout ByteScanner) -> Int64? {
    var ahead = scanner
    guard LogCalendar.weekday(&ahead), ahead.skip(" "), let local = iso8601(&ahead) else { return nil }
    guard ahead.skip(" ") else { return nil }
    let zone = ahead.take { $0 != 0x20 }
    guard zone.begins(with: "UTC"), zone.count == 3 else {
      scanner = ahead
      return local
    }
    var again = scanner
    _ = LogCalendar.weekday(&again) && again.skip(" ")
    scanner = ahead
    return utc(&again)
  }

  /// The same date and time, taken as UTC.
  private mutating func utc(_ scanner: inout ByteScanner) -> Int64? {
    guard let year = LogCalendar.number(&scanner, 1970...2261, digits: 4), scanner.skip("-"),
      let month = LogCalendar.number(&scanner, 1...12, digits: 2), scanner.skip("-"),
      let day = LogCalendar.number(&scanner, 1...31, digits: 2), scanner.skip(" "),
      var moment = LogCalendar.timeOfDay(&scanner)
    else { return nil }
    moment.hour = Hour(year: year, month: month, day: day, hour: moment.hour.hour, offsetSeconds: 0)
    return wallNanoseconds(moment)
  }

  /// `10:16:35`, and up to nine digits after a point or a comma.
  private static func timeOfDay(_ scanner: inout ByteScanner) -> Moment? {
    guard let hour = number(&scanner, 0...23, digits: 2), scanner.skip(":"),
      let minute = number(&scanner, 0...59, digits: 2), scanner.skip(":"),
      let second = number(&scanner, 0...60, digits: 2)
    else { return nil }
    var moment = Moment()
    (moment.hour.hour, moment.secondOfHour) = (hour, minute * 60 + second)
    var ahead = scanner
    if ahead.skip(".") || ahead.skip(","), let nanoseconds = ahead.fraction() {
      moment.nanoseconds = nanoseconds
      scanner = ahead
    }
    return moment
  }

  /// `Z`, `+00:00`, `+0000` or `-03`, in seconds.
  private static func offset(_ scanner: inout ByteScanner) -> Int? {
    if scanner.skip("Z") { return 0 }
    var ahead = scanner
    let isWest = ahead.skip("-")
    guard isWest || ahead.skip("+"), let hours = number(&ahead, 0...23, digits: 2) else { return nil }
    _ = ahead.skip(":")
    let minutes = number(&ahead, 0...59, digits: 2) ?? 0
    scanner = ahead
    return (hours * 60 + minutes) * (isWest ? -60 : 60)
  }

  private static func number(_ scanner: inout ByteScanner, _ range: ClosedRange<Int>, digits: Int? = nil) -> Int? {
    let start = scanner.index
    var ahead = scanner
    guard let number = ahead.digits(atMost: digits ?? 18), range ~= number,
      digits ?? (ahead.index - start) == ahead.index - start
    else { return nil }
    scanner = ahead
    return number
  }

  private static let months: [StaticString] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
  private static let weekdays: [StaticString] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

  private static func month(_ scanner: inout ByteScanner) -> Int? {
    for (place, name) in months.enumerated() where scanner.skip(name) { return place + 1 }
    return nil
  }

  private static func weekday(_ scanner: inout ByteScanner) -> Bool {
    for name in weekdays where scanner.skip(name) { return true }
    return false
  }
}

extension ByteScanner {
  /// Up to nine digits of a second, in nanoseconds; more are refused.
  mutating func fraction() -> Int64? {
    let start = index
    var ahead = self
    guard let number: UInt32 = ahead.number(), ahead.index - start <= 9 else { return nil }
    self = ahead
    return (index - start..<9).reduce(Int64(number)) { value, _ in value * 10 }
  }
}
