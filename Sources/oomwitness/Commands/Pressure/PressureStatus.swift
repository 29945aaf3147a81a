// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Policy
import Report

extension Pressure {
  /// One reading, with the level as the exit status.
  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status",
      abstract: "Shows one reading, and exits with the level: 0 normal, 1 low, 2 medium, 3 critical.",
      discussion: """
        Of several the highest counts. What cannot be read is a sentence and exit 69, since 1 and 2 are levels here.
        Examples:
          oomwitness pressure status
          oomwitness pressure status --cgroup /system.slice/db.service --output json | jq .level
          oomwitness pressure status > /dev/null || echo 'memory is short'
        """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    /// Source: sysexits.h, EX_UNAVAILABLE.
    static let unreadable = ExitCode(69)

    @OptionGroup var options: PressureOptions
    @Option(help: "text for people, json for programs.")
    var output: Format = .text

    func run() throws {
      let thresholds = try options.thresholds()
      let looker = try Pressure.looker(Status.unreadable)
      let readings = try options.paths.map { path in
        do throws(PressureLooker.Obstacle) {
          return try looker.reading(path)
        } catch {
          throw Diagnostic.fail(error.sentence, Status.unreadable)
        }
      }
      let judged = readings.map { PressureStatusDocument.Target($0, thresholds.level(of: $0)) }
      let document = PressureStatusDocument(pageSizeBytes: looker.identity.pageSizeBytes, targets: judged)
      try show(document)
      if document.level > .normal { throw ExitCode(Int32(document.level.rawValue)) }
    }

    private func show(_ document: PressureStatusDocument) throws {
      switch output {
      case .json:
        var json = JSONWriter(reserving: 4096)
        document.encode(into: &json)
        try StandardOutput.show(json)
      case .text:
        let style = Style(coloured: OutputOptions.coloured)
        let text = PressureText(pageSizeBytes: document.pageSizeBytes, style: style)
        try StandardOutput.show(
          document.targets.map { text.status($0.reading, level: $0.level, causes: $0.causes) }.joined())
      }
    }
  }
}
