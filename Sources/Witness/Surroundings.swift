// SPDX-License-Identifier: Apache-2.0
import Events
import Host

extension WitnessLoop {
  package struct Options {
    /// Ends after so many kills told that happened since the start; nil: never.
    package var count: Int64?
    /// Ends after so many nanoseconds; nil: never.
    package var durationNanoseconds: Int64?
    /// Which kills are told; the others are counted alone.
    package var wants: (OOMKill) -> Bool = { _ in true }
    /// How often books and snapshots are looked at.
    package var periodNanoseconds: Int64 = 60_000_000_000
    /// vmstat's oom_kill at the place in the log that is the start, else as the loop finds it.
    package var oomKillAtStart: Int64?
    /// The kernel's log is held against the stream.
    package var isCrossChecked = false
    /// What happened before the start is told.
    package var tellsPast = false
    /// Of that, what was told before we were started again; with the moment by the log's clock.
    package var wasTold: (OOMKill, Int64) -> Bool = { _, _ in false }

    package init() {}
  }

  /// The outside world, as the loop needs it.
  package struct Surroundings {
    /// Says one event; false where it could not be taken.
    package var tell: (Event, EventTime) -> Bool
    /// Readable when the process is asked to end; -1: never.
    package var stopDescriptor: Int32 = -1
    /// Has POLLPRI when memory gets short; -1: never.
    package var pressureDescriptor: Int32 = -1
    /// Wants to be flushed when it can be written to; nil: nothing waits.
    package var waitingOutput: () -> Int32? = { nil }
    /// The loop was woken, and runs.
    package var runs: () -> Void = {}
    package var flushOutput: () -> Void = {}
    package var isOutputClosed: () -> Bool = { false }
    /// Takes the next of what happened before the start; false where there is no more.
    package var takePast: (inout [Assembler.Action]) -> Bool = { _ in false }
    /// The biggest processes now.
    package var biggest: () -> [ProcessCache.Sized] = { [] }

    package init(tell: @escaping (Event, EventTime) -> Bool) { self.tell = tell }
  }
}
