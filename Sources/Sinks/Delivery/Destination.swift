// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Takes lines in their order and says which have arrived; all of it on the delivery's thread, and none of it waits.
///
/// Who loses lines that it had taken (a connection broke) sets `taken` back to `delivered`: they are handed to it again.
package protocol Destination: AnyObject {
  /// Number of the last line that it took.
  var taken: UInt64 { get }
  /// Number of the last line that has arrived, or was refused for good. Never more than `taken`.
  var delivered: UInt64 { get }
  var state: DestinationState { get }
  var counters: DestinationCounters { get }
  /// For a poll(2).
  var polls: [pollfd] { get }
  /// When `step` has something to do without any of them, by CLOCK_MONOTONIC; nil where it has not.
  var dueNanoseconds: Int64? { get }
  /// Begins after the line of this number.
  func begin(after number: UInt64)
  /// Whether it would take a line now.
  var hasRoom: Bool { get }
  /// Takes lines, from the first on.
  ///
  /// - Returns: how many.
  func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds: Int64) -> Int
  /// Does what can be done without waiting.
  func step(nowNanoseconds: Int64)
  /// What has arrived is to survive the host: called before its number is kept on disk.
  func sync()
  /// Opens anew what may have been moved (SIGHUP).
  func reopen()
  /// No more lines come: what it has is to arrive, and to be confirmed where the receiver does that.
  func close(nowNanoseconds: Int64)
  /// Whether it may still bring something to its end after `close`.
  var isBusy: Bool { get }
}

/// What came of lines and attempts, since the start.
package struct DestinationCounters: Hashable, Sendable {
  package var deliveredLines: Int64 = 0
  package var refusedLines: Int64 = 0
  /// Of these such as tell of losses themselves: to tell of them in turn would have no end.
  package var refusedLosses: Int64 = 0
  /// Why the last of them was.
  package var refusal: DestinationFailure?
  package var failures: Int64 = 0
}

extension Destination {
  package func sync() {}
  package func reopen() {}
  package func close(nowNanoseconds: Int64) {}
  package var isBusy: Bool { state == .up && delivered < taken }
}
