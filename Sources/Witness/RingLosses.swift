// SPDX-License-Identifier: Apache-2.0
import Events

/// What the ring lost, less the kills that the kernel's log told in their place. No I/O.
///
/// The ring's counter grows before the kernel prints the kill's line. So a count is settled, as told from the log or as
/// lost, once the log was read to its end by a reading that began some time after the count was seen.
/// Source: bpf/oomwitness.bpf.c, lost_kernel_count; Kernel: mm/oom_kill.c, __oom_kill_process().
package struct RingLosses: Sendable {
  /// After this time a kill that was counted as lost is printed.
  package static let ageNanoseconds: Int64 = 200_000_000

  /// What is to be told, with `kernelCount` and `fromLog` of what is settled.
  package private(set) var counters = LossCounters()
  /// The ring's own count of lost kills, as far as it is settled.
  private var settled: Int64 = 0
  /// The ring's counters as a reading of the log found them when it began.
  private var seen: (ring: LossCounters, moment: Int64)
  /// Such counters, with the log read to its end some time after.
  private var due: LossCounters?
  /// Kernel counts of kills that the log told, and those of them that stand for the ring's losses.
  private var logged: (told: Int64, ofRing: Int64) = (0, 0)

  /// - Parameter now: the caller's CLOCK_MONOTONIC.
  package init(now: Int64) { seen = (LossCounters(), now) }

  /// Lost kills, as the kernel counts them, that the log may still have.
  package func waitingKernelCount(ring: LossCounters) -> Int64 { ring.kernelCount - settled }

  /// The log told a kill that no probe did.
  package mutating func tell(kernelCount: Int) { logged.told += Int64(kernelCount) }

  /// The ring's counters now: where no kill is among what was lost since, all of it is to be told at once.
  ///
  /// - Parameter waiting: kernel counts of kills that the log is about to tell.
  package mutating func notice(ring: LossCounters, waiting: Int64) {
    if ring.kernelCount == settled { settle(ring, waiting) }
  }

  /// The log was read to its end.
  ///
  /// - Parameters:
  ///   - ring: the ring's counters before that.
  ///   - began: the caller's CLOCK_MONOTONIC when it began.
  /// - Returns: when the log should be read again, to settle the rest; nil where there is none.
  package mutating func read(ring: LossCounters, began: Int64) -> Int64? {
    if began - seen.moment >= RingLosses.ageNanoseconds {
      due = seen.ring
      seen = (ring, began)
    }
    return ring.kernelCount == settled ? nil : seen.moment + RingLosses.ageNanoseconds
  }

  /// Settles what can be, once no report of the log is open that may go on.
  package mutating func settleDue(waiting: Int64) {
    guard let ring = due else { return }
    due = nil
    if ring.kernelCount > settled { settle(ring, waiting) }
  }

  /// Settles everything: nothing more comes in.
  package mutating func finish(ring: LossCounters) { settle(ring, 0) }

  /// Of the ring's kills those that the log has are not lost. Where others were taken for them the sum is right all the
  /// same, since vmstat's count is held against it.
  private mutating func settle(_ ring: LossCounters, _ waiting: Int64) {
    let fresh = ring.kernelCount - settled
    let fromLog = min(fresh, max(0, logged.told + waiting - logged.ofRing))
    var next = ring
    next.kernelCount = counters.kernelCount + fresh - fromLog
    next.fromLog = counters.fromLog + fromLog
    counters = next
    settled = ring.kernelCount
    // A kill that no ring lost is not kept to stand for one that it will lose.
    logged.ofRing = fresh == 0 && waiting == 0 ? logged.told : logged.ofRing + fromLog
  }
}
