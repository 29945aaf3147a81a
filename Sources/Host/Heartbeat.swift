// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// When a loop last went round, for whoever watches over it.
package final class Heartbeat: Sendable {
  private let last: Atomic<Int64>
  /// Longer than its longest sleep.
  package let patienceSeconds: Int64

  package init(patienceSeconds: Int64) {
    self.patienceSeconds = patienceSeconds
    last = Atomic(Heartbeat.now)
  }

  package func beat() { last.store(Heartbeat.now, ordering: .relaxed) }

  package var isAlive: Bool { Heartbeat.now - last.load(ordering: .relaxed) < patienceSeconds }

  /// Seconds of CLOCK_MONOTONIC.
  private static var now: Int64 { SystemClock.monotonic / 1_000_000_000 }
}
