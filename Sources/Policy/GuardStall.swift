// SPDX-License-Identifier: Apache-2.0
import Events

/// Whether tasks have stood still for memory for too long: avg10 at or above the limit all the while.
///
/// Source: oomd.conf(5), DefaultMemoryPressureDurationSec; systemd's src/oom/oomd-util.c, oomd_pressure_above().
package struct GuardStall: Hashable, Sendable {
  /// avg10 stays up after the one who caused it is gone. Source: oomd-manager.h, POST_ACTION_DELAY_USEC.
  private static let muteNanoseconds: Int64 = 15_000_000_000

  private var fullSince: Int64?
  private var someSince: Int64?
  private var mutedUntil = Int64.min

  package init() {}

  /// What has been above its limit for long enough; nil: nothing.
  package mutating func take(_ reading: GuardReading, _ thresholds: GuardThresholds, now: Int64) -> GuardAction
    .Threshold.Cause?
  {
    fullSince = GuardStall.since(fullSince, reading.fullHundredths, thresholds.fullHundredths, now)
    someSince = GuardStall.since(someSince, reading.someHundredths, thresholds.someHundredths, now)
    guard now >= mutedUntil else { return nil }
    if let fullSince, now - fullSince >= thresholds.pressureNanoseconds { return .stallFull }
    if let someSince, now - someSince >= thresholds.pressureNanoseconds { return .stallSome }
    return nil
  }

  /// Somebody was taken.
  package mutating func acted(now: Int64) {
    (fullSince, someSince) = (nil, nil)
    mutedUntil = now + GuardStall.muteNanoseconds
  }

  private static func since(_ since: Int64?, _ value: Int64?, _ limit: Int64?, _ now: Int64) -> Int64? {
    guard let value, let limit, value >= limit else { return nil }
    return since ?? now
  }
}

/// How long the guard may sleep: no longer than memory and swap can run out in.
///
/// Source: earlyoom's sleep_ms(), which adds both times; they may pass at once, so the longer of the two is the bound here.
package enum GuardPace {
  /// As fast as processors here write new pages, and as swap devices take them.
  static let memoryBytesPerMillisecond: Int64 = 8 << 20
  static let swapBytesPerMillisecond: Int64 = 1 << 20
  static let leastNanoseconds: Int64 = 2_000_000
  package static let mostNanoseconds: Int64 = 1_000_000_000

  package static func nanoseconds(
    _ reading: GuardReading, _ thresholds: GuardThresholds, pageSizeBytes: Int64
  ) -> Int64 {
    let memory = thresholds.memoryPages(of: reading.totalPages, pageSizeBytes: pageSizeBytes).terminate
    let swap = thresholds.swapPages(of: reading.swapTotalPages, pageSizeBytes: pageSizeBytes).terminate
    let longest = max(
      nanoseconds(reading.availablePages - memory, pageSizeBytes, memoryBytesPerMillisecond),
      nanoseconds(reading.swapFreePages - swap, pageSizeBytes, swapBytesPerMillisecond))
    return min(max(longest, leastNanoseconds), mostNanoseconds)
  }

  private static func nanoseconds(_ pages: Pages, _ pageSizeBytes: Int64, _ bytesPerMillisecond: Int64) -> Int64 {
    let bytes = min(max(0, pages), 1 << 32) * pageSizeBytes
    return bytes / bytesPerMillisecond * 1_000_000
  }
}
