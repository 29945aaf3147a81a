// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// When a loop last went round, for whoever watches over it.
final class Heartbeat: Sendable {
  private let last: Atomic<Int64>
  /// Longer than its longest sleep.
  let patienceNanoseconds: Int64

  init(patienceSeconds: Int64) {
    patienceNanoseconds = patienceSeconds * 1_000_000_000
    last = Atomic(GuardLoop.now)
  }

  func beat() { last.store(GuardLoop.now, ordering: .relaxed) }

  func isAlive(now: Int64) -> Bool { now - last.load(ordering: .relaxed) < patienceNanoseconds }
}
