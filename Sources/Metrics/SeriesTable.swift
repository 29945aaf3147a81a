// SPDX-License-Identifier: Apache-2.0

/// Counts by labels that others choose, a bounded number of them; the rest is counted under one series `other`.
///
/// A series stays when what it counts is gone. Only where there is no room, one that nothing came to for a day gives way.
struct SeriesTable: Sendable {
  /// Values of the table's labels, in their order; empty where one is not known.
  struct Key: Hashable, Comparable, Sendable {
    var first: String
    var second = ""
    var third = ""
    var fourth = ""

    var values: [String] { [first, second, third, fourth] }

    static func < (left: Key, right: Key) -> Bool { left.values.lexicographicallyPrecedes(right.values) }
  }

  private struct Row: Sendable {
    var key: Key
    var count: Int64
    /// When something last came to it; nil: it never gives way.
    var last: Int64?
  }

  /// Of one label's value; what is longer shares a series with what begins alike. Kernel: a name of a cgroup has 255.
  static let valueBytesMax = 512
  /// Long enough for every scraper to have seen it.
  static let idleNanoseconds: Int64 = 86_400_000_000_000
  static let otherName = "other"

  let labels: [String]
  private let limit: Int
  private let other: Int
  private var rows: [Row] = []
  private var places: [Key: Int] = [:]

  /// - Parameters:
  ///   - limit: how many series there may be beside those that are there from the start.
  ///   - other: which label says `other`.
  ///   - present: series that are there from the start.
  init(labels: [String], limit: Int, other: Int = 0, present: [Key] = []) {
    (self.labels, self.other) = (labels, other)
    var rest = Key(first: "")
    SeriesTable.set(&rest, other, SeriesTable.otherName)
    self.limit = limit + present.count + 1
    for key in [rest] + present { append(Row(key: key, count: 0, last: nil)) }
  }

  /// - Parameter now: CLOCK_MONOTONIC.
  mutating func add(_ key: Key, _ count: Int64 = 1, at now: Int64) {
    var key = key
    for place in 0..<4 where key.values[place].utf8.count > SeriesTable.valueBytesMax {
      SeriesTable.set(&key, place, SeriesTable.cut(key.values[place]))
    }
    if let place = places[key] {
      rows[place].count += count
      if rows[place].last != nil { rows[place].last = now }
    } else if rows.count < limit {
      append(Row(key: key, count: count, last: now))
    } else if let place = idlest(now) {
      places[rows[place].key] = nil
      rows[place] = Row(key: key, count: count, last: now)
      places[key] = place
    } else {
      rows[0].count += count
    }
  }

  /// All series in one order.
  var sorted: [(key: Key, count: Int64)] { rows.map { ($0.key, $0.count) }.sorted { $0.0 < $1.0 } }

  private mutating func append(_ row: Row) {
    places[row.key] = rows.count
    rows.append(row)
  }

  private func idlest(_ now: Int64) -> Int? {
    var found: (place: Int, last: Int64)?
    for (place, row) in rows.enumerated() {
      guard let last = row.last, now - last >= SeriesTable.idleNanoseconds, last < found?.last ?? .max else { continue }
      found = (place, last)
    }
    return found?.place
  }

  private static func set(_ key: inout Key, _ place: Int, _ value: String) {
    switch place {
    case 0: key.first = value
    case 1: key.second = value
    case 2: key.third = value
    default: key.fourth = value
    }
  }

  /// The beginning, with a sign that there was more.
  private static func cut(_ text: String) -> String {
    var end = text.utf8.index(text.utf8.startIndex, offsetBy: valueBytesMax - 3)
    while end > text.startIndex, text.utf8[end] & 0xc0 == 0x80 { end = text.utf8.index(before: end) }
    return String(text[..<end]) + "…"
  }
}
