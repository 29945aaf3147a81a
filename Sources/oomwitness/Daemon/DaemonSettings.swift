// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Events
import History
import Host
import Metrics
import Sinks

/// What the daemon is to do: its configuration, with each section understood by the command that it is named after.
struct DaemonSettings {
  /// Of the command line: where the configuration is, and where metrics are offered whatever it says.
  private let path: String
  private let metricsAddress: MetricAddress?
  let file: DaemonFile
  var trace: Trace
  var pressure: Pressure.Watch?
  var guardian: Guard.Run?
  var protect: Protect.Watch?
  let destinations: [DestinationSettings]
  /// Nil: as much as delivery takes by itself.
  let spoolBytesMax: Int64?
  /// Nil where it is off.
  let history: HistorySettings?
  private(set) var metrics: MetricsSettings?

  /// What only a command line can want: the daemon has one stream, and ends when it is told to.
  private static let notOurs: Set<String> = [
    "output", "duration", "count", "record", "since_boot", "host_name", "prove_no_allocation", "allocate_before_signal",
    "help", "version",
  ]

  /// - Throws: exit status 64 with a sentence that has file, line and column.
  init(path: String, metricsAddress: MetricAddress?) throws {
    (self.path, self.metricsAddress) = (path, metricsAddress)
    let bytes: [UInt8]
    do throws(HostError) {
      bytes = try GivenFile.contents(path)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitCode.validationFailure)
    }
    do throws(ConfigurationError) {
      file = try DaemonFile(bytes, file: TerminalText.safe(path))
      trace = try DaemonSettings.command(file.trace, file: path)
      pressure = try file.pressure.map { section throws(ConfigurationError) in
        try DaemonSettings.command(section, file: path)
      }
      guardian = try file.guardian.map { section throws(ConfigurationError) in
        try DaemonSettings.command(section, file: path)
      }
      protect = try file.protect.map { section throws(ConfigurationError) in
        try DaemonSettings.command(section, file: path)
      }
      history = try HistorySection(file: TerminalText.safe(path)).settings(
        file.nodes["history"], folder: file.stateDirectory)
      spoolBytesMax = try DaemonSettings.spoolBytesMax(file.nodes["spool"], YAMLReader(file: TerminalText.safe(path)))
      destinations = try SinkSection(file: TerminalText.safe(path)).destinations(file.nodes["sinks"])
      metrics = try MetricsSection(file: TerminalText.safe(path)).settings(file.nodes["metrics"])
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitCode.validationFailure)
    }
    trace.probe.sinceBoot = true
    if let metricsAddress {
      if metrics == nil { metrics = MetricsSettings() }
      metrics!.listen = metricsAddress
    }
  }

  /// The same of the file as it is now.
  func readAgain() throws -> DaemonSettings { try DaemonSettings(path: path, metricsAddress: metricsAddress) }

  /// What delivery is bounded by.
  var delivery: DeliverySettings {
    var settings = DeliverySettings(spoolFolder: file.stateDirectory + "/spool")
    if let spoolBytesMax { settings.spoolBytesMax = spoolBytesMax }
    return settings
  }

  /// The same with these loops alone.
  func only(_ names: Set<String>) -> DaemonSettings {
    var settings = self
    if !names.contains("pressure") { settings.pressure = nil }
    if !names.contains("guard") { settings.guardian = nil }
    if !names.contains("protect") { settings.protect = nil }
    return settings
  }

  /// What the stream and the probes began with is another.
  func needsRestart(since before: DaemonSettings) -> Bool {
    file.hostName != before.file.hostName || file.stateDirectory != before.file.stateDirectory
      || file.trace.settings.map(\.arguments) != before.file.trace.settings.map(\.arguments)
      || metrics?.needsRestart(since: before.metrics) ?? false || spoolBytesMax != before.spoolBytesMax
      || history?.path != before.history?.path || history?.secondsMax != before.history?.secondsMax
      || history?.bytesMax != before.history?.bytesMax
  }

  /// `spool: {max_size: 64M}`.
  private static func spoolBytesMax(
    _ node: YAMLNode?, _ reader: YAMLReader
  ) throws(ConfigurationError) -> Int64? {
    guard let node else { return nil }
    for (key, value) in try reader.pairs(node, of: "spool", known: ["max_size"]) {
      return try reader.number(value, of: key, in: DeliverySettings.spoolBytesRange, units: YAMLReader.bytes)
    }
    return nil
  }

  /// A section by the parser of its command line.
  private static func command<Command: ParsableCommand>(
    _ section: DaemonFile.Section, file: String
  ) throws(ConfigurationError) -> Command {
    for setting in section.settings where notOurs.contains(setting.key) {
      throw ConfigurationError(
        file: file, place: setting.place, fault: .refused("'\(setting.key)' is for the command line, not for a service")
      )
    }
    do {
      return try Command.parse(section.settings.flatMap(\.arguments))
    } catch {
      let sentence = Command.message(for: error)
      // The key that is wrong is refused for the same reason when it comes alone.
      let culprit = section.settings.first { setting in
        do { _ = try Command.parse(setting.arguments) } catch { return Command.message(for: error) == sentence }
        return false
      }
      throw ConfigurationError(
        file: file, place: culprit?.place ?? section.place,
        fault: .refused(culprit.map { reworded(sentence, $0) } ?? "\(section.name): \(sentence)"))
    }
  }

  /// `Unknown option '--memry'. Did you mean '--memory'?` by the names that the file has.
  private static func reworded(_ sentence: String, _ setting: DaemonFile.Setting) -> String {
    guard sentence.hasPrefix("Unknown option") else { return sentence }
    let parts = sentence.split(separator: "'")
    guard parts.count >= 4, parts[3].hasPrefix("--") else { return "unknown key '\(setting.key)'" }
    let meant = String(decoding: parts[3].utf8.dropFirst(2).map { $0 == 0x2d ? 0x5f : $0 }, as: UTF8.self)
    return "unknown key '\(setting.key)'; did you mean '\(meant)'?"
  }
}
