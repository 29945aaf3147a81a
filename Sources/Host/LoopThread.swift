// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// One loop on a thread of its own, which has its name in ps(1) and top(1), with a descriptor that asks it to end.
///
/// Source: pthread_create(3).
package final class LoopThread {
  /// What the thread runs.
  ///
  /// Unchecked: made by one thread, which hands it to another and forgets it.
  private final class Body: @unchecked Sendable {
    let name: String
    let run: (Int32) throws -> Void
    let state: State

    init(_ name: String, _ run: @escaping (Int32) throws -> Void, _ state: State) {
      (self.name, self.run, self.state) = (name, run, state)
    }
  }

  private final class State: Sendable {
    let stop = WakeUp()
    let hasEnded = Atomic(false)
    /// Whoever watches over the loops.
    let watcher: WakeUp

    init(watcher: WakeUp) { self.watcher = watcher }
  }

  package let name: String
  package let heartbeat: Heartbeat
  private let state: State
  private var thread = pthread_t()
  private var isJoined = false

  /// Room for the deepest call of a loop; the default of 8 MiB is locked in memory where pages are.
  private static let stackBytes = 512 * 1024

  /// Starts it, with the rights of the thread that calls. Nil where the kernel gave no thread.
  ///
  /// - Parameters:
  ///   - watcher: is woken when the loop has ended.
  ///   - run: until the descriptor can be read; what it throws was said.
  package init?(_ name: String, heartbeat: Heartbeat, watcher: WakeUp, run: @escaping (Int32) throws -> Void) {
    (self.name, self.heartbeat) = (name, heartbeat)
    state = State(watcher: watcher)
    guard state.stop.descriptor >= 0 else { return nil }
    let body = Unmanaged.passRetained(Body(name, run, state))
    let status = clinux_start_thread(
      &thread, LoopThread.stackBytes,
      { context in
        let body = Unmanaged<Body>.fromOpaque(context!).takeRetainedValue()
        pthread_setname_np(pthread_self(), body.name)
        try? body.run(body.state.stop.descriptor)
        body.state.hasEnded.store(true, ordering: .releasing)
        body.state.watcher.wake()
        return nil
      }, body.toOpaque())
    guard status == 0 else {
      body.release()
      return nil
    }
  }

  /// It came to its end, asked to or not.
  package var hasEnded: Bool { state.hasEnded.load(ordering: .acquiring) }

  /// Asks it to end, and waits until it has.
  package func end() {
    guard !isJoined else { return }
    state.stop.wake()
    pthread_join(thread, nil)
    isJoined = true
  }
}
