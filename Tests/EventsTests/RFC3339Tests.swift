// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct RFC3339Tests {
  /// Each checked with `date -u -d @SECONDS +%FT%T`.
  static let instants: [(Int64, String)] = [
    (Int64(0), "1970-01-01T00:00:00.000000000Z"),
    (1, "1970-01-01T00:00:00.000000001Z"),
    (999_999_999, "1970-01-01T00:00:00.999999999Z"),
    (86_399_999_999_999, "1970-01-01T23:59:59.999999999Z"),
    (86_400_000_000_000, "1970-01-02T00:00:00.000000000Z"),
    (68_169_600_000_000_000, "1972-02-29T00:00:00.000000000Z"),
    (951_782_399_000_000_000, "2000-02-28T23:59:59.000000000Z"),
    (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
    (951_868_800_000_000_000, "2000-03-01T00:00:00.000000000Z"),
    (978_307_199_000_000_000, "2000-12-31T23:59:59.000000000Z"),
    (1_709_164_800_000_000_000, "2024-02-29T00:00:00.000000000Z"),
    (1_795_554_837_000_000_001, "2026-11-24T21:13:57.000000001Z"),
    (2_147_483_648_000_000_000, "2038-01-19T03:14:08.000000000Z"),
    (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
    (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
    (.max, "2262-04-11T23:47:16.854775807Z"),
    (-1, "1969-12-31T23:59:59.999999999Z"),
    (-1_000_000_000, "1969-12-31T23:59:59.000000000Z"),
    (-86_400_000_000_000, "1969-12-31T00:00:00.000000000Z"),
    (-86_400_000_000_001, "1969-12-30T23:59:59.999999999Z"),
    (-2_203_891_200_000_000_000, "1900-03-01T00:00:00.000000000Z"),
    (-2_203_891_201_000_000_000, "1900-02-28T23:59:59.000000000Z"),
    (.min, "1677-09-21T00:12:43.145224192Z"),
  ]

  @Test("nanoseconds since 1970 become a date of the Gregorian calendar", arguments: instants)
  func dates(wallNanoseconds: Int64, text: String) {
    #expect(RFC3339.text(wallNanoseconds: wallNanoseconds) == text)
  }

  @Test("a date is read as it is written, but for the first second that 64 bits begin in", arguments: instants)
  func read(wallNanoseconds: Int64, text: String) {
    #expect(RFC3339.nanoseconds(text) == (wallNanoseconds == .min ? nil : wallNanoseconds))
  }

  @Test(
    "what is no date is none",
    arguments: [
      "", "2026-11-24", "2026-11-24T21:13:57.000000001+", "2026-02-29T00:00:00.000000000Z",
      "2026-13-01T00:00:00.000000000Z", "2026-00-01T00:00:00.000000000Z", "2026-01-01T24:00:00.000000000Z",
      "2026-01-01T00:60:00.000000000Z", "2026 01-01T00:00:00.000000000Z",
      "2026-01-01T00:00:00.00000000aZ", "9999-01-01T00:00:00.000000000Z",
    ])
  func noDate(text: String) { #expect(RFC3339.nanoseconds(text) == nil) }

  @Test("400 years of days follow one another, each with the month's own length")
  func everyDay() {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    var nanoseconds: Int64 = -6_847_804_800_000_000_000  // 1753-01-01
    for year in 1753...2152 {
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      for month in 1...12 {
        for day in 1...(month == 2 && isLeap ? 29 : lengths[month - 1]) {
          let date = "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
          let text = RFC3339.text(wallNanoseconds: nanoseconds)
          if text != date + "T00:00:00.000000000Z" { Issue.record("\(text) for \(date)") }
          nanoseconds += 86_400_000_000_000
        }
      }
    }
    #expect(nanoseconds == 5_774_976_000_000_000_000)
  }
}
