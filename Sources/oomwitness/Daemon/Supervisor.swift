// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Metrics
import Sinks

/// Keeps the daemon's loops going: starts them, watches over them, reads the configuration again, ends them in order.
///
/// The witness is started first and ended last, so that the stream begins and ends with its lines.
final class Supervisor {
  /// A loop that ended by itself is made anew after so long.
  private static let retryNanoseconds: Int64 = 30_000_000_000
  /// A sink that is down for so long is said.
  private static let downNanoseconds: Int64 = 30_000_000_000
  /// What destinations get at the end, beside what the spool keeps.
  private static let finishMilliseconds = 5000
  /// How often losses of delivery are looked for.
  private static let roundNanoseconds: Int64 = 10_000_000_000

  private var settings: DaemonSettings
  private let delivery: DeliveryLoop
  private let notifier = ServiceNotifier()
  private let loops: DaemonLoops
  private let output: HubOutput
  private var running: [LoopThread] = []
  private var retryAt: Int64?
  private let watcher = WakeUp()
  /// Those of which it was said.
  private var sinksDown: Set<String> = []
  /// Of delivery, not told yet.
  private var losses: [DeliveryLoss] = []
  private let metrics: MetricsService
  private let history: HistoryLoop?
  private var keeper: LoopThread?

  init(
    settings: DaemonSettings, hub: EventHub, delivery: DeliveryLoop, history: HistoryLoop?,
    book: MetricBook,
    readings: @escaping @Sendable () -> MetricReadings
  ) {
    metrics = MetricsService(book: book, watcher: watcher, readings: readings)
    (self.settings, self.delivery, self.history) = (settings, delivery, history)
    loops = DaemonLoops(hub: hub)
    output = HubOutput(hub, Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds))
  }

  /// Until SIGTERM or SIGINT, or until the witness ends by itself.
  ///
  /// - Parameter witness: the main loop, until the descriptor can be read.
  func run(
    _ signals: borrowing StopSignals, witness: @escaping (Int32, Heartbeat) -> Void
  ) throws {
    let ready = try loops.make(settings)
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds)
    guard
      let main = LoopThread("witness", heartbeat: heartbeat, watcher: watcher, run: { witness($0, heartbeat) })
    else { throw Diagnostic.fail("the kernel gives no thread", ExitStatus.notPossibleHere) }
    start(ready)
    keeper = keepHistory()
    metrics.apply(settings.metrics)
    tellReady()
    while !main.hasEnded {
      if wait(signals, main) { break }
    }
    let endedByItself = main.hasEnded
    notifier.tell("STOPPING=1")
    metrics.end()
    for thread in running { thread.end() }
    tellLosses()
    main.end()
    keeper?.end()
    delivery.finish(milliseconds: Supervisor.finishMilliseconds)
    if endedByItself { throw Diagnostic.fail("the witness ended; nothing is watched any more") }
  }

  /// It begins once and ends last, with the stream's last line.
  private func keepHistory() -> LoopThread? {
    guard let history else { return nil }
    let heartbeat = Heartbeat(patienceSeconds: DaemonLoops.patienceSeconds)
    return LoopThread("history", heartbeat: heartbeat, watcher: watcher) { history.run(stop: $0, heartbeat: heartbeat) }
  }

  private func start(_ ready: [DaemonLoops.Ready]) {
    metrics.book.watchPressure(of: settings.pressure?.options.paths ?? [])
    running = ready.compactMap { loop in
      let thread = LoopThread(loop.name, heartbeat: loop.heartbeat, watcher: watcher, run: loop.run)
      if thread == nil { Diagnostic.say("the kernel gives no thread for \(loop.name)") }
      return thread
    }
  }

  private func tellReady() {
    let names = (["trace"] + running.map(\.name)).joined(separator: ", ")
    notifier.tell("READY=1", "STATUS=watching: \(names)")
  }

  /// One round; true where it is to end.
  private func wait(_ signals: borrowing StopSignals, _ main: LoopThread) -> Bool {
    let pause = min(notifier.watchdogNanoseconds ?? .max, Supervisor.roundNanoseconds)
    var descriptors = [
      pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: watcher.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    poll(&descriptors, 2, Int32(clamping: pause / 1_000_000))
    watcher.clear()
    while let number = signals.next() {
      guard number == SIGHUP else { return true }
      reload()
    }
    tellLosses()
    saySinks()
    mend()
    metrics.mend()
    if let stuck = ([main] + running + metrics.threads + [keeper].compactMap { $0 }).first(where: {
      !$0.hasEnded && !$0.heartbeat.isAlive
    }) {
      Diagnostic.say("\(stuck.name) has not gone round for \(stuck.heartbeat.patienceSeconds) s")
    } else {
      notifier.tell("WATCHDOG=1")
    }
    return false
  }

  /// What was lost on the way to destinations becomes lines of the stream.
  private func tellLosses() {
    losses += delivery.takeLosses()
    while let loss = losses.first, output.write(.loss(DeliveryWording.event(loss)), at: .now) { losses.removeFirst() }
    output.flush()
  }

  /// That a sink takes nothing, and that it does again.
  private func saySinks() {
    for sink in delivery.status().destinations {
      switch sink.state {
      case .down(let since, let failure) where SystemClock.monotonic - since >= Supervisor.downNanoseconds:
        guard sinksDown.insert(sink.name).inserted else { continue }
        Diagnostic.say("sink \(sink.name) takes no lines, they wait: \(DeliveryWording.sentence(failure))")
      case .up where sinksDown.remove(sink.name) != nil: Diagnostic.say("sink \(sink.name) takes lines again")
      default: continue
      }
    }
  }

  /// A loop that ended by itself, as when its control group went, comes again.
  private func mend() {
    let now = SystemClock.monotonic
    guard running.contains(where: \.hasEnded) else { return }
    guard let retryAt else {
      retryAt = now + Supervisor.retryNanoseconds
      return
    }
    guard now >= retryAt else { return }
    self.retryAt = nil
    let ended = Set(running.filter(\.hasEnded).map(\.name))
    guard let ready = try? loops.make(settings.only(ended)) else { return }
    for thread in running where thread.hasEnded { thread.end() }
    let kept = running.filter { !ended.contains($0.name) }
    start(ready)
    running += kept
  }

  /// A configuration that cannot be is said, and the one that is goes on.
  private func reload() {
    notifier.tell("RELOADING=1", "MONOTONIC_USEC=\(SystemClock.monotonic / 1000)")
    defer { tellReady() }
    delivery.reopen()
    guard let new = try? settings.readAgain(), let ready = try? loops.make(new) else {
      Diagnostic.say("the configuration is as it was")
      return
    }
    if new.needsRestart(since: settings) {
      Diagnostic.say(
        "host_name, state_directory, trace, spool, history, and series and bpf_stats of metrics are as they were until the "
          + "service is restarted")
    }
    do throws(SinkError) {
      try delivery.replace(new.destinations)
    } catch {
      Diagnostic.say("\(Wording.sentence(error)); the sinks are as they were")
    }
    for thread in running { thread.end() }
    settings = new
    start(ready)
    metrics.apply(new.metrics)
  }
}
