// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Policy

extension Pressure {
  /// Tells each change of level, and hands it on.
  struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "watch",
      abstract: "Tells each change of level, with who holds the memory, who takes more, and the time left.",
      discussion: """
        A level is reached at once, and left when all has been below it by three percent for --settle seconds. Piped, it \
        writes NDJSON events of type pressure (docs/events.md). Handlers never stop it: what they could not take is a \
        loss line. SIGINT and SIGTERM end it with 0.
        Examples:
          oomwitness pressure | jq .explanation
          oomwitness pressure --memory 60,80,90 --log-to pressure.json
          oomwitness pressure --run '["logger", "-t", "memory"]' --journald
          oomwitness pressure --webhook @/etc/oomwitness/slack --webhook-format slack
          oomwitness pressure --cgroup /app --cleanup reclaim=/app
        """)

    @OptionGroup var options: PressureOptions
    @Option(
      help: ArgumentHelp("How long all is to be below a level before it is left.", valueName: "seconds"))
    var settle: Double = 10
    @OptionGroup var output: OutputOptions
    @OptionGroup var handlers: HandlerOptions
    @Option(help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var duration: Double?

    func validate() throws {
      guard settle >= 0, settle <= 86_400 else {
        throw ValidationError("--settle takes 0 to 86400 seconds, not \(settle)")
      }
      if let duration, !(duration > 0 && duration <= 1e9) {
        throw ValidationError("--duration takes seconds above 0, not \(duration)")
      }
    }

    func run() throws {
      let looker = try Pressure.looker()
      let signals = StopSignals()
      let writer = EventWriter(
        format: output.format, host: output.hostName ?? looker.identity.hostName, bootID: looker.identity.bootID,
        pageSizeBytes: looker.identity.pageSizeBytes)
      let watch = try watch(looker, output: writer)
      if output.format == .pretty { try StandardOutput.show(introduction(watch.targets)) }
      watch.run(stop: signals.descriptor)
      if let number = writer.failure {
        throw Diagnostic.fail("cannot write standard output: \(Wording.text(number)); nothing is watched any more")
      }
    }

    /// All that is watched, and what is done with it.
    func watch(_ looker: PressureLooker, output: any EventOutput) throws -> PressureWatch {
      var thresholds = try options.thresholds()
      thresholds.settleNanoseconds = Int64(settle * 1e9)
      let table = try ProcessTable()
      let targets = try targets(looker, thresholds)
      let cleanups = try CleanupRunner(
        try handlers.cleanup.map { try CleanupRequest($0) }, looker: looker, thresholds: thresholds)
      return PressureWatch(
        looker: looker, thresholds: thresholds, targets: targets,
        details: PressureDetails(table: table, needsGroups: !options.cgroup.isEmpty),
        handlers: try HandlerSet(handlers, identity: looker.identity), cleanups: cleanups, writer: output,
        duration: duration)
    }

    /// All that is watched. A group that is not there, or has no limit, is a mistake now and bad luck later.
    private func targets(_ looker: PressureLooker, _ thresholds: PressureThresholds) throws -> [PressureTarget] {
      try options.paths.map { path in
        do throws(PressureLooker.Obstacle) {
          _ = try looker.reading(path)
        } catch {
          if case .group(let sentence) = error { throw Diagnostic.fail(sentence) }
          throw Diagnostic.fail(error.sentence, ExitStatus.notPossibleHere)
        }
        let triggers = looker.stallFile(path).map { StallTrigger.all($0, thresholds) } ?? []
        return PressureTarget(path: path, thresholds: thresholds, triggers: triggers)
      }
    }

    private func introduction(_ targets: [PressureTarget]) -> String {
      let names = targets.map { $0.path.map { TerminalText.safe($0) } ?? "the whole system" }
      let woken = targets.filter(\.isWoken).count
      let whose = woken == targets.count ? "stall" : "the stall of \(woken) of \(targets.count)"
      return "watching \(names.joined(separator: ", ")); the kernel wakes us for \(whose)\n"
    }
  }

  /// The readers, or what stands in the way.
  static func looker(_ status: ExitCode = ExitStatus.notPossibleHere) throws -> PressureLooker {
    do throws(HostError) {
      return try PressureLooker()
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), status)
    }
  }
}

extension PressureOptions {
  /// The system, and groups by their paths from the root of the hierarchy, each once.
  var paths: [KernelName?] {
    var paths: [KernelName?] = noSystem ? [] : [nil]
    for path in cgroup.map(ProcessTable.rooted) where !paths.contains(path) { paths.append(path) }
    return paths
  }
}
