// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy

/// Finds where what is declared is not what is.
struct Auditor {
  /// How far up an heir's parents are followed.
  private static let ancestorsMax = 16

  /// One thing that was found.
  private struct Finding {
    enum Kind: String {
      /// A process has another value than declared.
      case value
      /// The next start of a service would give another one.
      case unit
      case unknownUnit = "unknown_unit"
      /// A process has the value of a protected parent, and no rule.
      case inherited
      /// A rule is for no process that runs now.
      case unusedRule = "unused_rule"
      case note
    }
    var kind: Kind
    var isDifference: Bool
    /// A sentence, for people.
    var text: String
    var process: ProcessSnapshot?
    var unit: String?
    var rule: String?
    var adj: Int?
    var adjDeclared: Int?
  }

  private let protector: Protector
  private let plan: ProtectionPlan
  private let ruled: [Int32: (index: Int, value: Int)]
  private var findings: [Finding] = []
  private var lowers = 0

  var differences: Int { findings.count { $0.isDifference } }

  init(protector: Protector, plan: ProtectionPlan) {
    self.protector = protector
    self.plan = plan
    var ruled: [Int32: (index: Int, value: Int)] = [:]
    for index in plan.unchanged { ruled[plan.processes[index].pid] = (index, plan.processes[index].oomScoreAdj) }
    for change in plan.changes where change.sharesMemoryWith == nil {
      ruled[plan.processes[change.index].pid] = (change.index, change.rule.oomScoreAdj)
    }
    self.ruled = ruled
  }

  var text: String {
    let counted = "\(ruled.count) process\(ruled.count == 1 ? " has a rule" : "es have rules")"
    let verdict = differences == 0 ? "all agrees" : "\(differences) difference\(differences == 1 ? "" : "s")"
    return (findings.map(Auditor.line) + ["\(counted), \(verdict)."]).map { $0 + "\n" }.joined()
  }

  private static func line(_ finding: Finding) -> String {
    let word =
      switch finding.kind {
      case _ where finding.isDifference: "differs"
      case .unknownUnit: "unknown"
      case .unusedRule: "unused"
      case .value, .unit, .inherited, .note: finding.kind.rawValue
      }
    return word + String(repeating: " ", count: max(1, 11 - word.count)) + finding.text
  }

  /// One object. Shape: docs/protect.md, `audit --output json`.
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("agrees", differences == 0)
      $0.field("processes_with_rule", ruled.count)
      $0.field("differences", differences)
      $0.field("findings") { json in
        json.array { json in
          for finding in findings {
            json.object {
              $0.field("kind", finding.kind.rawValue)
              $0.field("differs", finding.isDifference)
              $0.field("pid", finding.process?.pid)
              $0.field("comm", hexKey: "comm_hex", finding.process?.comm.name)
              $0.field("systemd_unit", finding.unit)
              $0.field("rule", finding.rule)
              $0.field("oom_score_adj", finding.adj)
              $0.field("oom_score_adj_declared", finding.adjDeclared)
              $0.field("text", finding.text)
            }
          }
        }
      }
    }
  }

  mutating func findUnusedRules() {
    for rule in plan.unused {
      findings.append(
        Finding(
          kind: .unusedRule, isDifference: false, text: "\(Wording.name(rule)) is for no process that runs now",
          rule: rule.name, adjDeclared: rule.oomScoreAdj))
    }
  }

  mutating func compareProcesses() {
    for change in plan.changes where change.sharesMemoryWith == nil {
      let process = plan.processes[change.index]
      if change.rule.oomScoreAdj < process.oomScoreAdj { lowers += 1 }
      let declared = change.rule.oomScoreAdj
      findings.append(
        Finding(
          kind: .value, isDifference: true,
          text: "\(name(process)) has \(process.oomScoreAdj), \(Wording.name(change.rule)) declares \(declared)",
          process: process, rule: change.rule.name, adj: process.oomScoreAdj, adjDeclared: declared))
    }
  }

  /// A restart of the service undoes what was set by hand, where systemd gives another value.
  ///
  /// - Parameter root: where it is not `/`, files below it are read, and systemd is not asked.
  mutating func compareUnits(root: String) {
    var units: [String: (values: Set<Int>, pid: Int32)] = [:]
    for (pid, rule) in ruled {
      let path = plan.processes[rule.index].cgroup?.path
      guard let unit = path.flatMap(CgroupOwner.init(path:))?.unit, unit.hasSuffix(".service") else { continue }
      units[unit, default: ([], pid)].values.insert(rule.value)
    }
    let files = SystemdUnitFiles(root: root)
    for (unit, declared) in units.sorted(by: { $0.key < $1.key }) {
      let settings: SystemdUnitFiles.Settings?
      if root == "/", Systemctl.isThere {
        settings = Systemctl.settings(unit: unit)
      } else {
        settings = (try? files.settings(unit: unit)) ?? nil
      }
      let name = TerminalText.safe(unit)
      guard let settings else {
        findings.append(
          Finding(kind: .unknownUnit, isDifference: false, text: "\(name): no unit file was found", unit: unit))
        continue
      }
      let value = settings.oomScoreAdjust ?? 0
      guard !declared.values.contains(value) else { continue }
      let wanted = declared.values.sorted().map(String.init).joined(separator: " and ")
      let policy = settings.oomPolicy.map { ", OOMPolicy=\($0)" } ?? ""
      let text =
        "\(name) starts with OOMScoreAdjust=\(value)\(policy), rules declare \(wanted) "
        + "(`oomwitness protect systemd \(name) --oom-score-adj \(declared.values.min() ?? 0)`)"
      findings.append(
        Finding(
          kind: .unit, isDifference: true, text: text, unit: unit, adj: value, adjDeclared: declared.values.min()))
    }
  }

  /// What a protected parent starts is as protected, unless somebody sets it back. Who shares the memory of a process with a
  /// rule is no heir: the kernel keeps the two alike. Kernel: kernel/fork.c, copy_signal().
  mutating func findHeirs() {
    let shared = Set(ruled.values.compactMap { plan.processes[$0.index].memoryID })
    var facts: [Int32: ProcessFacts] = [:]
    func look(_ pid: Int32) -> ProcessFacts? {
      if let known = facts[pid] { return known }
      facts[pid] = protector.subject(pid: pid)?.facts
      return facts[pid]
    }
    for process in plan.processes where process.oomScoreAdj != 0 && ruled[process.pid] == nil && process.pid > 1 {
      if let memory = process.memoryID, shared.contains(memory) { continue }
      var parent = look(process.pid)?.ppid ?? 0
      for _ in 0..<Auditor.ancestorsMax where parent > 1 {
        if let rule = ruled[parent], rule.value == process.oomScoreAdj {
          let line = "\(name(process)) has \(process.oomScoreAdj) from \(name(plan.processes[rule.index])), and no rule"
          findings.append(
            Finding(
              kind: .inherited, isDifference: process.oomScoreAdj < 0, text: line, process: process,
              adj: process.oomScoreAdj))
          break
        }
        guard let next = look(parent), next.oomScoreAdj == process.oomScoreAdj else { break }
        parent = next.ppid
      }
    }
  }

  /// The floor (signal->oom_score_adj_min) is shown nowhere. It is never above the value, so raising is always allowed.
  mutating func explainFloor() {
    guard lowers > 0, !Capability.missing([.sysResource]).isEmpty else { return }
    findings.append(
      Finding(
        kind: .note, isDifference: false,
        text:
          "\(lowers) would have to be lowered, and this process lacks CAP_SYS_RESOURCE: the kernel refuses what is "
          + "below a process's floor, which it shows nowhere"))
  }

  private func name(_ process: ProcessSnapshot) -> String {
    "\(TerminalText.safe(process.comm.name)) (pid \(process.pid))"
  }
}
