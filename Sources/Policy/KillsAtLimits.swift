// SPDX-License-Identifier: Apache-2.0
import Events

/// What a log's kills tell of one limit: how often, at which size of it, who died, and whether that one grew.
package struct KillsAtLimits {
  private let pageBytes: Int64
  private let limits: [KillPlace: [LimitHistory]]
  private let victims: [KillPlace: [(name: KernelName, history: VictimHistory)]]

  package init(_ statistics: KillStatistics, pageSizeBytes: Int) {
    pageBytes = Int64(pageSizeBytes)
    limits = Dictionary(grouping: statistics.limits.sums, by: \.key.place).mapValues { $0.map(\.value) }
    victims = Dictionary(grouping: statistics.victims.sums, by: \.key.place)
      .mapValues { $0.map { ($0.key.comm, $0.value) } }
  }

  /// Whether a limit of this place was ever hit.
  package func has(_ cgroup: CgroupRef) -> Bool { limits[KillPlace(cgroup)] != nil }

  /// Adds what is known of the evidence's place.
  ///
  /// A pod's containers are one place, since each has a new group after its restart: of several the one that runs what was
  /// killed is taken, and `isAlone` says that there is no other.
  package func add(to evidence: inout LimitEvidence, isAlone: Bool) {
    guard case .cgroup(let cgroup) = evidence.subject else { return }
    let place = KillPlace(cgroup)
    let programs = Set(evidence.programs)
    let isShared = cgroup.owner?.pod != nil && !isAlone
    func isOf(_ names: some Sequence<KernelName>) -> Bool { !isShared || names.contains { programs.contains($0.text) } }
    for history in limits[place] ?? [] where isOf(history.victims.keys) {
      evidence.kills.logged += history.tally.decisions
      evidence.kills.mostLimitBytes = most(evidence.kills.mostLimitBytes, history.mostPages)
    }
    guard evidence.kills.logged > 0 else { return }
    for (name, history) in victims[place] ?? [] where isOf([name]) && history.mostLimitPages != nil {
      evidence.kills.mostVictimBytes = most(evidence.kills.mostVictimBytes, history.mostPages)
      let samples = history.samples
      guard history.trend == .grows, let first = samples.first, let last = samples.last,
        history.tally.kills > evidence.growth?.kills ?? 0
      else { continue }
      evidence.growth = LimitEvidence.Growth(
        program: name, firstBytes: bytes(first.heldPages), lastBytes: bytes(last.heldPages), kills: history.tally.kills)
    }
  }

  private func bytes(_ pages: Pages) -> Int64 {
    let (bytes, overflow) = pages.multipliedReportingOverflow(by: pageBytes)
    return overflow ? .max : bytes
  }

  private func most(_ known: Int64?, _ pages: Pages?) -> Int64? {
    guard let pages else { return known }
    return max(known ?? 0, bytes(pages))
  }
}
