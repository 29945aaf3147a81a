// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Witness

/// Signals of other guards, and kills that came in spite of them.
@Suite struct GuardWatchTests {
  private static func record(at moment: Int64, by name: String = "earlyoom", pid: Int32 = 7) -> GuardRecord {
    func comm(_ name: String) -> Comm {
      var halves: (UInt64, UInt64) = (0, 0)
      withUnsafeMutableBytes(of: &halves) { $0.copyBytes(from: name.utf8.prefix(16)) }
      return Comm(low: halves.0, high: halves.1)
    }
    return GuardRecord(
      monotonicNanoseconds: moment, senderPID: 3, senderComm: comm(name), signal: .SIGTERM, pid: pid, comm: comm("hog"))
  }

  @Test("a signal that was seen is an event of its own, with who sent it")
  func event() {
    var watch = GuardWatch()
    let action = watch.receive(GuardWatchTests.record(at: 5, by: "systemd-oomd"))
    #expect(action.by == "systemd-oomd" && action.outcome == .sent && action.signal == .SIGTERM && action.id == nil)
    #expect(action.sender == GuardAction.Sender(pid: 3, comm: KernelName("systemd-oomd")))
    #expect(action.victim == Victim(pid: 7, comm: KernelName("hog"), kernelCount: 0))
  }

  @Test("a kill within ten seconds is marked by the last action, others are not")
  func spite() {
    var watch = GuardWatch()
    #expect(watch.before(1) == nil)
    _ = watch.receive(GuardWatchTests.record(at: 1_000_000_000))
    _ = watch.receive(GuardWatchTests.record(at: 2_000_000_000, pid: 8))
    let marked = AfterGuardAction(
      by: "earlyoom", signal: .SIGTERM, pid: 8, comm: KernelName("hog"), milliseconds: 10_000)
    #expect(watch.before(12_000_000_000) == marked)
    #expect(watch.before(12_000_000_001) == nil && watch.before(1_999_999_999) == nil)
    #expect(watch.before(2_000_000_000)?.milliseconds == 0)
  }
}
