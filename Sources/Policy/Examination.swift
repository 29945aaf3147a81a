// SPDX-License-Identifier: Apache-2.0
import Events

/// Judges the settings of a host: what is well, what is worth knowing, what should change, what must.
///
/// Pure: facts in, findings out. A fact that was not observed makes no finding, but for one that could not be read, which
/// is said. docs/doctor.md has every rule with its reason.
package enum Examination {
  /// All checks of the host, and those of a workload where one is named.
  package static func diagnose(_ host: HostSettings, workload: Workload? = nil, ignored: Set<CheckID> = []) -> Diagnosis
  {
    var findings: [Finding?] = KernelChecks(host).findings
    findings += MemoryChecks(host).findings
    findings += KillChecks(host).findings
    findings += ServiceChecks(host).findings
    switch workload {
    case .web: findings += WebAdvice(host).findings
    case .database: findings += DatabaseAdvice(host).findings
    case .batch: findings += BatchAdvice(host).findings
    case .container: findings += ContainerAdvice(host).findings
    case nil: break
    }
    var made = findings.compactMap { $0 }
    // What was read before the fault may mislead: the fault speaks for the whole check.
    made.removeAll { host.faults[$0.id] != nil }
    for (check, sentence) in host.faults {
      made.append(Finding(check, "unknown", .note, "It could not be read: \(sentence)."))
    }
    let places = Dictionary(uniqueKeysWithValues: CheckID.allCases.enumerated().map { ($1, $0) })
    made.sort { places[$0.id]! < places[$1.id]! }
    return Diagnosis(made, workload: workload, ignored: ignored)
  }

  /// What to type for a kernel setting: at once, and for each boot from now on.
  static func sysctl(_ name: String, _ value: Int64) -> [String] {
    ["sysctl -w \(name)=\(value)", "echo '\(name) = \(value)' >> /etc/sysctl.d/90-oom.conf"]
  }

  /// As people read sizes: `3.2 GiB`.
  static func size(_ bytes: Int64) -> String {
    let units: [(Int64, String)] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
    guard let (unit, name) = units.first(where: { bytes >= $0.0 }) else { return "\(bytes) bytes" }
    let tenths = bytes / (unit / 1024) * 10 / 1024
    return "\(tenths / 10).\(tenths % 10) \(name)"
  }

  /// In whole percent, rounded down; nil where the whole is nothing.
  static func percent(_ part: Int64, of whole: Int64?) -> Int64? {
    guard let whole, whole > 0 else { return nil }
    // Divided first where the product would not fit.
    return part < Int64.max / 100 ? part * 100 / whole : part / max(1, whole / 100)
  }

  /// Names with commas, the first few of them.
  static func list(_ names: [String], max: Int = 4) -> String {
    let shown = names.prefix(max).joined(separator: ", ")
    return names.count > max ? "\(shown) and \(names.count - max) more" : shown
  }

  /// Whether a shell takes these bytes as they are: what is to be typed must not be what a process has called itself.
  static func isPlainWord(_ name: KernelName) -> Bool {
    !name.bytes.isEmpty
      && name.bytes.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "A")...UInt8(ascii: "Z"):
          true
        default: "/._-@:+".utf8.contains(byte)
        }
      }
  }

  static func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

extension HostSettings.HostProcess {
  /// Whether this is that program: its name says so, and its executable or its script too.
  ///
  /// Anybody may call a process earlyoom; the name alone is no evidence. The kernel keeps 15 bytes of a name.
  func runs(_ program: String) -> Bool {
    comm.bytes.elementsEqual(program.utf8.prefix(15)) && programs.contains(program)
  }

  /// What only it holds, and would give back.
  var ownBytes: Int64 { anonBytes + swapBytes }

  var name: String { "\(TerminalText.safe(comm)) (pid \(pid))" }
}
