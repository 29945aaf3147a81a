// SPDX-License-Identifier: Apache-2.0

/// One victim from kill to kill: the same name, at the same place, on the same host.
package struct VictimHistory: Hashable, Sendable {
  /// Samples that are kept of one victim; of more every second is left out, and the first and the last stay.
  package static let samplesMax = 32
  /// Sizes without which nothing is said of growth.
  package static let sizesMin = 3

  package struct Key: Hashable, Sendable {
    package var comm: KernelName
    /// Nil where the log names none.
    package var host: KernelName?
    package var place: KillPlace
  }

  /// One kill of it.
  package struct Sample: Hashable, Sendable {
    package var wallNanoseconds: Int64?
    package var decision: UInt64
    /// Resident, swapped and page-table pages.
    package var heldPages: Pages
    /// The limit of the cgroup that was hit; nil where none was.
    package var limitPages: Pages?
  }

  /// What the sizes say, from kill to kill.
  package enum Trend: String, CaseIterable, Sendable {
    /// A fifth more at the last kill than at the first, and more at the later of two kills in three of four pairs.
    case grows
    /// The largest is within a tenth of the smallest.
    case steady
    /// At half or more of the kills at which it was chosen it died for another's memory, or it never was.
    case bystander
    case varies
    /// Fewer sizes than `sizesMin`.
    case unclear
  }

  package private(set) var tally = KillTally()
  package private(set) var byScope: [Scope: Int] = [:]
  /// As many as fit, in the order in which they came.
  private var kept: [Sample] = []
  /// Kills at which it was in the group of the one that was chosen: they say nothing of its own size.
  package private(set) var groupKills = 0
  /// Kills at which it was chosen, and whose size is known.
  package private(set) var sizes = 0
  package private(set) var leastPages: Pages?
  package private(set) var mostPages: Pages?
  package private(set) var bystanders: [Bystander.Reason: Int] = [:]
  /// Of the last kill at which it was one.
  package private(set) var lastBystander: Bystander?
  /// Of the last kill that told it.
  package private(set) var oomScoreAdj: Int?
  /// The memory that ran out, at the last kill that told it.
  package private(set) var domainPages: Pages?
  /// The lowest and the highest limit of a cgroup that it ran into; nil where it ran into none.
  package private(set) var leastLimitPages: Pages?
  package private(set) var mostLimitPages: Pages?

  package init() {}

  mutating func add(_ kill: OOMKill, wallNanoseconds: Int64?) {
    tally.add(decision: kill.decision.id, wallNanoseconds: wallNanoseconds)
    if let scope = kill.scope { byScope[scope, default: 0] += 1 }
    if kill.victim.role == .group { groupKills += 1 }
    if let bystander = kill.bystander {
      bystanders[bystander.reason, default: 0] += 1
      lastBystander = bystander
    }
    oomScoreAdj = kill.victim.oomScoreAdj ?? oomScoreAdj
    domainPages = kill.badness?.domainPages ?? kill.limit?.totalPages ?? domainPages
    let limit = kill.scope == .memcg ? kill.limit?.limit?.pages : nil
    if let limit {
      leastLimitPages = min(leastLimitPages ?? limit, limit)
      mostLimitPages = max(mostLimitPages ?? limit, limit)
    }
    guard kill.victim.role != .group, let held = kill.heldPages else { return }
    sizes += 1
    leastPages = min(leastPages ?? held, held)
    mostPages = max(mostPages ?? held, held)
    if kept.count == VictimHistory.samplesMax { thin() }
    kept.append(
      Sample(wallNanoseconds: wallNanoseconds, decision: kill.decision.id, heldPages: held, limitPages: limit))
  }

  /// Half of them, over the same time.
  private mutating func thin() {
    let sorted = samples
    kept = sorted.indices.filter { $0 % 2 == 0 || $0 == sorted.count - 1 }.map { sorted[$0] }
  }

  /// By time: files come in any order, the newest first among them. Those without a time are first, as they came.
  package var samples: [Sample] {
    kept.sorted { ($0.wallNanoseconds ?? .min, $0.decision) < ($1.wallNanoseconds ?? .min, $1.decision) }
  }

  /// Pairs of samples: how many there are, and at how many it held more at the later one, by more than a fiftieth. A trend
  /// is seen in them through the ups and downs from one to the next. Source: Kendall's tau.
  package var pairs: (all: Int, growing: Int) {
    let sizes = samples.map(\.heldPages)
    var pairs = (all: 0, growing: 0)
    for (place, earlier) in sizes.enumerated() {
      let later = sizes[(place + 1)...]
      pairs.all += later.count
      pairs.growing += later.count { $0 > earlier + earlier / 50 }
    }
    return pairs
  }

  package var bystanderKills: Int { bystanders.values.reduce(0, +) }

  package var trend: Trend {
    let chosen = tally.kills - groupKills
    let forOthers = bystanderKills - groupKills
    if tally.kills > 1, chosen == 0 || (forOthers > 0 && forOthers * 2 >= chosen) { return .bystander }
    guard sizes >= VictimHistory.sizesMin, let least = leastPages, let most = mostPages, least > 0 else {
      return .unclear
    }
    let sizes = samples.map(\.heldPages)
    let pairs = pairs
    if let first = sizes.first, let last = sizes.last, last >= first + first / 5, pairs.growing * 4 >= pairs.all * 3 {
      return .grows
    }
    return most <= least + least / 10 ? .steady : .varies
  }
}
