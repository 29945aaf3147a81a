// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy
import Report

/// Puts a plan into words and fields: each change, and who is next before and after, in each domain that it concerns.
struct PlanMaker {
  /// Control groups with a limit that are looked at, beside the whole system.
  static let domainsMax = 8

  private let protector: Protector
  private let plan: ProtectionPlan
  private var table: ProcessTable { protector.table }

  init(_ plan: ProtectionPlan, protector: Protector) {
    self.plan = plan
    self.protector = protector
  }

  /// True where two rules disagree: each is said, and nothing may be changed.
  func refuses() -> Bool {
    for each in plan.disagreements {
      let who =
        each.otherPID.map { "pid \(each.pid) and pid \($0) share one memory, and" }
        ?? "\(TerminalText.safe(each.comm)) (pid \(each.pid)):"
      Diagnostic.say(
        "\(who) \(Wording.name(each.first)) wants \(each.first.oomScoreAdj), \(Wording.name(each.second)) wants "
          + "\(each.second.oomScoreAdj); nothing was changed")
    }
    return !plan.disagreements.isEmpty
  }

  /// A line for each rule that is for nobody: a service that does not run, or a rule that does not say what was meant.
  static func unusedText(_ plan: ProtectionPlan) -> String {
    plan.unused.map { "unused     \(Wording.name($0)) is for no process that runs now\n" }.joined()
  }

  /// Says where the change would leave nobody to be taken before what is protected.
  func warn() throws {
    guard !plan.changes.isEmpty else { return }
    for domain in try domains() {
      let (before, after) = try standings(domain)
      guard let words = ProtectionText.warning(PlanMaker.left(before, after)) else { continue }
      let place = domain.limit.cgroup?.path.map { "in cgroup \(TerminalText.safe($0))" } ?? "in the whole system"
      Diagnostic.say("\(place) then \(words)")
    }
  }

  func planned() throws -> PlannedProtection {
    let system = try table.system()
    let standings = Standings(plan.processes, domain: system)
    var rows: [Int32: Candidate] = [:]
    for candidate in standings.candidates(limit: nil).list { rows[candidate.pid] = candidate }
    let supposed = plan.supposed(plan.processes)
    let changes = plan.changes.compactMap { change -> PlannedProtection.Change? in
      guard let candidate = rows[plan.processes[change.index].pid] else { return nil }
      let row = table.row(candidate)
      let then = row.procOOMScore.map { _ in
        Standings.procOOMScore(supposed[change.index], domainPages: system.totalPages)
      }
      return PlannedProtection.Change(
        row: row, adjThen: change.rule.oomScoreAdj, scoreThen: then, rule: change.rule.name,
        reason: change.rule.reason, sharesMemoryWith: change.sharesMemoryWith)
    }
    return PlannedProtection(
      changes: changes, unchanged: plan.unchanged.count,
      domains: plan.changes.isEmpty ? [] : try domains().map(forecast), unused: plan.unused.map(\.name))
  }

  /// The whole system, then the limited groups that processes of the plan are in.
  private func domains() throws -> [OOMDomain] {
    var domains = [try table.system()]
    var seen: Set<KernelName> = []
    for change in plan.changes {
      var components = (plan.processes[change.index].cgroup?.path?.bytes ?? []).split(separator: 0x2f)
      while !components.isEmpty, domains.count <= PlanMaker.domainsMax {
        let path = KernelName(bytes: [0x2f] + Array(components.joined(separator: [0x2f])))
        guard seen.insert(path).inserted else { break }
        if case .pages? = ((try? table.cgroups.limits(path: path)) ?? nil)?.limit {
          // It may end between the two looks: that is said, and the rest goes on.
          if let domain = try? table.domain(cgroup: path.text) { domains.append(domain) }
        }
        components.removeLast()
      }
    }
    return domains
  }

  private func forecast(_ domain: OOMDomain) throws -> PlannedProtection.Domain {
    let (before, after) = try standings(domain)
    let rules = try table.rules(for: before.processes, allocating: nil)
    func told(_ standings: Standings) -> Forecast {
      ForecastMaker(Prediction(standings, rules: rules, depth: 0), table: table, listed: 3).forecast()
    }
    return PlannedProtection.Domain(
      before: told(before), after: told(after), left: PlanMaker.left(before, after))
  }

  private func standings(_ domain: OOMDomain) throws -> (before: Standings, after: Standings) {
    let processes = try (domain.scope == .system ? plan.processes : table.processes(in: domain))
      .filter { $0.pid != getpid() }
    return (Standings(processes, domain: domain), Standings(plan.supposed(processes), domain: domain))
  }

  private static func left(_ before: Standings, _ after: Standings) -> PlannedProtection.Domain.Left {
    switch ProtectionLeft(before: before, after: after) {
    case .enough: .enough
    case .allProtected: .allProtected
    case .nobodyKillable: .nobodyKillable
    }
  }
}
