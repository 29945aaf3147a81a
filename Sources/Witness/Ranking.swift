// SPDX-License-Identifier: Apache-2.0
import Events

/// Orders the candidates of one decision as the kernel's choice does, and lists the first of them.
struct Ranking {
  private let records: [CandidateRecord]
  private let decision: OpenDecision
  private let configuration: Assembler.Configuration
  private var domainPages: Pages? { decision.record.domainPages }

  /// - Parameter records: in the kernel's order.
  init(_ records: [CandidateRecord], decision: OpenDecision, configuration: Assembler.Configuration) {
    self.records = records
    self.decision = decision
    self.configuration = configuration
  }

  /// How many candidates came through.
  var count: Int { records.count }

  /// The candidate of this process, with points only where they are the kernel's.
  func scored(pid: Int32) -> (parts: BadnessParts, points: Pages?)? {
    guard let record = records.first(where: { $0.pid == pid }) else { return nil }
    return (record.parts, record.points.flatMap { Ranking.isSentinel($0) ? nil : $0 })
  }

  /// LONG_MIN is "not eligible" and LONG_MAX "whatever it holds": no numbers of pages.
  static func isSentinel(_ points: Pages) -> Bool { points == .min || points == .max }

  func candidates(reference: (UInt64) -> CgroupRef?) -> Candidates {
    let wanted = configuration.candidatesListed ?? records.count
    var best = firstEligible(max(wanted, 1) + 1)
    let runnerUp = best.first { records[$0.index].pid != decision.record.chosenPID }
    let chosen = best.first { records[$0.index].pid == decision.record.chosenPID }
    best.removeLast(max(0, best.count - wanted))
    var list = best.enumerated().map { rank, scored in
      candidate(
        records[scored.index], points: isScoreKnown ? scored.points : nil, rank: isScoreKnown ? rank + 1 : nil,
        reference: reference)
    }
    if list.count < wanted {
      for record in records where skipReason(record) != nil {
        list.append(candidate(record, points: nil, rank: nil, reference: reference))
        if list.count == wanted { break }
      }
    }
    // The kernel's choice has the most points, so a negative margin is our own arithmetic's: not a fact.
    let isByPoints = isScoreKnown && decision.record.chosenPoints != .max
    let margin = isByPoints ? chosen.flatMap { chosen in runnerUp.map { chosen.points - $0.points } } : nil
    return Candidates(
      considered: decision.record.considered, list: list, runnerUpMarginPages: margin.flatMap { $0 < 0 ? nil : $0 })
  }

  /// False where the domain's size is not known: then candidates are ordered by their pages, and have no points.
  private var isScoreKnown: Bool { domainPages != nil || !decision.record.inferred }

  private func scored(_ index: Int) -> Contender? {
    guard let points = points(records[index]) else { return nil }
    let isChosen = records[index].pid == decision.record.chosenPID
    return Contender(
      index: index, points: points, isOrigin: isChosen && decision.record.chosenPoints == .max,
      isFirst: isChosen && decision.record.inferred)
  }

  /// The first `wanted` eligible ones in order: an insertion into a short list, so that nothing grows with their number
  /// unless all are asked for.
  private func firstEligible(_ wanted: Int) -> [Contender] {
    var best: [Contender] = []
    best.reserveCapacity(min(wanted, records.count) + 1)
    if wanted > records.count {
      best = records.indices.compactMap(scored)
      best.sort { $0.beats($1) }
      return best
    }
    for index in records.indices {
      guard let scored = scored(index) else { continue }
      if best.count == wanted, best[wanted - 1].beats(scored) { continue }
      best.insert(scored, at: best.firstIndex { scored.beats($0) } ?? best.count)
      if best.count > wanted { best.removeLast() }
    }
    return best
  }

  /// The kernel's points, else computed ones; nil where it is not eligible.
  private func points(_ record: CandidateRecord) -> Pages? {
    guard skipReason(record) == nil else { return nil }
    if let points = record.points, !Ranking.isSentinel(points) { return points }
    return Badness.points(record.parts, oomScoreAdj: record.oomScoreAdj, domainPages: domainPages ?? 0)
  }

  /// Why the kernel passed it over; nil where it scored it.
  private func skipReason(_ record: CandidateRecord) -> SkipReason? {
    if record.points == .min { return record.skipped ?? .noMemory }
    if record.points != nil { return nil }
    // It was taken. The walk comes after mark_victim, so that it looks like a victim; an origin has no points.
    if record.pid == decision.record.chosenPID { return nil }
    if let skipped = record.skipped { return skipped }
    let couldBeOutside = decision.scope(configuration).map { $0 != .memcg } ?? false
    return configuration.seesBadness && couldBeOutside ? .outsideCpuset : nil
  }

  private func candidate(
    _ record: CandidateRecord, points: Pages?, rank: Int?, reference: (UInt64) -> CgroupRef?
  ) -> Candidate {
    var candidate = Candidate(
      pid: record.pid, tid: record.tid, comm: record.comm.name, oomScoreAdj: record.oomScoreAdj)
    candidate.uid = record.uid
    candidate.cgroup = reference(record.cgroupID)
    candidate.points = points
    candidate.pointsSource = record.points.map(Ranking.isSentinel) ?? true ? .computed : .kernel
    candidate.rank = rank
    candidate.parts = record.parts
    candidate.adjPoints = domainPages.map { Badness.adjPoints(oomScoreAdj: record.oomScoreAdj, domainPages: $0) }
    candidate.skipped = skipReason(record)
    return candidate
  }
}
