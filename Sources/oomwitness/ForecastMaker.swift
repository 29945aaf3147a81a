// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy
import Report

/// Puts a prediction into the words and fields of the event schema.
struct ForecastMaker {
  private let prediction: Prediction
  private let table: ProcessTable
  private let listed: Int?

  init(_ prediction: Prediction, table: ProcessTable, listed: Int?) {
    self.prediction = prediction
    self.table = table
    self.listed = listed
  }

  func forecast() -> Forecast {
    let domain = prediction.standings.domain
    var forecast = Forecast(outcome: .kill, scope: domain.scope, limit: domain.limit, explanation: "")
    forecast.limit.cgroup = table.owned(domain.limit.cgroup)
    forecast.candidates = candidates(listed)
    forecast.followUps = prediction.followUps.compactMap { outcome in
      guard case .kill(let death) = outcome else { return nil }
      return deaths(death)
    }
    switch prediction.outcome {
    case .kill(let death):
      forecast.path = death.path
      forecast.deaths = deaths(death)
      forecast.sparingAdj = prediction.sparingAdj
      if let rival = prediction.runnerUp {
        forecast.runnerUp = candidates(2).list.first { $0.pid != forecast.deaths[0].victim.pid }
        forecast.runnerUpHeadroomPages = prediction.headroom(of: rival)
      }
    case .waits(let pid):
      forecast.outcome = .wait
      forecast.waitsForPID = pid
    case .nobody: forecast.outcome = .nobody
    }
    if panics() { forecast.outcome = .panic }
    forecast.explanation = ForecastSentence(pageSizeBytes: table.identity.pageSizeBytes).sentence(forecast)
    return forecast
  }

  private func candidates(_ limit: Int?) -> Candidates {
    var candidates = prediction.standings.candidates(limit: limit)
    for place in candidates.list.indices { candidates.list[place].cgroup = table.owned(candidates.list[place].cgroup) }
    return candidates
  }

  /// vm.panic_on_oom: 1 where the whole system is out of memory, 2 always; and who finds nobody panics, but for a cgroup's.
  ///
  /// Kernel: mm/oom_kill.c, check_panic_on_oom() and out_of_memory().
  private func panics() -> Bool {
    let isSystem = prediction.standings.domain.scope == .system
    let setting = ((try? table.memory.sysctl("vm/panic_on_oom")) ?? nil) ?? 0
    if setting == 2 || (setting == 1 && isSystem) { return true }
    return isSystem && prediction.outcome == .nobody
  }

  private func deaths(_ death: Prediction.Death) -> [Forecast.Death] {
    let chosen = self.death(death.chosen, role: .chosen, count: death.path == .memcgGroup ? 2 : 1)
    return [chosen]
      + death.members.map { self.death($0.index, role: $0.role, count: $0.role == .sharesMemory ? 0 : 1) }
  }

  private func death(_ index: Int, role: Victim.Role, count: Int) -> Forecast.Death {
    let process = prediction.standings.processes[index]
    let domain = prediction.standings.domain
    var victim = Victim(pid: process.pid, comm: process.comm.name, kernelCount: count)
    victim.tid = process.tid
    victim.role = role
    victim.uid = process.uid
    victim.user = (try? table.users.name(uid: process.uid)) ?? nil
    victim.oomScoreAdj = process.oomScoreAdj
    victim.cgroup = table.owned(process.cgroup)
    var badness = VictimBadness(parts: process.parts)
    badness.domainPages = domain.totalPages
    badness.adjPoints = Badness.adjPoints(oomScoreAdj: process.oomScoreAdj, domainPages: domain.totalPages)
    badness.points = Badness.points(process.parts, oomScoreAdj: process.oomScoreAdj, domainPages: domain.totalPages)
    badness.pointsSource = .computed
    badness.procOOMScore = table.oomScore(pid: process.pid)
    return Forecast.Death(victim: victim, badness: badness)
  }
}
