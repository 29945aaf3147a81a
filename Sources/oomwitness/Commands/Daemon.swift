// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import KernelProbe
import Metrics
import Sinks
import Witness

/// All of it as one service, which is installed and forgotten.
struct Daemon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "daemon",
    abstract: "Watches as a service: kills, pressure, and if asked guard and protection, told to any number of sinks.",
    discussion: """
      Reads its configuration from a file (docs/daemon.md); an empty one watches kills and pressure. SIGHUP reads it again \
      and opens files anew; SIGTERM ends it with 0. Needs the rights of `oomwitness trace`.
      Examples:
        oomwitness daemon --check-config
        oomwitness daemon --config ./config.yaml
        systemctl enable --now oomwitness
      """)

  @Option(help: ArgumentHelp("What to do.", valueName: "file"))
  var config = "/etc/oomwitness/config.yaml"
  @Option(
    help: ArgumentHelp(
      "Offer metrics here, whatever the file says: 127.0.0.1:9755, [::1]:9755 or unix:/PATH.", valueName: "address"))
  var metrics: MetricAddress?
  @Flag(help: "Only read the configuration, and print what was understood.")
  var checkConfig = false

  func validate() throws {
    guard let metrics, !metrics.isLocal else { return }
    throw ValidationError(
      "--metrics \(metrics.text) can be reached from other hosts, and nothing asks them who they are: write it into the "
        + "configuration, as metrics: {listen: '\(metrics.text)', allow_remote: true}.")
  }

  func run() throws {
    let settings = try DaemonSettings(path: config, metricsAddress: metrics)
    if checkConfig { return try StandardOutput.show(settings.text) }
    Capability.keepFromChildren()
    let signals = StopSignals(and: [SIGHUP])
    let host = try TracedHost()
    let kernel = try TracedKernel(
      probe: settings.trace.probe, candidates: settings.trace.candidates, record: nil, host: host)
    host.protectItself()
    let delivery = try delivery(settings)
    let book = MetricBook(seriesMax: settings.metrics?.seriesMax ?? MetricBook.seriesMaxDefault)
    let costs = costs(kernel, settings)
    let history = try settings.history.map { try HistoryLoop($0) }
    let hub = EventHub(
      host: settings.file.hostName ?? host.identity.hostName, bootID: host.identity.bootID,
      stream: streamName(), pageSizeBytes: host.identity.pageSizeBytes, book: book, take: take(delivery, history?.inbox)
    )
    var options = settings.trace.loopOptions(kernel)
    let told = ToldKills(bootID: host.identity.bootID)
    delivery.forEachKept { line in
      told.learn(line)
      history?.learn(line)
    }
    options.wasTold = told.take
    do throws(SinkError) { try delivery.start() } catch { throw Diagnostic.fail(Wording.sentence(error)) }
    let supervisor = Supervisor(
      settings: settings, hub: hub, delivery: delivery, history: history, book: book
    ) { [kept = history?.inbox] in MetricReadings(delivery.status(), kept?.status, costs.read()) }
    try supervisor.run(signals) { stop, heartbeat in
      settings.trace.witness(
        host, kernel, output: HubOutput(hub, heartbeat), options: options, stop: stop, beat: heartbeat.beat,
        balanced: { book.take(MetricBooks($0)) })
    }
    withExtendedLifetime(kernel) {}
  }

  /// The history has what the stream has.
  private func take(_ delivery: DeliveryLoop, _ inbox: HistoryLoop.Inbox?) -> @Sendable ([UInt8]) -> Bool {
    { line in
      guard delivery.put(line) else { return false }
      inbox?.put(line)
      return true
    }
  }

  private func costs(_ kernel: TracedKernel, _ settings: DaemonSettings) -> ProgramCosts {
    let costs = ProgramCosts(kernel.programs, measures: settings.metrics?.measuresPrograms ?? false)
    if let number = costs.refusal {
      Diagnostic.say("the kernel does not measure BPF programs: \(Wording.text(number)) (needs CAP_SYS_ADMIN)")
    }
    return costs
  }

  /// Sixteen hexadecimal digits: a receiver tells doubles by it and `seq`.
  private func streamName() -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }

  private func delivery(_ settings: DaemonSettings) throws -> DeliveryLoop {
    let folder = settings.file.stateDirectory
    guard mkdir(folder, 0o750) == 0 || errno == EEXIST else {
      throw Diagnostic.fail("cannot make the state_directory \(TerminalText.safe(folder)): \(Wording.text(errno))")
    }
    do throws(SinkError) {
      return try DeliveryLoop(settings.delivery, destinations: settings.destinations)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }
}

extension MetricAddress: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
