// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Sinks

/// Gives events to another program, one run for each, one after the other.
///
/// A run that takes too long is killed; one that may succeed later is tried again, later each time. Events wait in a queue;
/// where that is full the oldest is given up, since the latest level is what counts.
final class ChildHandler: EventHandler {
  /// How a run ended.
  enum Verdict {
    case done
    case failed(String)
    /// It may succeed when it is tried again.
    case later(String)
  }

  /// How many runs there may be, and how long each.
  struct Limits {
    var runNanoseconds: Int64
    var attempts = 1
    /// Nil: as many as there are events.
    var perMinute: Int?
  }

  static let queueMax = 32
  /// Of the first wait; each further one is twice as long.
  private static let backOffNanoseconds: Int64 = 1_000_000_000
  private static let minuteNanoseconds: Int64 = 60_000_000_000

  private struct Waiting {
    var event: HandledEvent
    var attempts = 0
    var notBeforeNanoseconds: Int64 = 0
  }

  let name: String
  private let limits: Limits
  private let start: (HandledEvent) throws(SinkError) -> ChildTask
  private let judge: (ChildTask.Ended) -> Verdict
  private var queue: [Waiting] = []
  private var running: (task: ChildTask, waiting: Waiting, endNanoseconds: Int64)?
  /// When runs of the last minute began; only where their number is limited.
  private var begun: [Int64] = []
  private var failed: Int64 = 0
  private var reason = ""

  init(
    name: String, limits: Limits, start: @escaping (HandledEvent) throws(SinkError) -> ChildTask,
    judge: @escaping (ChildTask.Ended) -> Verdict
  ) {
    self.name = name
    self.limits = limits
    self.start = start
    self.judge = judge
  }

  func take(_ event: HandledEvent, nowNanoseconds now: Int64) {
    if queue.count >= ChildHandler.queueMax {
      queue.removeFirst()
      fail("\(ChildHandler.queueMax) events were waiting already, and the oldest was given up")
    }
    queue.append(Waiting(event: event))
    step(nowNanoseconds: now)
  }

  var polls: [pollfd] { running?.task.polls ?? [] }

  var dueNanoseconds: Int64? {
    if let running { return running.endNanoseconds }
    return queue.first.map { max($0.notBeforeNanoseconds, rateOpensNanoseconds) }
  }

  var isBusy: Bool { running != nil || !queue.isEmpty }

  func step(nowNanoseconds now: Int64) {
    if let current = running {
      if now >= current.endNanoseconds {
        current.task.kill()
        // It may hang in the kernel: its end is told by the pidfd, not by the clock.
        running?.endNanoseconds = .max
      }
      guard let ended = current.task.step() else { return }
      running = nil
      take(verdict: verdict(ended), of: current.waiting, now)
    }
    while running == nil, let first = queue.first {
      forgetBegun(now)
      guard now >= max(first.notBeforeNanoseconds, rateOpensNanoseconds) else { return }
      queue.removeFirst()
      begin(first, now)
    }
  }

  func takeFailure() -> HandlerFailure? {
    guard failed > 0 else { return nil }
    defer { failed = 0 }
    return HandlerFailure(count: failed, sentence: reason)
  }

  func giveUp() {
    if running != nil { fail("it had not ended when the watch did") }
    running = nil
    for _ in queue { fail("the watch ended before its turn came") }
    queue = []
  }

  private func begin(_ waiting: Waiting, _ now: Int64) {
    if limits.perMinute != nil { begun.append(now) }
    do throws(SinkError) {
      running = (try start(waiting.event), waiting, now + limits.runNanoseconds)
    } catch {
      fail(Wording.sentence(error))
    }
  }

  private func verdict(_ ended: ChildTask.Ended) -> Verdict {
    if ended.isKilled { return .later("it took longer than \(limits.runNanoseconds / 1_000_000) ms, and was killed") }
    return judge(ended)
  }

  private func take(verdict: Verdict, of waiting: Waiting, _ now: Int64) {
    var waiting = waiting
    waiting.attempts += 1
    switch verdict {
    case .done: return
    case .failed(let why): fail(why)
    case .later(let why):
      guard waiting.attempts < limits.attempts else {
        return fail(waiting.attempts > 1 ? "\(why) (the last of \(waiting.attempts) attempts)" : why)
      }
      waiting.notBeforeNanoseconds = now + ChildHandler.backOffNanoseconds << Int64(waiting.attempts - 1)
      queue.insert(waiting, at: 0)
    }
  }

  private func fail(_ why: String) {
    failed += 1
    reason = why
  }

  /// When one more run fits into the minute.
  private var rateOpensNanoseconds: Int64 {
    guard let most = limits.perMinute, begun.count >= most else { return 0 }
    return begun[begun.count - most] + ChildHandler.minuteNanoseconds
  }

  private func forgetBegun(_ now: Int64) { begun.removeAll { now - $0 >= ChildHandler.minuteNanoseconds } }
}

extension ChildHandler {
  /// `--run`: the event's line on standard input.
  static func program(_ words: [String], seconds: Double) -> ChildHandler {
    ChildHandler(
      name: "--run \(TerminalText.safe(words[0]))", limits: Limits(runNanoseconds: Int64(seconds * 1e9))
    ) { (event) throws(SinkError) in
      try ChildTask(words[0], Array(words.dropFirst()), input: event.line)
    } judge: { ended in
      if ended.isFlooding { return .failed("it wrote more than \(ChildTask.outputBytesMax) bytes, which nobody reads") }
      if ended.status == 0 { return .done }
      let said = ended.firstLine.map { ": \($0)" } ?? ""
      return .failed(
        ended.status > 128 ? "it was ended by signal \(ended.status - 128)" : "it exited with \(ended.status)\(said)")
    }
  }
}

extension ChildTask.Ended {
  /// Of what it said, safe for a terminal.
  var firstLine: String? {
    let line = output.split(separator: 0x0a).first?.prefix(200)
    return line.map { TerminalText.safe(String(decoding: $0, as: UTF8.self)) }
  }
}
