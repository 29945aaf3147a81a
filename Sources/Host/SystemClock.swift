// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The kernel's clocks, in nanoseconds. Source: clock_gettime(2).
package enum SystemClock {
  @Sendable package static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// CLOCK_MONOTONIC.
  package static var monotonic: Int64 { nanoseconds(CLOCK_MONOTONIC) }
}
