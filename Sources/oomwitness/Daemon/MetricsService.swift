// SPDX-License-Identifier: Apache-2.0
import Host
import Metrics

/// Offers the book to scrapers, on threads of their own; that it cannot is said, and stops nothing else.
final class MetricsService {
  /// What could not be offered is tried again after so long.
  private static let retryNanoseconds: Int64 = 30_000_000_000

  let book: MetricBook
  private let readings: @Sendable () -> MetricReadings
  private let watcher: WakeUp
  private var settings: MetricsSettings?
  private var listener: LoopThread?
  private var textFile: LoopThread?
  private var triedAt: Int64 = 0
  /// What was said last, so that it is said once.
  private var said: String?

  init(book: MetricBook, watcher: WakeUp, readings: @escaping @Sendable () -> MetricReadings) {
    (self.book, self.watcher, self.readings) = (book, watcher, readings)
  }

  /// Offers them as `new` has it; what is as it was goes on.
  func apply(_ new: MetricsSettings?) {
    if new?.listen != settings?.listen { end(&listener) }
    if new?.textFile != settings?.textFile { end(&textFile) }
    settings = new
    start()
  }

  func end() { apply(nil) }

  /// Tries again what is not there.
  func mend() {
    guard SystemClock.monotonic - triedAt >= MetricsService.retryNanoseconds else { return }
    if let thread = listener, thread.hasEnded { end(&listener) }
    if let thread = textFile, thread.hasEnded { end(&textFile) }
    start()
  }

  /// Those that run.
  var threads: [LoopThread] { [listener, textFile].compactMap { $0 } }

  private func start() {
    triedAt = SystemClock.monotonic
    if listener == nil, let address = settings?.listen {
      do throws(MetricError) {
        let made = try MetricListener(address, book: book, readings: readings)
        listener = thread("metrics") { stop, beat in made.run(stop: stop, beat: beat) }
        said = nil
      } catch {
        say("\(Wording.sentence(error)); metrics are not offered there")
      }
    }
    if textFile == nil, let file = settings?.textFile {
      let made = MetricTextFile(path: file.path, everySeconds: file.everySeconds, book: book, readings: readings)
      textFile = thread("metrics textfile") { stop, beat in
        made.run(stop: stop, beat: beat) { Diagnostic.say("\(Wording.sentence($0)); it is tried again") }
      }
    }
  }

  private func thread(_ name: String, _ run: @escaping (Int32, () -> Void) -> Void) -> LoopThread? {
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds + 3600)
    let thread = LoopThread(name, heartbeat: heartbeat, watcher: watcher) { run($0, heartbeat.beat) }
    if thread == nil { say("the kernel gives no thread for \(name)") }
    return thread
  }

  private func end(_ thread: inout LoopThread?) {
    thread?.end()
    thread = nil
  }

  private func say(_ sentence: String) {
    if sentence != said { Diagnostic.say(sentence) }
    said = sentence
  }
}
