// SPDX-License-Identifier: Apache-2.0
import Events

/// Memory pressure for people: its changes as events, and one reading with a bar.
package struct PressureText: Sendable {
  private let explanation: Explanation
  private let style: Style

  package init(pageSizeBytes: Int, style: Style) {
    self.init(Explanation(pageSizeBytes: pageSizeBytes), style)
  }

  init(_ explanation: Explanation, _ style: Style) {
    self.explanation = explanation
    self.style = style
  }

  /// The lines after the time; each ends in `\n`.
  func text(_ event: PressureEvent) -> String {
    if event.cleanup != nil { return style.strong("CLEANUP") + "  \(explanation.sentence(event))\n" }
    var lines = [coloured("PRESSURE \(event.level.name)", event.level), "  " + explanation.sentence(event)]
    func add(_ label: String, _ processes: [PressureEvent.Process], _ value: (PressureEvent.Process) -> String) {
      for (place, process) in processes.enumerated() {
        let candidate = process.row.candidate
        lines.append(
          "  \(style.dim(PressureText.padded(place == 0 ? label : "", to: 9))) \(TerminalText.safe(candidate.comm)) pid "
            + "\(candidate.pid), \(value(process)), \(ScoreTable.place(process.row))")
      }
    }
    add("biggest", event.biggest) { process in explanation.size(process.row.candidate.parts?.totalPages ?? 0) }
    add("growing", event.growing) { process in "\(explanation.size(process.pagesPerSecond ?? 0)) more each second" }
    for (place, suggestion) in event.suggestions.enumerated() {
      lines.append(
        "  \(style.dim(PressureText.padded(place == 0 ? "to stop" : "", to: 9))) \(TerminalText.safe(suggestion.comm)) pid "
          + "\(suggestion.pid): gives back \(explanation.size(suggestion.freesPages)), leaves it "
          + suggestion.levelAfter.name)
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// One reading, as `oomwitness pressure status` shows it; each line ends in `\n`.
  package func status(_ reading: PressureReading, level: PressureLevel, causes: [PressureCause]) -> String {
    var lines = [style.strong(Explanation.place(reading)) + ": " + coloured(level.name, level) + words(causes)]
    func bar(_ label: String, _ hundredths: Int64, _ words: String) {
      let filled = Int(min(10_000, max(0, hundredths)) * Int64(PressureText.barCells) / 10_000)
      let cells =
        String(repeating: "#", count: filled) + String(repeating: "-", count: PressureText.barCells - filled)
      let percent = PressureText.padded(Explanation.percent(hundredths), to: 8, left: true)
      lines.append("  \(PressureText.padded(label, to: 6)) [\(cells)]\(percent)  \(words)")
    }
    bar(
      "memory", reading.usedHundredths ?? 0,
      "of \(explanation.size(reading.totalPages)) used, \(explanation.size(max(0, reading.availablePages))) can be had")
    if let used = reading.swapUsedHundredths, let total = reading.swapTotalPages {
      bar("swap", used, "of \(explanation.size(total)) used")
    } else {
      lines.append("  swap   none")
    }
    if let stall = reading.stall {
      bar("some", stall.some.average10Hundredths, "of the last 10 s some task stood still for memory")
      if let full = stall.full { bar("full", full.average10Hundredths, "of the last 10 s all did") }
    } else {
      lines.append("  stall  not measured by this kernel here")
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private static let barCells = 25

  private func words(_ causes: [PressureCause]) -> String {
    causes.isEmpty ? "" : " (by \(causes.map { $0.rawValue.replacing("_", with: " ") }.joined(separator: ", ")))"
  }

  private func coloured(_ text: String, _ level: PressureLevel) -> String {
    switch level {
    case .normal: style.strong(text)
    case .low, .medium: style.warning(text)
    case .critical: style.alarm(text)
    }
  }

  private static func padded(_ text: String, to width: Int, left: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - text.count))
    return left ? blanks + text : text + blanks
  }
}
