// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy

/// Finds where what is declared is not what is.
struct Auditor {
  /// How far up an heir's parents are followed.
  private static let ancestorsMax = 16

  private let protector: Protector
  private let plan: ProtectionPlan
  private let ruled: [Int32: (index: Int, value: Int)]
  private(set) var differences = 0
  private var lines: [String] = []
  private var lowers = 0

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
    return (lines + ["\(counted), \(verdict)."]).map { $0 + "\n" }.joined()
  }

  private mutating func differ(_ line: String) {
    differences += 1
    lines.append("differs    " + line)
  }

  mutating func compareProcesses() {
    for change in plan.changes where change.sharesMemoryWith == nil {
      let process = plan.processes[change.index]
      if change.rule.oomScoreAdj < process.oomScoreAdj { lowers += 1 }
      differ(
        "\(name(process)) has \(process.oomScoreAdj), \(Wording.name(change.rule)) declares \(change.rule.oomScoreAdj)")
    }
  }

  /// A restart of the service undoes what was set by hand, where systemd gives another value.
  ///
  /// - Parameter root: where it is not `/`, files below it are read, and systemd is not asked.
  mutating func compareUnits(root: String) {
    var units: [String: (values: Set<Int>, pid: Int32)] = [:]
    for (pid, rule) in ruled {
      let path = plan.processes[rule.index].cgroup?.path
      guard let unit = path.flatMap(SystemdUnit.name(inCgroupPath:)), unit.hasSuffix(".service") else { continue }
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
        lines.append("unknown    \(name): no unit file was found")
        continue
      }
      let value = settings.oomScoreAdjust ?? 0
      guard !declared.values.contains(value) else { continue }
      let wanted = declared.values.sorted().map(String.init).joined(separator: " and ")
      let policy = settings.oomPolicy.map { ", OOMPolicy=\($0)" } ?? ""
      differ(
        "\(name) starts with OOMScoreAdjust=\(value)\(policy), rules declare \(wanted) "
          + "(`oomwitness protect systemd \(name) --oom-score-adj \(declared.values.min() ?? 0)`)")
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
          if process.oomScoreAdj < 0 { differ(line) } else { lines.append("inherited  " + line) }
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
    lines.append(
      "note       \(lowers) would have to be lowered, and this process lacks CAP_SYS_RESOURCE: the kernel refuses what is "
        + "below a process's floor, which it shows nowhere")
  }

  private func name(_ process: ProcessSnapshot) -> String {
    "\(TerminalText.safe(process.comm.name)) (pid \(process.pid))"
  }
}
