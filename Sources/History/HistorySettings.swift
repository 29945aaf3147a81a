// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Where a history lies and how much of it is kept.
package struct HistorySettings: Sendable {
  /// File: what the daemon writes and `oomwitness history` reads.
  package static let defaultPath = "/var/lib/oomwitness/history.db"
  /// Less holds no batch and no index.
  package static let bytesMin: Int64 = 1024 * 1024

  package var path = HistorySettings.defaultPath
  /// Rows go when they were stored so long ago.
  package var secondsMax: Int64 = 90 * 86_400
  /// Rows go, the oldest first, where the file holds more than this; what waits to be merged into it comes on top, 8 MiB
  /// and a batch.
  package var bytesMax: Int64 = 256 * 1024 * 1024
  /// So many lines are stored at once, or as many as came within `batchNanoseconds`.
  package var batchLines = 256
  package var batchNanoseconds: Int64 = 1_000_000_000
  /// Bytes of lines that wait where they cannot be stored; what finds no room is dropped and counted.
  package var waitingBytesMax = 8 * 1024 * 1024
  /// How long another writer is waited for, at each try.
  package var busyMilliseconds: Int32 = 200
  /// Whether a damaged file is renamed and a new one begun. What is not ours to write shall rather be an error.
  package var setsDamagedAside = true
  /// Wall clock and CLOCK_MONOTONIC.
  package var clock: @Sendable () -> EventTime = HistorySettings.systemClock

  package init(path: String = HistorySettings.defaultPath) { self.path = path }

  /// Source: clock_gettime(2).
  @Sendable package static func systemClock() -> EventTime {
    func read(_ id: clockid_t) -> Int64 {
      var time = timespec()
      clock_gettime(id, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
    return EventTime(wallNanoseconds: read(CLOCK_REALTIME), monotonicNanoseconds: read(CLOCK_MONOTONIC))
  }
}
