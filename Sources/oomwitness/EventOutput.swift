// SPDX-License-Identifier: Apache-2.0
import Events

/// Where a loop's events go: standard output of a command, or the daemon's stream, into which several loops speak.
protocol EventOutput: AnyObject {
  /// False where it was not taken; the next line then has its number.
  func write(_ event: Event, at time: EventTime) -> Bool
  /// Makes the line and throws it away, with a number that the stream does not see.
  func rehearse(_ event: Event, at time: EventTime)
  /// Wants to be flushed when it can be written to; nil: nothing waits.
  var waitingDescriptor: Int32? { get }
  func flush()
  /// Gives a slow reader a last chance.
  func drain(timeoutMilliseconds: Int32)
  /// Nobody reads any more.
  var isClosed: Bool { get }
  /// Why, where it was not the reader that has gone.
  var failure: Int32? { get }
}
