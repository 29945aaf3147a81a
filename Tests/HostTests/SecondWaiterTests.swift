// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import Host

/// Real threads on real processors: where the kernel lets them run says who took whom over.
@Suite(.serialized, .enabled(if: sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1, "needs two processors"))
struct SecondWaiterTests {
  static func processors(of thread: pid_t) -> Set<Int> {
    var set = cpu_set_t()
    guard sched_getaffinity(thread, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return [] }
    return withUnsafeBytes(of: set) { bytes in
      Set((0..<bytes.count * 8).filter { bytes[$0 / 8] & (1 << ($0 % 8)) != 0 })
    }
  }

  /// Calls `body` with the writing end of a pipe whose reading end is waited for; this thread's processors are given back.
  private static func waiting(_ body: (SecondWaiter, Int32) -> Void) throws {
    var before = cpu_set_t()
    try #require(sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &before) == 0)
    defer { _ = sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &before) }
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    body(try #require(SecondWaiter(descriptor: ends[0])), ends[1])
  }

  /// Waits until this thread may run elsewhere, at most so long.
  private static func isMoved(from before: Set<Int>, milliseconds: Int) -> Bool {
    for _ in 0..<milliseconds where processors(of: 0) == before { usleep(1000) }
    return processors(of: 0) != before
  }

  @Test("who does not say that it runs is taken over to the other half, and back at the next time")
  func takenOver() throws {
    let all = SecondWaiterTests.processors(of: 0)
    try SecondWaiterTests.waiting { _, end in
      let first = SecondWaiterTests.processors(of: 0)
      #expect(first.count == (all.count + 1) / 2 && first.isSubset(of: all))
      usleep(50_000)  // the thread has to have come to its wait
      write(end, "x", 1)
      #expect(SecondWaiterTests.isMoved(from: first, milliseconds: 5000))
      #expect(SecondWaiterTests.processors(of: 0) == all.subtracting(first))
      write(end, "x", 1)
      #expect(SecondWaiterTests.isMoved(from: all.subtracting(first), milliseconds: 5000))
      #expect(SecondWaiterTests.processors(of: 0) == first)
    }
  }

  @Test("who runs already is left where it is")
  func leftAlone() throws {
    try SecondWaiterTests.waiting { waiter, end in
      let first = SecondWaiterTests.processors(of: 0)
      usleep(50_000)
      waiter.loopRuns()
      write(end, "x", 1)
      #expect(!SecondWaiterTests.isMoved(from: first, milliseconds: 200))
    }
  }

  @Test("without a descriptor there is nothing to wait for")
  func noDescriptor() { #expect(SecondWaiter(descriptor: -1) == nil) }
}
