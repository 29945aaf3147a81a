// SPDX-License-Identifier: Apache-2.0

/// Time as RFC 3339 in UTC with nanoseconds.
package enum RFC3339 {
  static let byteCount = 30
  private static let separators = Array("    -  -  T  :  :  .".utf8)

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

  /// Nanoseconds since 1970 of a text as `text` writes it; nil for any other, a leap second among them.
  package static func wallNanoseconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count == byteCount, bytes.last == UInt8(ascii: "Z") else { return nil }
    var numbers: [Int64] = [0]
    for (place, byte) in bytes.dropLast().enumerated() {
      switch place {
      case 4, 7, 10, 13, 16, 19:
        guard byte == separators[place] else { return nil }
        numbers.append(0)
      default:
        guard (0x30...0x39).contains(byte) else { return nil }
        numbers[numbers.count - 1] = numbers[numbers.count - 1] * 10 + Int64(byte - 0x30)
      }
    }
    let (year, month, day) = (numbers[0], numbers[1], numbers[2])
    guard (1970...2261).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
    guard numbers[3] < 24, numbers[4] < 60, numbers[5] < 60 else { return nil }
    let days = RFC3339.days(year, month, day)
    return ((days * 24 + numbers[3]) * 60 + numbers[4]) * 60_000_000_000 + numbers[5] * 1_000_000_000 + numbers[6]
  }

  /// Days since 1970; the reverse of `civil`.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shiftedYear = month > 2 ? year : year - 1
    let era = shiftedYear / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
