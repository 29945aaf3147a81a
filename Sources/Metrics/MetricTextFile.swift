// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Writes the page to a file that node_exporter's textfile collector reads, every so often, whole or not at all.
///
/// The file goes when the loop ends: numbers of a process that is gone would look alive.
package final class MetricTextFile: Sendable {
  package let path: String
  package let everySeconds: Int64
  private let book: MetricBook
  private let readings: @Sendable () -> MetricReadings

  /// - Parameters:
  ///   - path: ends in `.prom`, else the collector does not look at it.
  ///   - readings: what the page has beside the book; called in the loop's thread.
  package init(
    path: String, everySeconds: Int64, book: MetricBook, readings: @escaping @Sendable () -> MetricReadings
  ) {
    (self.path, self.everySeconds, self.book, self.readings) = (path, everySeconds, book, readings)
  }

  /// Writes until `stop` can be read.
  ///
  /// - Parameters:
  ///   - beat: is called at each round.
  ///   - failed: is told of a failure once, until it has passed.
  package func run(stop: Int32, beat: () -> Void, failed: (MetricError) -> Void) {
    var buffer: [UInt8] = []
    var wasTold = false
    while true {
      beat()
      book.write(.text, readings(), into: &buffer)
      do throws(MetricError) {
        try write(buffer)
        wasTold = false
      } catch {
        if !wasTold { failed(error) }
        wasTold = true
      }
      var waiting = pollfd(fd: stop, events: Int16(POLLIN), revents: 0)
      if poll(&waiting, 1, Int32(clamping: everySeconds * 1000)) > 0 { break }
    }
    unlink(path)
  }

  /// Through a second name beside it, which the collector does not read. Source: rename(2).
  private func write(_ bytes: [UInt8]) throws(MetricError) {
    let new = path + ".new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system(.write, path, errno: errno) }
    var number: Int32 = 0
    var place = 0
    while number == 0, place < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + place, $0.count - place) }
      if count > 0 { place += count } else if errno != EINTR { number = errno }
    }
    // The collector is another user; the process may have a narrower umask.
    if number == 0, fchmod(descriptor, 0o644) != 0 { number = errno }
    close(descriptor)
    if number == 0, rename(new, path) != 0 { number = errno }
    guard number == 0 else {
      unlink(new)
      throw .system(.write, path, errno: number)
    }
  }
}
