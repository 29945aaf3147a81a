// SPDX-License-Identifier: Apache-2.0
import Events

/// What the doctor found, for people: the worst first, each with its reason and what to type.
package struct DiagnosisText: Sendable {
  /// Where a reason is broken; what is to be typed never is.
  private static let widthColumns = 100
  private static let indent = "  "

  private let style: Style

  package init(style: Style) { self.style = style }

  package func text(_ diagnosis: Diagnosis) -> String {
    let rows = diagnosis.findings.map { [$0.severity.rawValue, $0.id.rawValue, TerminalText.safe($0.value)] }
    let heads = TextTable.lines(head: ["", "", ""], leftColumns: [0, 1, 2], rows: rows).dropFirst()
    var lines: [String] = []
    for (finding, head) in zip(diagnosis.findings, heads) {
      lines.append(coloured(head, finding.severity))
      lines += DiagnosisText.wrapped(TerminalText.safe(finding.reason)).map { DiagnosisText.indent + style.dim($0) }
      lines += finding.remedy.map { line in
        // What begins as a comment is for a person to do, not for a shell.
        DiagnosisText.indent + (line.hasPrefix("#") ? "" : "$ ") + TerminalText.safe(line)
      }
    }
    let counts = Finding.Severity.allCases.reversed().map { "\(diagnosis.count($0)) \($0.rawValue)" }
    let ignored =
      diagnosis.ignored.isEmpty ? "" : "; ignored: \(diagnosis.ignored.map(\.rawValue).joined(separator: ", "))"
    lines.append(style.strong(counts.joined(separator: ", ")) + ignored)
    return lines.map { $0 + "\n" }.joined()
  }

  private func coloured(_ line: String, _ severity: Finding.Severity) -> String {
    switch severity {
    case .critical: style.alarm(line)
    case .warning: style.warning(line)
    case .note: style.strong(line)
    case .ok: line
    }
  }

  /// At blanks, where the width allows it.
  private static func wrapped(_ text: String) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, last.count + 1 + word.count <= widthColumns {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
