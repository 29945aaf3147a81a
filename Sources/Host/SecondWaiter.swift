// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// Gets the loop out of the queue of a processor that does not come free.
///
/// A kernel that is not preempted (PREEMPT_NONE, PREEMPT_VOLUNTARY) lets a victim print its report and give back its
/// memory before anybody else may run there, which takes milliseconds; and who sleeps may be woken on that very
/// processor though another is idle (kernel/sched/fair.c, select_idle_cpu(): on a small host it does not look). So the
/// loop keeps to one half of the processors and a thread of ours to the other. Both are woken; where the thread comes
/// first, it takes the loop over to its half and goes to the one that the loop left.
/// Source: sched_setaffinity(2), epoll(7).
package final class SecondWaiter: Sendable {
  private let wakeUps = Atomic<Int>(0)
  private let loopThread: pid_t
  private let epoll: Int32

  /// Starts the thread; the calling one is the loop's. To be called after rights were dropped: each thread has its own.
  ///
  /// - Parameter descriptor: what the loop waits for.
  /// - Returns: nil where there is one processor, or no right to choose among them.
  package init?(descriptor: Int32) {
    guard descriptor >= 0, let (mine, other) = SecondWaiter.halves() else { return nil }
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    loopThread = gettid()
    guard epoll >= 0 else { return nil }
    var interest = epoll_event(events: EPOLLIN.rawValue | EPOLLET.rawValue, data: epoll_data_t())
    guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &interest) == 0, SecondWaiter.keep(0, to: mine) else {
      close(epoll)
      return nil
    }
    start(halves: (mine, other))
  }

  /// The loop says that it runs.
  package func loopRuns() { wakeUps.add(1, ordering: .releasing) }

  private final class Start: Sendable {
    let waiter: SecondWaiter
    let halves: (cpu_set_t, cpu_set_t)

    init(_ waiter: SecondWaiter, _ halves: (cpu_set_t, cpu_set_t)) {
      self.waiter = waiter
      self.halves = halves
    }
  }

  private func start(halves: (cpu_set_t, cpu_set_t)) {
    let context = Unmanaged.passRetained(Start(self, halves))
    let status = clinux_start_thread(
      nil, 64 * 1024,
      { context in
        let start = Unmanaged<Start>.fromOpaque(context!).takeRetainedValue()
        start.waiter.run(loop: start.halves.0, mine: start.halves.1)
        return nil
      }, context.toOpaque())
    if status != 0 { context.release() }
  }

  private func run(loop: cpu_set_t, mine: cpu_set_t) {
    var (loop, mine) = (loop, mine)
    guard SecondWaiter.keep(0, to: mine) else { return }
    var seen = wakeUps.load(ordering: .acquiring)
    while true {
      var event = epoll_event()
      guard epoll_wait(epoll, &event, 1, -1) == 1 else { continue }
      let now = wakeUps.load(ordering: .acquiring)
      guard now == seen else {
        seen = now
        continue
      }
      guard SecondWaiter.keep(loopThread, to: mine) else { continue }
      swap(&loop, &mine)
      _ = SecondWaiter.keep(0, to: mine)
    }
  }

  private static func keep(_ thread: pid_t, to processors: cpu_set_t) -> Bool {
    withUnsafePointer(to: processors) { sched_setaffinity(thread, MemoryLayout<cpu_set_t>.size, $0) == 0 }
  }

  /// The processors that this thread may use, every second one in each half; nil where there is but one.
  private static func halves() -> (cpu_set_t, cpu_set_t)? {
    var allowed = cpu_set_t()
    guard sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &allowed) == 0 else { return nil }
    var (first, second) = (cpu_set_t(), cpu_set_t())
    var count = 0
    withUnsafeBytes(of: &allowed) { allowed in
      withUnsafeMutableBytes(of: &first) { first in
        withUnsafeMutableBytes(of: &second) { second in
          for byte in allowed.indices {
            for bit in 0..<8 where allowed[byte] & (1 << bit) != 0 {
              if count % 2 == 0 { first[byte] |= 1 << bit } else { second[byte] |= 1 << bit }
              count += 1
            }
          }
        }
      }
    }
    return count > 1 ? (first, second) : nil
  }
}
