// SPDX-License-Identifier: Apache-2.0
import Events
import Host

extension WitnessLoop {
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
    /// The biggest processes now.
    package var biggest: () -> [ProcessCache.Sized] = { [] }

    package init(tell: @escaping (Event, EventTime) -> Bool) { self.tell = tell }
  }
}
