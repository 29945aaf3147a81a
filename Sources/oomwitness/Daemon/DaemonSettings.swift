// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Events
import Host
import Sinks

/// What the daemon is to do: its configuration, with each section understood by the command that it is named after.
struct DaemonSettings {
  let file: DaemonFile
  var trace: Trace
  var pressure: Pressure.Watch?
  var guardian: Guard.Run?
  var protect: Protect.Watch?
  let destinations: [DestinationSettings]

  /// What only a command line can want: the daemon has one stream, and ends when it is told to.
  private static let notOurs: Set<String> = [
    "output", "duration", "count", "record", "since_boot", "host_name", "prove_no_allocation", "allocate_before_signal",
    "help", "version",
  ]

  /// - Throws: exit status 64 with a sentence that has file, line and column.
  init(path: String) throws {
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
      destinations = try SinkSection(file: TerminalText.safe(path)).destinations(file.nodes["sinks"])
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitCode.validationFailure)
    }
    trace.probe.sinceBoot = true
  }

  /// Where lines wait for sinks that lag.
  var spoolFolder: String { file.stateDirectory + "/spool" }

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
