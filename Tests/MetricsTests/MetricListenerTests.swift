// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Metrics

/// The listener alone, with a page that no socket holds whole.
@Suite struct MetricListenerTests {
  /// A listener on a thread, until it is ended.
  private final class Served {
    let path = "/tmp/oomwitness-listener-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
    let book = MetricBook(seriesMax: 2000)
    private var ends: [Int32] = [-1, -1]
    private var thread = pthread_t()

    /// What the thread is given.
    private final class Work: Sendable {
      let listener: MetricListener
      let stop: Int32

      init(_ listener: MetricListener, stop: Int32) { (self.listener, self.stop) = (listener, stop) }
    }

    init() throws {
      #expect(pipe(&ends) == 0)
      let listener = try MetricListener(.unix(path), book: book) { MetricReadings() }
      let work = Unmanaged.passRetained(Work(listener, stop: ends[0]))
      pthread_create(
        &thread, nil,
        { context in
          let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
          work.listener.run(stop: work.stop, beat: {})
          return nil
        }, work.toOpaque())
    }

    func end() {
      close(ends[1])
      pthread_join(thread, nil)
      close(ends[0])
    }
  }

  private static let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

  @Test("answers that nobody takes are bounded and given up, and who takes his has all of it")
  func noReaders() throws {
    let served = try Served()
    for number in 0..<2000 {
      let name = String(repeating: "x", count: 490) + "\(number).service"
      let event = MetricPageTests.victim(KernelName("/" + name), CgroupOwner(unit: name))
      served.book.take(event, at: MetricPageTests.time())
    }
    let size = MetricPageTests.page(served.book, .text, MetricReadings()).utf8.count
    #expect(size > 2 << 20)
    let stubborn = (0..<8).map { _ in
      let client = RawClient(path: served.path)
      client.say(MetricListenerTests.request)
      return client
    }
    let reader = RawClient(path: served.path)
    reader.say(MetricListenerTests.request)
    let page = try #require(reader.hear())
    #expect(page.utf8.count > size)
    #expect(page.hasPrefix("HTTP/1.1 200 OK\r\n"))
    // Four megabytes hold one such answer: all before it are given up at once, and it is after its time.
    #expect(served.book.requests.withLock { $0.evicted } >= 6)
    usleep(6_000_000)
    for client in stubborn { #expect(client.hear()?.utf8.count ?? .max < size) }
    served.end()
    #expect(access(served.path, F_OK) != 0)
  }

  @Test("a socket that somebody listens at is left to him, a file too, and one that was left behind is replaced")
  func places() throws {
    let served = try Served()
    #expect(throws: MetricError.system(.listen, "unix:" + served.path, errno: EADDRINUSE)) {
      _ = try MetricListener(.unix(served.path), book: served.book) { MetricReadings() }
    }
    let client = RawClient(path: served.path)
    client.say(MetricListenerTests.request)
    #expect(client.hear()?.hasPrefix("HTTP/1.1 200 OK\r\n") ?? false)
    served.end()
    let file = Python.temporaryFile("kept")
    defer { unlink(file) }
    #expect(throws: MetricError.notASocket(file)) {
      _ = try MetricListener(.unix(file), book: served.book) { MetricReadings() }
    }
    #expect(Files.text(file) == "kept")
    #expect(throws: MetricError.system(.listen, "unix:/nonexistent/x.sock", errno: ENOENT)) {
      _ = try MetricListener(.unix("/nonexistent/x.sock"), book: served.book) { MetricReadings() }
    }
  }
}
