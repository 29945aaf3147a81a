// SPDX-License-Identifier: Apache-2.0
import Events

/// What other guards of memory were seen to do, and which of the kernel's kills came in spite of it.
struct GuardWatch: Sendable {
  /// A kill later than this after the last action has nothing to do with it.
  static let spiteNanoseconds: Int64 = 10_000_000_000

  private var last: GuardRecord?

  /// The event of a signal that was seen.
  mutating func receive(_ record: GuardRecord) -> GuardAction {
    last = record
    var action = GuardAction(by: record.senderComm.name.text, outcome: .sent)
    action.signal = record.signal
    action.sender = GuardAction.Sender(pid: record.senderPID, comm: record.senderComm.name)
    action.victim = Victim(pid: record.pid, comm: record.comm.name, kernelCount: 0)
    return action
  }

  /// What a guard had done shortly before this moment; nil: nothing that was seen.
  func before(_ moment: Int64) -> AfterGuardAction? {
    guard let last, last.monotonicNanoseconds <= moment,
      moment - last.monotonicNanoseconds <= GuardWatch.spiteNanoseconds
    else { return nil }
    return AfterGuardAction(
      by: last.senderComm.name.text, signal: last.signal, pid: last.pid, comm: last.comm.name,
      milliseconds: (moment - last.monotonicNanoseconds) / 1_000_000)
  }
}
