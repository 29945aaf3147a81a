// SPDX-License-Identifier: Apache-2.0
import Events
import Synchronization

/// Counts what the stream tells, for scrapers.
///
/// Any thread may hand events over; a page is written from a copy, so that nobody who tells waits for one who reads.
package final class MetricBook: Sendable {
  /// Series of each of the families that have a cgroup, a pod, a container or a unit.
  package static let seriesMaxDefault = 200
  package static let seriesRange: ClosedRange<Int64> = 1...2000

  private let state: Mutex<MetricState>
  private let startMicroseconds: Int64?
  let requests = Mutex(RequestCounts())

  /// - Parameter seriesMax: of each family that has labels which others choose; the rest is `other`.
  package init(seriesMax: Int = MetricBook.seriesMaxDefault) {
    state = Mutex(MetricState(seriesMax: seriesMax))
    startMicroseconds = ProcessReading.startMicroseconds()
  }

  /// Counts one event that the stream has taken.
  ///
  /// - Parameter isPast: it happened before the start, and is told from the kernel's log.
  package func take(_ event: Event, at time: EventTime, isPast: Bool = false) {
    state.withLock { $0.take(event, at: time, isPast: isPast) }
  }

  /// Whose pressure is watched from now on: nil is the system.
  package func watchPressure(of targets: [KernelName?]) { state.withLock { $0.watch(targets) } }

  /// The account was held against the kernel's own.
  package func take(_ books: MetricBooks) {
    state.withLock {
      $0.books = books
      $0.looks += 1
    }
  }

  /// Writes the whole page into `buffer`, whose room is used again.
  package func write(_ format: ExpositionFormat, _ readings: MetricReadings, into buffer: inout [UInt8]) {
    let state = state.withLock { $0 }
    var page = MetricPage(Exposition(format, buffer: &buffer))
    page.write(state)
    page.write(readings)
    page.write(requests.withLock { $0 })
    page.write(ProcessReading(), startMicroseconds: startMicroseconds)
    buffer = page.finish()
  }
}

/// How requests for the page were answered.
struct RequestCounts: Sendable {
  /// By the place in `HTTPAnswer.statuses`.
  var answers = [Int64](repeating: 0, count: HTTPAnswer.statuses.count)
  /// Connections that gave way to others.
  var evicted: Int64 = 0
}
