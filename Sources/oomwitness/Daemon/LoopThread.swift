// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// One loop of the daemon on a thread of its own, with a descriptor that asks it to end.
///
/// Source: pthread_create(3), eventfd(2).
final class LoopThread {
  /// What the thread runs; it is touched by nobody else from its start to its end.
  private final class Body: @unchecked Sendable {
    let run: (Int32) throws -> Void
    let stop: Int32
    let hasEnded: Ended

    init(_ run: @escaping (Int32) throws -> Void, stop: Int32, _ hasEnded: Ended) {
      (self.run, self.stop, self.hasEnded) = (run, stop, hasEnded)
    }
  }

  private final class Ended: Sendable {
    let flag = Atomic(false)
    /// Wakes whoever watches over the loops.
    let wake: Int32
    init(wake: Int32) { self.wake = wake }
  }

  let name: String
  let heartbeat: Heartbeat
  private let stop: Int32
  private let ended: Ended
  private var thread = pthread_t()
  private var isJoined = false

  /// Room for the deepest call of a loop; the default of 8 MiB is locked in memory where pages are.
  private static let stackBytes = 512 * 1024

  /// Starts it. Nil where the kernel gave no thread.
  ///
  /// - Parameters:
  ///   - wake: an eventfd that is written to when the loop has ended.
  ///   - run: until the descriptor can be read; what it throws was said.
  init?(_ name: String, heartbeat: Heartbeat, wake: Int32, run: @escaping (Int32) throws -> Void) {
    (self.name, self.heartbeat) = (name, heartbeat)
    stop = eventfd(0, Int32(EFD_CLOEXEC.rawValue) | Int32(EFD_NONBLOCK.rawValue))
    ended = Ended(wake: wake)
    guard stop >= 0 else { return nil }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, LoopThread.stackBytes)
    defer { pthread_attr_destroy(&attributes) }
    let body = Unmanaged.passRetained(Body(run, stop: stop, ended))
    let status = pthread_create(
      &thread, &attributes,
      { context in
        let body = Unmanaged<Body>.fromOpaque(context!).takeRetainedValue()
        try? body.run(body.stop)
        body.hasEnded.flag.store(true, ordering: .releasing)
        eventfd_write(body.hasEnded.wake, 1)
        return nil
      }, body.toOpaque())
    guard status == 0 else {
      body.release()
      close(stop)
      return nil
    }
    pthread_setname_np(thread, String(name.prefix(15)))
  }

  /// It came to its end, asked to or not.
  var hasEnded: Bool { ended.flag.load(ordering: .acquiring) }

  /// Asks it to end, and waits until it has.
  func end() {
    guard !isJoined else { return }
    eventfd_write(stop, 1)
    pthread_join(thread, nil)
    close(stop)
    isJoined = true
  }
}
