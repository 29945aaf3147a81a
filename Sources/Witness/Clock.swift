// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The host's clocks, in nanoseconds. Source: clock_gettime(2).
package struct Clock: Sendable {
  /// Reads one clock by its id.
  private let read: @Sendable (clockid_t) -> Int64

  package init(read: @escaping @Sendable (clockid_t) -> Int64 = SystemClock.nanoseconds) { self.read = read }

  package var monotonic: Int64 { read(CLOCK_MONOTONIC) }
  package var wall: Int64 { read(CLOCK_REALTIME) }

  /// A moment of CLOCK_MONOTONIC on the wall clock.
  package func time(monotonic moment: Int64) -> EventTime {
    EventTime(wallNanoseconds: wall - (monotonic - moment), monotonicNanoseconds: moment)
  }

  /// A moment since boot, suspend included, on the wall clock.
  package func wall(bootNanoseconds moment: Int64) -> Int64 { wall - (read(CLOCK_BOOTTIME) - moment) }
}
