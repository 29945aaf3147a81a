// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
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
  @Flag(help: "Only read the configuration, and print what was understood.")
  var checkConfig = false

  func run() throws {
    let settings = try DaemonSettings(path: config)
    if checkConfig { return try StandardOutput.show(settings.text) }
    let signals = StopSignals(and: [SIGHUP])
    let host = try TracedHost()
    let kernel = try TracedKernel(
      probe: settings.trace.probe, candidates: settings.trace.candidates, record: nil, host: host)
    host.protectItself()
    let delivery = try delivery(settings)
    let hub = EventHub(
      host: settings.file.hostName ?? host.identity.hostName, bootID: host.identity.bootID,
      stream: streamName(), pageSizeBytes: host.identity.pageSizeBytes, take: delivery.put)
    var options = settings.trace.loopOptions(kernel)
    options.wasTold = ToldKills(delivery, bootID: host.identity.bootID).take
    do throws(SinkError) { try delivery.start() } catch { throw Diagnostic.fail(Wording.sentence(error)) }
    try Supervisor(path: config, settings: settings, hub: hub, delivery: delivery).run(signals) { stop, heartbeat in
      settings.trace.witness(
        host, kernel, output: HubOutput(hub, heartbeat), options: options, stop: stop, beat: heartbeat.beat)
    }
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
      return try DeliveryLoop(DeliverySettings(spoolFolder: settings.spoolFolder), destinations: settings.destinations)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }
}
