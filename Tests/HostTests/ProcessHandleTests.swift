// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host
import TestSupport
import Testing

/// A process that is held while it ends.
@Suite struct ProcessHandleTests {
  @Test("a value is written and read back, and gone is a value")
  func wholeLife() throws {
    let sleeper = Program("/bin/sleep", ["60"])
    let opened = try ProcessHandle.open(pid: sleeper.pid)
    guard let handle = opened else {
      Issue.record("no handle")
      return
    }
    let (wrote, value, ticks) = (
      try handle.setOOMScoreAdj(700), try handle.oomScoreAdj(), handle.startTimeTicks
    )
    let isThere = handle.isThere
    #expect(wrote && value == 700 && isThere)
    #expect(Files.text("/proc/\(sleeper.pid)/oom_score_adj") == "700\n")
    #expect(try ProcReader().startTimeTicks(pid: sleeper.pid) == ticks)
    sleeper.signal(SIGKILL)
    _ = sleeper.wait()
    let (wroteThen, valueThen, isThereThen) = (
      try handle.setOOMScoreAdj(0), try handle.oomScoreAdj(), handle.isThere
    )
    #expect(!wroteThen && valueThen == nil && !isThereThen)
    switch try ProcessHandle.open(pid: sleeper.pid) {
    case .some: Issue.record("there is still one")
    case .none: break
    }
  }

  @Test("processes share a memory with themselves, and with no other of ours")
  func sharedMemory() {
    let sleeper = Program("/bin/sleep", ["60"])
    defer {
      sleeper.signal(SIGKILL)
      _ = sleeper.wait()
    }
    #expect(SharedMemory.isShared(getpid(), getpid()))
    #expect(!SharedMemory.isShared(getpid(), sleeper.pid))
    #expect(!SharedMemory.isShared(getpid(), 4_194_304))
  }
}
