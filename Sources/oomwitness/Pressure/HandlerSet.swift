// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Sinks

/// All handlers that were asked for: gives them events, lets each do its steps, and collects what did not get through.
final class HandlerSet {
  /// A handler that fails again and again is told so often.
  private static let tellNanoseconds: Int64 = 10_000_000_000
  /// What is still under way at the end is given so long.
  private static let endNanoseconds: Int64 = 2_000_000_000

  private let handlers: [EventHandler]
  private let from: PressureLevel
  private let host: String
  private let explanation: Explanation
  private var encoder: NDJSONEncoder
  /// When each may be told of next.
  private var tellableNanoseconds: [Int64]

  /// - Throws: where one cannot work from the start.
  init(_ options: HandlerOptions, identity: HostIdentity) throws {
    from = options.handleFrom.level
    host = identity.hostName
    explanation = Explanation(pageSizeBytes: identity.pageSizeBytes)
    encoder = NDJSONEncoder(host: host, bootID: identity.bootID, pageSizeBytes: identity.pageSizeBytes)
    var handlers: [EventHandler] = []
    for path in options.logTo {
      do throws(FileWriterError) {
        handlers.append(try FileHandler(path: path))
      } catch {
        throw Diagnostic.fail("cannot open \(TerminalText.safe(path)): \(Wording.text(error.errno))")
      }
    }
    if options.journald {
      guard access(JournalSink.standardPath, F_OK) == 0 else {
        throw Diagnostic.fail(
          "there is no journald here: \(JournalSink.standardPath) is missing (--log-to FILE writes to a file)",
          ExitStatus.notPossibleHere)
      }
      handlers.append(WrittenEvents.journal(JournalSink()))
    }
    for words in try options.programs() {
      try HandlerSet.require(words[0], "--run")
      handlers.append(ChildHandler.program(words, seconds: options.runSeconds))
    }
    for text in options.webhook {
      let target = try Webhook.target(text)
      try HandlerSet.require("curl", "--webhook")
      handlers.append(Webhook.handler(target, options))
    }
    self.handlers = handlers
    tellableNanoseconds = handlers.map { _ in 0 }
  }

  /// For a poll(2).
  var polls: [pollfd] { handlers.flatMap(\.polls) }

  /// When one has something to do; nil where none has.
  var dueNanoseconds: Int64? { handlers.compactMap(\.dueNanoseconds).min() }

  /// Gives an event to all of them.
  func take(_ event: PressureEvent, at time: EventTime, nowNanoseconds now: Int64) {
    guard !handlers.isEmpty, max(event.level, event.previous) >= from else { return }
    let handled = HandledEvent(
      line: encoder.line(.pressure(event), at: time), sentence: explanation.sentence(event), level: event.level,
      host: host)
    for handler in handlers { handler.take(handled, nowNanoseconds: now) }
  }

  /// Lets each do what it can without waiting.
  func step(nowNanoseconds now: Int64) { for handler in handlers { handler.step(nowNanoseconds: now) } }

  /// What did not get through, to be told now.
  ///
  /// - Parameter isLast: nothing is kept for later.
  func losses(nowNanoseconds now: Int64, isLast: Bool = false) -> [Loss] {
    var losses: [Loss] = []
    for (place, handler) in handlers.enumerated() where isLast || now >= tellableNanoseconds[place] {
      guard let failure = handler.takeFailure() else { continue }
      tellableNanoseconds[place] = now + HandlerSet.tellNanoseconds
      let count = "\(failure.count) event\(failure.count == 1 ? "" : "s")"
      losses.append(
        Loss(
          reason: .handlerFailed, kernelCount: 0, records: failure.count,
          detail: "\(handler.name): \(count) did not get through: \(failure.sentence)"))
    }
    return losses
  }

  /// The watch ends: what is under way may end too, for a little while; then all that failed is told.
  func end() -> [Loss] {
    let end = SystemClock.monotonic + HandlerSet.endNanoseconds
    var now = SystemClock.monotonic
    while now < end, handlers.contains(where: \.isBusy) {
      var descriptors = polls
      _ = poll(&descriptors, nfds_t(descriptors.count), 50)
      now = SystemClock.monotonic
      step(nowNanoseconds: now)
    }
    for handler in handlers { handler.giveUp() }
    return losses(nowNanoseconds: now, isLast: true)
  }

  /// That there is such a program; what it does then is seen at its first run.
  private static func require(_ program: String, _ option: String) throws {
    let folders =
      program.contains("/")
      ? [""] : (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin").split(separator: ":").map { $0 + "/" }
    guard !folders.contains(where: { access($0 + program, X_OK) == 0 }) else { return }
    let wayOut = option == "--webhook" ? " (apt-get install curl)" : ""
    throw Diagnostic.fail(
      "\(option) needs the program \(TerminalText.safe(program)), which is not here or may not be run\(wayOut)",
      ExitStatus.notPossibleHere)
  }
}
