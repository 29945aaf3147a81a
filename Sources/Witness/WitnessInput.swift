// SPDX-License-Identifier: Apache-2.0
import Events

/// What the loop listens to: the kernel's records, or the kernel's log.
package protocol WitnessInput: AnyObject {
  /// Readable when there is something to collect; -1 where there is no waiting.
  var descriptor: Int32 { get }
  /// Wakes the loop before there is anything to tell: when the kernel begins to choose.
  var announcesKills: Bool { get }
  /// When `expire` has something to do, on CLOCK_MONOTONIC.
  var deadline: Int64? { get }
  /// Takes what has come, and says what is to be done.
  func collect(_ actions: inout [Assembler.Action])
  /// Ends what has waited long enough.
  func expire(now: Int64, _ actions: inout [Assembler.Action])
  /// Looks elsewhere for kills that did not come in: the minute's tick.
  ///
  /// - Returns: false where more is to be looked at, once what has come meanwhile is told.
  func look(_ actions: inout [Assembler.Action]) -> Bool
  /// No more will come: detaches, takes what is left, ends what is open.
  func finish(_ actions: inout [Assembler.Action])
  var losses: LossCounters { get }
  /// Kills as the kernel counts them that have come in and are not told yet.
  var waitingKernelCount: Int64 { get }
}

extension WitnessInput {
  package func look(_: inout [Assembler.Action]) -> Bool { true }
}

/// Kernel records, put together by an Assembler.
package final class RecordInput: WitnessInput {
  private let source: RecordSource
  private var assembler: Assembler
  /// Gets each kill as it comes in, before it is put together.
  package var onKill: (KillRecord) -> Void = { _ in }

  package init(source: RecordSource, configuration: Assembler.Configuration) {
    self.source = source
    assembler = Assembler(configuration)
  }

  package var descriptor: Int32 { source.descriptor }
  package var announcesKills: Bool { true }
  package var deadline: Int64? { assembler.deadline }
  package var losses: LossCounters { source.losses }
  package var waitingKernelCount: Int64 { assembler.waitingKernelCount }

  package func collect(_ actions: inout [Assembler.Action]) {
    source.drain { record in
      if case .kill(let kill) = record { onKill(kill) }
      assembler.receive(record, actions: &actions)
    }
  }

  package func expire(now: Int64, _ actions: inout [Assembler.Action]) {
    assembler.expire(now: now, actions: &actions)
  }

  package func finish(_ actions: inout [Assembler.Action]) {
    source.detach()
    collect(&actions)
    assembler.finish(actions: &actions)
  }
}
