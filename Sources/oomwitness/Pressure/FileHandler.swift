// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Sinks

/// `--log-to`: lines in a file, written by a thread of its own, so that a disk that hangs holds up nobody.
///
/// Events wait in a queue; where that is full the oldest is given up. What is being written cannot be taken back: it may
/// still get there when the disk answers, and where the watch ends before, it counts as failed.
final class FileHandler: EventHandler {
  private enum State {
    case opening
    case idle
    case writing
  }

  static let queueMax = 32
  /// A disk that takes longer to open the file is waited for no longer at the start.
  private static let openMilliseconds: Int32 = 2000
  /// A disk that takes longer for one line is told of.
  private static let slowNanoseconds: Int64 = 10_000_000_000

  let name: String
  private let writer: FileWriter
  private var state = State.opening
  /// Since when the disk has not answered; nil where it has, or where that was told.
  private var silentSinceNanoseconds: Int64?
  private var queue: [[UInt8]] = []
  private var failed: Int64 = 0
  private var reason = ""

  /// - Throws: `FileWriterError`, where the file cannot be opened.
  init(path: String) throws(FileWriterError) {
    name = "--log-to \(TerminalText.safe(path))"
    writer = try FileWriter(path: path)
    if let number = writer.ended(timeoutMilliseconds: FileHandler.openMilliseconds) {
      guard number == 0 else { throw FileWriterError(errno: number) }
      state = .idle
    } else {
      silentSinceNanoseconds = SystemClock.monotonic
    }
  }

  func take(_ event: HandledEvent, nowNanoseconds now: Int64) {
    if queue.count >= FileHandler.queueMax {
      queue.removeFirst()
      fail("\(FileHandler.queueMax) events were waiting already, and the oldest was given up")
    }
    queue.append(event.line)
    step(nowNanoseconds: now)
  }

  var polls: [pollfd] {
    state == .idle ? [] : [pollfd(fd: writer.descriptor, events: Int16(POLLIN), revents: 0)]
  }

  var dueNanoseconds: Int64? { silentSinceNanoseconds.map { $0 + FileHandler.slowNanoseconds } }

  var isBusy: Bool { state == .writing || !queue.isEmpty }

  func step(nowNanoseconds now: Int64) {
    if state != .idle {
      guard let number = writer.ended() else { return tellOfSilence(now) }
      // Where it could not be opened, it is tried again with the next line.
      if state == .writing, number != 0 { fail(Wording.text(number)) }
      state = .idle
      silentSinceNanoseconds = nil
    }
    guard !queue.isEmpty else { return }
    writer.begin(queue.removeFirst())
    (state, silentSinceNanoseconds) = (.writing, now)
  }

  func takeFailure() -> HandlerFailure? {
    guard failed > 0 else { return nil }
    defer { failed = 0 }
    return HandlerFailure(count: failed, sentence: reason)
  }

  func giveUp() {
    if state == .writing { fail("the disk had not taken it when the watch ended") }
    for _ in queue { fail("the disk had not taken it when the watch ended") }
    queue = []
  }

  private func tellOfSilence(_ now: Int64) {
    guard let since = silentSinceNanoseconds, now - since >= FileHandler.slowNanoseconds else { return }
    silentSinceNanoseconds = nil
    let count = queue.count + (state == .writing ? 1 : 0)
    Diagnostic.say(
      "\(name): the disk has not answered for \(FileHandler.slowNanoseconds / 1_000_000_000) s; "
        + "\(count) event\(count == 1 ? " waits" : "s wait"), and the watch goes on")
  }

  private func fail(_ why: String) {
    failed += 1
    reason = why
  }
}
