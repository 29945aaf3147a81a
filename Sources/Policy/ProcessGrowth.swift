// SPDX-License-Identifier: Apache-2.0
import Events

/// Which processes grew between two looks, and how fast.
package struct ProcessGrowth: Sendable {
  /// A process and by how many pages it grew each second; nil where it was not looked at before.
  package typealias Grown = (process: ProcessSnapshot, pagesPerSecond: Int64?)

  private struct Entry: Sendable {
    var startBootNanoseconds: Int64?
    var pages: Pages
  }

  private var entries: [Int32: Entry] = [:]
  private var moment: Int64?

  package init() {}

  /// When processes were looked at last; nil before the first look.
  package var lookedAtNanoseconds: Int64? { moment }

  /// Takes a look in place of the last one.
  package mutating func take(_ processes: [ProcessSnapshot], nowNanoseconds now: Int64) {
    entries.removeAll(keepingCapacity: true)
    for process in processes {
      entries[process.pid] = Entry(
        startBootNanoseconds: process.startBootNanoseconds, pages: process.parts.totalPages)
    }
    moment = now
  }

  /// Processes beside their growth since the last look. One that was not there then has taken all that it holds since.
  package func grown(_ processes: [ProcessSnapshot], nowNanoseconds now: Int64) -> [Grown] {
    guard let moment, now > moment else { return processes.map { ($0, nil) } }
    let seconds = Double(now - moment) / 1e9
    return processes.map { process in
      var before: Pages = 0
      // Another start is another process of the same number; /proc tells none, and numbers do not come round so soon.
      if let entry = entries[process.pid], entry.startBootNanoseconds == process.startBootNanoseconds {
        before = entry.pages
      }
      return (process, Int64((Double(process.parts.totalPages - before) / seconds).rounded()))
    }
  }

  /// Those with most memory, the first `count`.
  package static func biggest(_ all: [Grown], _ count: Int) -> [Grown] {
    Array(
      all.sorted { ($1.process.parts.totalPages, $0.process.pid) < ($0.process.parts.totalPages, $1.process.pid) }
        .prefix(count).filter { $0.process.parts.totalPages > 0 })
  }

  /// Those that grew most, the first `count`; by less than a page a second is no growth.
  package static func fastest(_ all: [Grown], _ count: Int) -> [Grown] {
    Array(
      all.filter { ($0.pagesPerSecond ?? 0) > 0 }
        .sorted { ($1.pagesPerSecond ?? 0, $0.process.pid) < ($0.pagesPerSecond ?? 0, $1.process.pid) }
        .prefix(count))
  }
}
