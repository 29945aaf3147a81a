// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Host
import KernelProbe

extension Protect {
  /// Applies rules to processes as they start.
  struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "watch",
      abstract: "Applies rules to what runs, and then to processes as they start.",
      discussion: """
        By the kernel's exec tracepoint where BPF may be loaded, and on rounds everywhere: a process may change its name, \
        user or control group after it began. One line for each change; piped, NDJSON events of type policy_action \
        (docs/events.md). SIGINT and SIGTERM end it with 0; what was set stays until `oomwitness protect revert`.
        Examples:
          oomwitness protect watch --preset databases
          oomwitness protect watch --rules protect.yaml --output ndjson >> protect.json
        """)

    @OptionGroup var options: RuleOptions
    @OptionGroup var journal: JournalOptions
    @OptionGroup var output: OutputOptions
    @Option(
      help: ArgumentHelp(
        "Look at all processes every so many seconds. (default: 30, or 2 where BPF may not be loaded)",
        valueName: "seconds"))
    var poll: Double?
    @Flag(help: "Do without BPF: rounds alone.")
    var noBpf = false
    @Option(help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var duration: Double?

    func validate() throws {
      if let poll, !(poll >= 0.1 && poll <= 86_400) {
        throw ValidationError("--poll takes 0.1 to 86400 seconds, not \(poll)")
      }
      if let duration, !(duration > 0 && duration <= 1e9) {
        throw ValidationError("--duration takes seconds above 0, not \(duration)")
      }
    }

    func run() throws {
      let (rules, leftOut) = try options.read()
      let protector = try Protector(rules: rules)
      let identity = protector.table.identity
      let signals = StopSignals()
      let writer = EventWriter(
        format: output.format, host: output.hostName ?? identity.hostName, bootID: identity.bootID,
        pageSizeBytes: identity.pageSizeBytes)
      let watch = watch(protector, output: writer)
      if output.format == .pretty {
        let (count, how) = (rules.rules.count, watch.seesStarts ? "as programs start, and " : "")
        try StandardOutput.show("\(count) rule\(count == 1 ? "" : "s"), applied \(how)every \(watch.pollSeconds) s\n")
      }
      try watch.run(stop: signals.descriptor)
      if let number = writer.failure {
        throw Diagnostic.fail(
          "cannot write standard output: \(Wording.text(number)); nothing is watched any more, what was set stays")
      }
      if leftOut > 0 { throw ExitStatus.failed }
    }

    func watch(_ protector: Protector, output: any EventOutput) -> ProtectionWatch {
      let probe = noBpf ? nil : execProbe()
      return ProtectionWatch(
        protector: protector, probe: probe, journalPath: journal.journal, writer: output,
        pollSeconds: poll ?? (probe == nil ? 2 : 30), duration: duration)
    }

    private func execProbe() -> ExecProbe? {
      do throws(ProbeError) {
        return try ExecProbe()
      } catch {
        Diagnostic.say("processes that start are found on rounds alone: \(Wording.sentence(error))")
        return nil
      }
    }
  }
}
