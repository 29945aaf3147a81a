// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import KernelProbe
import Policy
import Report
import Sinks

/// Judges what this host is set to, and says what to type.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Judges what this host is set to for the day that memory runs out, with a reason and a remedy each.",
    discussion: """
      ok is as it should be, note is worth knowing, warning should change, critical must. It changes nothing itself.
      --workload adds advice for what the host does, where its processes are found. docs/doctor.md has every rule.
      Exit status: 1 where something is critical and not ignored, 2 where /proc cannot be read, else 0.
      Examples:
        oomwitness doctor
        oomwitness doctor --workload database --ignore memory.swap
        oomwitness doctor --output json | jq -r '.findings[] | select(.severity == "warning") | .remedy[]'
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Option(help: "What the host does.")
  var workload: Workload?
  @Option(help: ArgumentHelp("Leave out this check, as vm.swappiness. Repeatable.", valueName: "id"))
  var ignore: [String] = []
  @Option(help: "text for people, json for programs.")
  var output: Format = .text

  func validate() throws {
    for id in ignore where CheckID(rawValue: id) == nil {
      throw ValidationError("there is no check '\(TerminalText.safe(id))' (docs/doctor.md lists them)")
    }
  }

  func run() throws {
    var settings: HostSettings
    do throws(HostError) {
      let reader = try SettingsReader()
      settings = try reader.read()
      settings.faults = reader.faults.mapValues { Wording.sentence($0) }
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    settings.witness = Doctor.witness()
    let diagnosis = Examination.diagnose(settings, workload: workload, ignored: Set(ignore.compactMap(CheckID.init)))
    try show(diagnosis)
    if diagnosis.worst == .critical { throw ExitStatus.failed }
  }

  /// What `oomwitness check` tries, without its details.
  private static func witness() -> HostSettings.WitnessAccess {
    var refusals: [String] = []
    let probe = Ladder().attachFirst(ProbeSettings()) {
      refusals.append(TerminalText.safe("\($0.rung.rawValue): \(Wording.sentence($0.error))"))
    }
    var rung: String?
    if let probe { rung = probe.rung.rawValue }
    return HostSettings.WitnessAccess(rung: rung, refusals: refusals, logRefusal: KmsgInput.refusal())
  }

  private func show(_ diagnosis: Diagnosis) throws {
    switch output {
    case .json:
      var json = JSONWriter(reserving: 16_384)
      diagnosis.encode(into: &json)
      try StandardOutput.show(json)
    case .text: try StandardOutput.show(DiagnosisText(style: Style(coloured: OutputOptions.coloured)).text(diagnosis))
    }
  }
}

extension Workload: ExpressibleByArgument {}
