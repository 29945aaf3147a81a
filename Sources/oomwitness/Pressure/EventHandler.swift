// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Sinks

/// One event, in each of the forms that handlers want.
struct HandledEvent {
  /// As in the stream, `\n` included, but numbered by itself: `seq` counts what handlers were given.
  var line: [UInt8]
  var sentence: String
  var level: PressureLevel
  var host: String
}

/// What became of events that did not get through.
struct HandlerFailure {
  var count: Int64
  /// Why the last of them did not, safe for a terminal.
  var sentence: String
}

/// Takes events and never lets the loop wait: what cannot be done at once waits in a bounded queue, and is done in steps.
protocol EventHandler: AnyObject {
  /// As people know it: `--run /usr/bin/notify`.
  var name: String { get }
  func take(_ event: HandledEvent, nowNanoseconds: Int64)
  /// For the loop's poll(2).
  var polls: [pollfd] { get }
  /// When `step` has something to do without any of them; nil where it has not.
  var dueNanoseconds: Int64? { get }
  /// Does what can be done without waiting.
  func step(nowNanoseconds: Int64)
  /// Whether something is still to be done.
  var isBusy: Bool { get }
  /// What did not get through since this was asked last.
  func takeFailure() -> HandlerFailure?
  /// Gives up what waits; it counts as failed.
  func giveUp()
}

/// Events that are written at once or not at all.
final class WrittenEvents: EventHandler {
  let name: String
  private let write: (HandledEvent) -> Bool
  private let reason: () -> String
  private var failed: Int64 = 0

  /// - Parameters:
  ///   - write: false where it did not get through.
  ///   - reason: why the last one did not.
  init(name: String, write: @escaping (HandledEvent) -> Bool, reason: @escaping () -> String) {
    self.name = name
    self.write = write
    self.reason = reason
  }

  /// Entries of journald: the sentence as the message, the line beside it.
  static func journal(_ sink: JournalSink) -> WrittenEvents {
    WrittenEvents(name: "--journald") { event in
      sink.send([
        .init(.message, Array(event.sentence.utf8)), .init(.priority, [priority(event.level)]),
        .init(.identifier, Array("oomwitness".utf8)), .init(.level, Array(event.level.name.utf8)),
        .init(.event, Array(event.line.dropLast())),
      ])
    } reason: {
      Wording.text(sink.failure ?? EIO)
    }
  }

  /// Source: syslog(3): 2 critical, 4 warning, 5 notice, 6 informational.
  private static func priority(_ level: PressureLevel) -> UInt8 {
    switch level {
    case .critical: UInt8(ascii: "2")
    case .medium: UInt8(ascii: "4")
    case .low: UInt8(ascii: "5")
    case .normal: UInt8(ascii: "6")
    }
  }

  func take(_ event: HandledEvent, nowNanoseconds: Int64) { if !write(event) { failed += 1 } }

  var polls: [pollfd] { [] }
  var dueNanoseconds: Int64? { nil }
  func step(nowNanoseconds: Int64) {}
  var isBusy: Bool { false }
  func giveUp() {}

  func takeFailure() -> HandlerFailure? {
    guard failed > 0 else { return nil }
    defer { failed = 0 }
    return HandlerFailure(count: failed, sentence: reason())
  }
}
