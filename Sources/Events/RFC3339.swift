// SPDX-License-Identifier: Apache-2.0

/// Time as RFC 3339 in UTC with nanoseconds.
package enum RFC3339 {
  static let byteCount = 30

  /// `2026-11-24T21:13:57.000000001Z` from nanoseconds since 1970.
  package static func text(wallNanoseconds: Int64) -> String {
    String(unsafeUninitializedCapacity: byteCount) { text in
      write(wallNanoseconds, to: text.baseAddress!)
      return byteCount
    }
  }

  /// The same into memory that is there: `byteCount` bytes.
  static func write(_ wallNanoseconds: Int64, to start: UnsafeMutablePointer<UInt8>) {
    let nanosecondsPerDay: Int64 = 86_400_000_000_000
    var days = wallNanoseconds / nanosecondsPerDay
    var rest = wallNanoseconds % nanosecondsPerDay
    if rest < 0 {
      rest += nanosecondsPerDay
      days -= 1
    }
    let (year, month, day) = civil(daysSince1970: days)
    let seconds = rest / 1_000_000_000
    var end = start
    put(year, 4, "-", &end)
    put(month, 2, "-", &end)
    put(day, 2, "T", &end)
    put(seconds / 3600, 2, ":", &end)
    put(seconds / 60 % 60, 2, ":", &end)
    put(seconds % 60, 2, ".", &end)
    put(rest % 1_000_000_000, 9, "Z", &end)
  }

  /// Nanoseconds since 1970 of a time as `text` writes it, with any number of fractional digits up to nine, or of a time
  /// with an offset (`+09:00`); nil where it is none, or none that 64 bits hold.
  package static func nanoseconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    var place = 0
    func number(_ digits: Int) -> Int64? {
      guard place + digits <= bytes.count else { return nil }
      var value: Int64 = 0
      for byte in bytes[place..<(place + digits)] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - 0x30)
      }
      place += digits
      return value
    }
    func skip(_ wanted: String) -> Bool {
      guard place < bytes.count, wanted.utf8.contains(bytes[place]) else { return false }
      place += 1
      return true
    }
    guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2), skip("Tt "),
      let hour = number(2), skip(":"), let minute = number(2), skip(":"), let second = number(2),
      (1...12).contains(month), (1...days(inMonth: month, of: year)).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    var fraction: Int64 = 0
    if skip(".") {
      let begin = place
      while place - begin < 9, let digit = number(1) { fraction = fraction * 10 + digit }
      guard place > begin else { return nil }
      for _ in (place - begin)..<9 { fraction *= 10 }
    }
    var offset: Int64 = 0
    if !skip("Zz") {
      let sign: Int64 = skip("+") ? -1 : skip("-") ? 1 : 0
      guard sign != 0, let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else {
        return nil
      }
      offset = sign * (hours * 3600 + minutes * 60)
    }
    guard place == bytes.count else { return nil }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second + offset
    let (whole, isTooMuch) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isOver) = whole.addingReportingOverflow(fraction)
    return isTooMuch || isOver ? nil : sum
  }

  /// Days from 1970 to a date; the inverse of `civil`.
  package static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][Int(month - 1)]
  }

  private static func put(
    _ number: Int64, _ digits: Int, _ separator: Unicode.Scalar, _ end: inout UnsafeMutablePointer<UInt8>
  ) {
    Decimals.write(UInt64(number), digits: digits, to: end)
    end[digits] = UInt8(ascii: separator)
    end += digits + 1
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
}
