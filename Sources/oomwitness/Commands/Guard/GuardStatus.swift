// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Policy
import Report

extension Guard {
  /// Thresholds beside readings, and who would be taken.
  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status", abstract: "Says how memory stands to the thresholds, and who would be taken now.",
      discussion: """
        Takes the same options as `guard`, and signals nobody. With --output ndjson it is the line that a dry run would \
        write if the threshold were crossed now.
        Examples:
          oomwitness guard status
          oomwitness guard status --cgroup /kubepods/pod42 -m 20 --output ndjson | jq .victim.comm
        """)

    @OptionGroup var options: GuardOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let settings = try options.settings()
      let domain = try GuardDomain(cgroup: options.cgroup, thresholds: settings.thresholds, tellsStalls: true)
      let identity = domain.identity
      try domain.startHelpers(settings.preferences)
      guard let reading = domain.meter.reading(), domain.scan(reading, settings) else {
        throw Diagnostic.fail("processes cannot be read here (is /proc mounted?)", ExitStatus.notPossibleHere)
      }
      let writer = EventWriter(
        format: output.format, host: identity.hostName, bootID: identity.bootID, pageSizeBytes: identity.pageSizeBytes)
      let teller = GuardTeller(writer: writer, domain: domain, settings: settings)
      if let first = domain.scanner.candidates.first {
        domain.keepDetails(of: first)
        // Nobody is in need: only where that takes longer it is left out.
        domain.arguments?.wait(milliseconds: 2000)
      }
      let need = settings.thresholds.need(reading, pageSizeBytes: Int64(identity.pageSizeBytes))
      var choice = GuardChoice()
      choice.next(.memory, reading, isKill: need == .kill, seen: 0)
      let action = teller.wouldTake(choice, domain)
      if output.format == .ndjson {
        _ = writer.write(.guardAction(action), at: .now)
        return teller.drain()
      }
      let text = GuardText(
        pageSizeBytes: identity.pageSizeBytes, style: Style(coloured: OutputOptions.coloured))
      try StandardOutput.show(lines(text, settings.thresholds, reading, need, action, identity).joined())
    }

    private func lines(
      _ text: GuardText, _ thresholds: GuardThresholds, _ reading: GuardReading, _ need: GuardNeed,
      _ action: GuardAction,
      _ identity: HostIdentity
    ) -> [String] {
      let bytes = Int64(identity.pageSizeBytes)
      func amount(
        _ name: String, _ what: String, _ pages: Pages, _ total: Pages, _ share: Int64, _ pair: GuardThresholds.Pair
      ) -> String {
        "\(name) \(text.size(pages)) of \(text.size(total)) \(what) (\(text.percent(share))); "
          + "SIGTERM at \(text.size(pair.terminate)), SIGKILL at \(text.size(pair.kill))\n"
      }
      var lines = [
        amount(
          "memory ", "available", reading.availablePages, reading.totalPages, reading.availableHundredths,
          thresholds.memoryPages(of: reading.totalPages, pageSizeBytes: bytes))
      ]
      lines.append(
        reading.swapTotalPages == 0
          ? "swap    none\n"
          : amount(
            "swap   ", "free", reading.swapFreePages, reading.swapTotalPages, reading.swapFreeHundredths,
            thresholds.swapPages(of: reading.swapTotalPages, pageSizeBytes: bytes)))
      if let full = reading.fullHundredths, let some = reading.someHundredths {
        func limit(_ hundredths: Int64?) -> String { hundredths.map { " of \(text.percent($0))" } ?? "" }
        lines.append(
          "stalls  all tasks \(text.percent(full))\(limit(thresholds.fullHundredths)), some "
            + "\(text.percent(some))\(limit(thresholds.someHundredths))\n")
      }
      let verdict: String =
        switch need {
        case .none: "nothing is to be done"
        case .terminate: "memory is short: SIGTERM"
        case .kill: "memory is very short: SIGKILL"
        }
      lines.append("now     \(verdict)\n")
      if let victim = action.victim, let badness = action.badness {
        let held = text.size(badness.parts.residentPages + badness.parts.swapPages)
        lines.append(
          "victim  \(TerminalText.safe(victim.comm)) pid \(victim.pid) is first of \(action.candidates?.considered ?? 0): "
            + "\(badness.points ?? 0) points, holds \(held)\n")
      } else {
        lines.append("victim  there is nobody who may be taken\n")
      }
      return lines
    }
  }
}
