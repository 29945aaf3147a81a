// SPDX-License-Identifier: Apache-2.0

/// What many kills have in common: counted by process, cgroup, unit, container, host, hour and day, and what each victim
/// and each limit was from kill to kill.
///
/// A pure sum over the events of a log, in any order, with bounded memory: what is beyond a bound is counted and told.
package struct KillStatistics: Sendable {
  /// Names of each kind that are kept apart.
  package static let namesMax = 4096
  private static let hourNanoseconds: Int64 = 3_600_000_000_000

  /// All kills; its decisions are the first and the last of all.
  package private(set) var tally = KillTally()
  /// Out of memory, and nobody was killed.
  package private(set) var noKills = 0
  package private(set) var byScope: [Scope: Int] = [:]
  package private(set) var scopeUnknown = 0

  package private(set) var processes = NameTable<KernelName, KillTally>()
  /// By the group whose limit was hit, else by the victim's.
  package private(set) var cgroups = NameTable<KernelName, KillTally>()
  package private(set) var units = NameTable<KernelName, KillTally>()
  /// Containers and pods, each a place of that kind.
  package private(set) var containers = NameTable<KillPlace, KillTally>()
  package private(set) var pods = NameTable<KillPlace, KillTally>()
  package private(set) var hosts = NameTable<KernelName, KillTally>()
  /// Hours since 1970, UTC.
  package private(set) var hours = NameTable<Int64, KillTally>()
  /// Days since 1970, UTC.
  package private(set) var days = NameTable<Int64, KillTally>()
  /// Kills in each hour of the day, UTC; 24 of them.
  package private(set) var byHourOfDay = [Int](repeating: 0, count: 24)

  package private(set) var victims = NameTable<VictimHistory.Key, VictimHistory>()
  package private(set) var limits = NameTable<LimitHistory.Key, LimitHistory>()
  package private(set) var conditions = NameTable<KillCondition.Key, KillCondition.Sum>()
  /// Those that held more than a victim and were kept from being chosen by their oom_score_adj.
  package private(set) var protectedHolders = NameTable<ProtectedHolder.Key, ProtectedHolder>()
  package private(set) var moments = KillMoments()

  /// Kills of which the log has no wall-clock time: they are in no hour, no day and not in the last 24 hours.
  package private(set) var withoutTime = 0
  /// Decisions whose report lacks its head, so that nobody knows who asked and for what.
  package private(set) var withoutHead = 0
  /// Decisions by a scan whose report lacks its table or a part of it, and how many of these have their head.
  package private(set) var withoutTable = 0
  package private(set) var withoutTableAlone = 0
  /// Decisions whose report lacks one or the other.
  package private(set) var incomplete = 0
  /// Decisions by a scan whose report has all of its table.
  package private(set) var withTable = 0
  /// Reports that began and of which no kill was seen; the reader of the log counts them.
  package var reportsAbandoned: Int64 = 0

  package init() {}

  package var kills: Int { tally.kills }
  /// Calls of the kernel for a kill; one may end several processes.
  package var decisions: Int { tally.decisions }

  /// Kills that a table has not, since it was full of other names.
  package var kindsDropped: Int {
    processes.dropped + cgroups.dropped + units.dropped + containers.dropped + pods.dropped + hosts.dropped
      + hours.dropped + days.dropped + victims.dropped + limits.dropped + conditions.dropped + protectedHolders.dropped
  }

  /// Counts one kill; a sharer of a victim's memory is none of the kernel's own.
  ///
  /// The kills of one decision come one after another, each with all of its candidates. `boot` tells kills without a wall
  /// clock apart: a boot's id, or the log that they are of.
  package mutating func add(_ kill: OOMKill, host: KernelName?, boot: String?, at time: EventTime) {
    guard kill.victim.role != .sharesMemory else { return }
    let (decision, wall) = (kill.decision.id, time.wallNanoseconds)
    let decisionsBefore = tally.decisions
    tally.add(decision: decision, wallNanoseconds: wall)
    if tally.decisions == decisionsBefore {
      moments.addKillOfLastDecision()
    } else {
      addDecision(kill)
      moments.add(host: host, boot: boot, at: time)
    }
    if let scope = kill.scope { byScope[scope, default: 0] += 1 } else { scopeUnknown += 1 }
    addNames(kill, host: host, wall)
    addHistories(kill, host: host, wall)
    guard let wall else {
      withoutTime += 1
      return
    }
    let hour = KillStatistics.quotient(wall, KillStatistics.hourNanoseconds)
    hours.add(hour, decision: decision, wallNanoseconds: wall)
    days.add(KillStatistics.quotient(hour, 24), decision: decision, wallNanoseconds: wall)
    byHourOfDay[Int(hour - KillStatistics.quotient(hour, 24) * 24)] += 1
  }

  package mutating func addNoKill() { noKills += 1 }

  private mutating func addDecision(_ kill: OOMKill) {
    let isHeadless = kill.trigger == nil
    let hasScan = kill.decision.path != .allocatingTask && kill.victim.role != .group
    let isTableless = hasScan && kill.candidates == nil
    if isHeadless { withoutHead += 1 }
    if isTableless { withoutTable += 1 }
    if isTableless, !isHeadless { withoutTableAlone += 1 }
    if hasScan, !isTableless { withTable += 1 }
    if isHeadless || isTableless { incomplete += 1 }
  }

  private mutating func addNames(_ kill: OOMKill, host: KernelName?, _ wall: Int64?) {
    let decision = kill.decision.id
    processes.add(kill.victim.comm, decision: decision, wallNanoseconds: wall)
    let limited = kill.limit?.cgroup?.path == nil ? kill.victim.cgroup : kill.limit?.cgroup
    if let path = limited?.path { cgroups.add(path, decision: decision, wallNanoseconds: wall) }
    if let host { hosts.add(host, decision: decision, wallNanoseconds: wall) }
    let cgroup = kill.victim.cgroup?.path == nil ? limited : kill.victim.cgroup
    guard let path = cgroup?.path else { return }
    if let container = (cgroup?.owner ?? CgroupOwner(path: path))?.container {
      containers.add(.container(container), decision: decision, wallNanoseconds: wall)
    }
    let place = KillPlace(cgroup)
    switch place {
    case .pod: pods.add(place, decision: decision, wallNanoseconds: wall)
    case .unit(let unit): units.add(KernelName(unit), decision: decision, wallNanoseconds: wall)
    case .container, .cgroup, .unknown: break
    }
  }

  private mutating func addHistories(_ kill: OOMKill, host: KernelName?, _ wall: Int64?) {
    let cgroup = kill.victim.cgroup?.path == nil ? kill.limit?.cgroup : kill.victim.cgroup
    let victim = VictimHistory.Key(comm: kill.victim.comm, host: host, place: KillPlace(cgroup))
    victims.update(victim, new: VictimHistory()) { $0.add(kill, wallNanoseconds: wall) }
    if let bystander = kill.bystander, bystander.reason == .largerProtected, let other = bystander.other {
      protectedHolders.update(ProtectedHolder.Key(host: host, comm: other), new: ProtectedHolder()) {
        $0.add(kill, bystander, wallNanoseconds: wall)
      }
    }
    if kill.scope == .memcg, kill.limit?.cgroup?.path != nil {
      let limit = LimitHistory.Key(host: host, place: KillPlace(kill.limit?.cgroup))
      limits.update(limit, new: LimitHistory()) { $0.add(kill, wallNanoseconds: wall) }
    }
    for (condition, pages, ofPages) in KillCondition.all(of: kill) {
      conditions.update(KillCondition.Key(host: host, condition: condition), new: KillCondition.Sum()) { sum in
        sum.tally.add(decision: kill.decision.id, wallNanoseconds: wall)
        sum.victim = kill.victim.comm
        (sum.pages, sum.ofPages) = (pages ?? sum.pages, ofPages ?? sum.ofPages)
        if let order = kill.trigger?.order, order > 0 { sum.order = max(sum.order ?? order, order) }
      }
    }
  }

  /// Rounded down, below 1970 too.
  private static func quotient(_ value: Int64, _ divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor)
  }

  /// Kills of all hosts at which it held.
  package func kills(with condition: KillCondition) -> Int {
    conditions.sums.reduce(0) { $0 + ($1.key.condition == condition ? $1.value.tally.kills : 0) }
  }

  /// Victims that were killed more than once, the most often first.
  package var repeatedVictims: [(key: VictimHistory.Key, history: VictimHistory)] {
    victims.sums.filter { $0.value.tally.kills > 1 }
      .sorted { one, other in
        let (most, less) = (one.value.tally.kills, other.value.tally.kills)
        return most == less ? one.key.sortText < other.key.sortText : most > less
      }
      .map { (key: $0.key, history: $0.value) }
  }
}

extension VictimHistory.Key {
  /// So that equals come in the same order each time.
  var sortText: String { comm.text + " " + (place.name?.text ?? "") + " " + (host?.text ?? "") }
}
