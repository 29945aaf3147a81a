// SPDX-License-Identifier: Apache-2.0
import Events
import KernelLog
import Witness

/// The kernel's log as an input: the last rung, where no BPF may be loaded.
final class KmsgInput: WitnessInput {
  private let tail: LogTail
  private let clock = Clock()

  init(_ tail: LogTail) { self.tail = tail }

  /// Why the log cannot be read here; nil where it can.
  static func refusal() -> String? {
    do throws(KernelLogError) {
      _ = try KmsgReader()
      return nil
    } catch {
      return Wording.sentence(error)
    }
  }

  var descriptor: Int32 { tail.descriptor }
  /// The log speaks of many things.
  var announcesKills: Bool { false }
  var deadline: Int64? { tail.deadline }
  var losses: LossCounters {
    var counters = LossCounters()
    counters.records = tail.recordsLost
    return counters
  }
  var waitingKernelCount: Int64 { tail.waitingKernelCount }

  func collect(_ actions: inout [Assembler.Action]) { append(tail.read(), to: &actions) }

  func expire(now: Int64, _ actions: inout [Assembler.Action]) { append(tail.advance(to: now), to: &actions) }

  func finish(_ actions: inout [Assembler.Action]) {
    collect(&actions)
    append(tail.flush(), to: &actions)
  }

  private func append(_ events: [LoggedEvent], to actions: inout [Assembler.Action]) {
    for logged in events {
      let moment = logged.monotonicNanoseconds ?? clock.monotonic
      switch logged.event {
      case .oomKill(let kill): actions.append(.tell(kill, at: moment, startBootNanoseconds: nil))
      case .oomNoKill(let noKill): actions.append(.tellNoKill(noKill, at: moment))
      case .oomOutcome(let outcome): actions.append(.tellOutcome(outcome, at: moment))
      case .streamStart, .loss, .pressure, .policyAction, .guardAction, .streamEnd: break
      }
    }
  }
}
