// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Synchronization

/// The daemon's one stream: what several loops tell becomes lines in one order, with one numbering.
///
/// A line is handed on while the lock is held, so that numbers and lines are in the same order; whoever takes it must
/// not wait.
final class EventHub: Sendable {
  private let encoder: Mutex<NDJSONEncoder>
  private let take: @Sendable ([UInt8]) -> Bool

  /// - Parameter take: takes a line; false where it has no room.
  init(
    host: String, bootID: String?, stream: String, pageSizeBytes: Int, take: @escaping @Sendable ([UInt8]) -> Bool
  ) {
    encoder = Mutex(NDJSONEncoder(host: host, bootID: bootID, stream: stream, pageSizeBytes: pageSizeBytes))
    self.take = take
  }

  func write(_ event: Event, at time: EventTime) -> Bool {
    encoder.withLock { encoder in
      if take(encoder.line(event, at: time)) { return true }
      encoder.retract()
      return false
    }
  }

  func rehearse(_ event: Event, at time: EventTime) {
    encoder.withLock { encoder in
      _ = encoder.line(event, at: time)
      encoder.retract()
    }
  }
}

/// The hub as one of the loops has it: what it says goes to the stream, and that it goes round is known.
final class HubOutput: EventOutput {
  private let hub: EventHub
  private let heartbeat: Heartbeat

  init(_ hub: EventHub, _ heartbeat: Heartbeat) { (self.hub, self.heartbeat) = (hub, heartbeat) }

  func write(_ event: Event, at time: EventTime) -> Bool { hub.write(event, at: time) }
  func rehearse(_ event: Event, at time: EventTime) { hub.rehearse(event, at: time) }
  /// Each loop flushes once a round.
  func flush() { heartbeat.beat() }
  func drain(timeoutMilliseconds: Int32) {}
  var waitingDescriptor: Int32? { nil }
  var isClosed: Bool { false }
  var failure: Int32? { nil }
}
