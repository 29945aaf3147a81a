// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Has a thread of its own do what may have to wait, for one that may not: who asks looks whether it is back, and goes on.
///
/// One errand at a time; what it brings lies in memory that both know, and is the asker's while `isOut` is false.
/// Source: pipe(2).
package final class GuardErrand {
  private let order: Int32
  private let done: Int32
  /// It was sent, and was not seen to be back.
  package private(set) var isOut = false

  private static let stackBytes = 256 * 1024

  /// Starts the thread, with the rights that the caller has now.
  ///
  /// - Throws: `HostError.system` of `thread` where the kernel gives no thread or pipe.
  package init(_ name: String, _ work: @escaping @Sendable () -> Void) throws(HostError) {
    var (orders, answers): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    guard pipe2(&orders, Int32(O_CLOEXEC)) == 0 else {
      throw .system(operation: .thread, path: KernelName(name), errno: errno)
    }
    guard pipe2(&answers, Int32(O_CLOEXEC)) == 0 else {
      let number = errno
      orders.forEach { close($0) }
      throw .system(operation: .thread, path: KernelName(name), errno: number)
    }
    (order, done) = (orders[1], answers[0])
    let runner = Unmanaged.passRetained(Runner(orders[0], answers, work))
    let status = clinux_start_thread(
      nil, GuardErrand.stackBytes,
      { context in
        Unmanaged<Runner>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, runner.toOpaque())
    guard status == 0 else {
      runner.release()
      throw .system(operation: .thread, path: KernelName(name), errno: status)
    }
  }

  /// The thread ends once it is back: nobody gives it orders any more.
  deinit { close(order) }

  /// Sends it, unless it is out already.
  package func send() {
    guard !isOut else { return }
    isOut = true
    GuardErrand.put(order)
  }

  /// Whether it is back, or never was sent; waits so long for it.
  package func isBack(waitingMilliseconds: Int32 = 0) -> Bool {
    guard isOut else { return true }
    var waiting = pollfd(fd: done, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, waitingMilliseconds) == 1, GuardErrand.take(done) else { return false }
    isOut = false
    return true
  }

  private static func put(_ descriptor: Int32) {
    var byte: UInt8 = 1
    _ = write(descriptor, &byte, 1)
  }

  /// Waits for a byte; false where there will be none.
  private static func take(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    while true {
      let count = read(descriptor, &byte, 1)
      if count == 1 { return true }
      if count == 0 || errno != EINTR { return false }
    }
  }

  private final class Runner: Sendable {
    private let order: Int32
    /// Both ends, so that an answer which nobody takes is no signal.
    private let done: [Int32]
    private let work: @Sendable () -> Void

    init(_ order: Int32, _ done: [Int32], _ work: @escaping @Sendable () -> Void) {
      (self.order, self.done, self.work) = (order, done, work)
    }

    deinit {
      close(order)
      done.forEach { close($0) }
    }

    func run() {
      while GuardErrand.take(order) {
        work()
        GuardErrand.put(done[1])
      }
    }
  }
}
