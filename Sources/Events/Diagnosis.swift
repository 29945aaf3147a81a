// SPDX-License-Identifier: Apache-2.0

/// One check of `oomwitness doctor`: what was found, how it is judged and why, and what to type.
///
/// Shape: docs/schema/doctor.v1.schema.json, `findings`.
package struct Finding: Hashable, Sendable {
  /// From what is as it should be to what has to be changed today.
  package enum Severity: String, CaseIterable, Sendable, Comparable {
    case ok, note, warning, critical

    package static func < (one: Severity, other: Severity) -> Bool {
      allCases.firstIndex(of: one)! < allCases.firstIndex(of: other)!
    }
  }

  package var id: CheckID
  /// As a person reads it: the number with its unit, or names. Free of control characters.
  package var value: String
  package var severity: Severity
  /// One or two sentences.
  package var reason: String
  /// Lines for a shell or a file; empty where nothing should change.
  package var remedy: [String]

  package init(_ id: CheckID, _ value: String, _ severity: Severity, _ reason: String, remedy: [String] = []) {
    self.id = id
    self.value = value
    self.severity = severity
    self.reason = reason
    self.remedy = remedy
  }

  fileprivate func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("id", id.rawValue)
      $0.field("title", id.title)
      $0.field("value", value)
      $0.field("severity", severity.rawValue)
      $0.field("reason", reason)
      $0.field("remedy") { json in json.array { json in for line in remedy { json.value(line) } } }
    }
  }
}

/// All that `oomwitness doctor` found, the worst first.
///
/// Shape: docs/schema/doctor.v1.schema.json.
package struct Diagnosis: Hashable, Sendable {
  package var workload: Workload?
  package var findings: [Finding]
  /// Checks that somebody has said no to; they are not among the findings.
  package var ignored: [CheckID]

  /// Sorts by severity, and within one as the checks are listed.
  package init(_ findings: [Finding], workload: Workload?, ignored: Set<CheckID> = []) {
    self.workload = workload
    self.ignored = CheckID.allCases.filter(ignored.contains)
    let kept = findings.filter { !ignored.contains($0.id) }
    self.findings = Finding.Severity.allCases.reversed().flatMap { severity in kept.filter { $0.severity == severity } }
  }

  package var worst: Finding.Severity { findings.map(\.severity).max() ?? .ok }

  package func count(_ severity: Finding.Severity) -> Int { findings.count { $0.severity == severity } }

  package func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("workload", workload?.rawValue)
      $0.field("worst", worst.rawValue)
      $0.objectField("counts") {
        $0.field("ok", count(.ok))
        $0.field("note", count(.note))
        $0.field("warning", count(.warning))
        $0.field("critical", count(.critical))
      }
      $0.field("ignored") { json in json.array { json in for id in ignored { json.value(id.rawValue) } } }
      $0.field("findings") { json in
        json.array { json in for finding in findings { finding.encode(into: &json) } }
      }
    }
  }
}
