// SPDX-License-Identifier: Apache-2.0
import Glibc

/// CLOCK_MONOTONIC, which no step of the wall clock moves.
enum Monotonic {
  static let second: Int64 = 1_000_000_000

  static var nanoseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * second + Int64(time.tv_nsec)
  }
}

/// How long to wait before the next attempt: twice as long each time, and never the same for a thousand hosts at once.
struct BackOff {
  private static let firstNanoseconds: Int64 = 500_000_000
  static let mostNanoseconds: Int64 = 60 * Monotonic.second

  private var doublings: Int64 = 0

  /// From half of the time to all of it.
  mutating func next() -> Int64 {
    let whole = min(BackOff.firstNanoseconds << doublings, BackOff.mostNanoseconds)
    doublings = min(doublings + 1, 16)
    return Int64.random(in: whole / 2...whole)
  }

  mutating func reset() { doublings = 0 }
}
