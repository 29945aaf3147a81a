// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// Who holds the memory and who takes more, looked up only where memory is short or nearly so.
final class PressureDetails {
  /// How many are told of each kind.
  private static let listedMax = 5
  /// An older look tells of another time.
  private static let staleNanoseconds: Int64 = 60_000_000_000
  /// Between looks while memory is short, and longer where a look takes long: no more than a thousandth of the time.
  private static let pauseNanoseconds: Int64 = 10_000_000_000
  private static let pausePerCost: Int64 = 1000

  private let table: ProcessTable
  /// Whether control groups are watched too, so that each process's is needed.
  private let needsGroups: Bool
  private var growth = ProcessGrowth()
  private var costNanoseconds: Int64 = 0

  init(table: ProcessTable, needsGroups: Bool) {
    self.table = table
    self.needsGroups = needsGroups
  }

  /// Whether there is a look to compare the next one with.
  func hasLook(nowNanoseconds now: Int64) -> Bool {
    growth.lookedAtNanoseconds.map { now - $0 < PressureDetails.staleNanoseconds } ?? false
  }

  /// Looks, so that the next look tells growth; not where the last one was not long ago.
  func refresh(nowNanoseconds now: Int64) {
    let pause = max(PressureDetails.pauseNanoseconds, costNanoseconds * PressureDetails.pausePerCost)
    if let last = growth.lookedAtNanoseconds, now - last < pause { return }
    if let all = look() { growth.take(all, nowNanoseconds: now) }
  }

  /// Fills in who holds the memory, who takes more, and from medium on whom to stop.
  func complete(_ event: inout PressureEvent, _ thresholds: PressureThresholds, nowNanoseconds now: Int64) {
    guard let all = look() else { return }
    let path = event.reading.cgroup?.path
    let members = path.map { path in all.filter { $0.cgroup?.path?.isAtOrBelow(path) == true } } ?? all
    let reading = event.reading
    // Of a group as well: its limit and the swap that it may use.
    let domain = OOMDomain.system(ramPages: reading.totalPages, swapPages: reading.swapTotalPages ?? 0)
    let standings = Standings(members, domain: domain)
    let isComparable = hasLook(nowNanoseconds: now)
    let grown = isComparable ? growth.grown(members, nowNanoseconds: now) : members.map { ($0, nil) }
    let biggest = ProcessGrowth.biggest(grown, PressureDetails.listedMax)
    // We grow by looking.
    let others = grown.filter { $0.process.pid != getpid() }
    let fastest = ProcessGrowth.fastest(others, PressureDetails.listedMax)
    var candidates: [Int32: Candidate] = [:]
    let wanted = Set((biggest + fastest).map(\.process.pid))
    for candidate in standings.candidates(limit: nil).list where wanted.contains(candidate.pid) {
      candidates[candidate.pid] = candidate
    }
    func rows(_ processes: [ProcessGrowth.Grown]) -> [PressureEvent.Process] {
      processes.compactMap { grown in
        candidates[grown.process.pid].map {
          PressureEvent.Process(row: table.row($0), pagesPerSecond: grown.pagesPerSecond)
        }
      }
    }
    (event.biggest, event.growing) = (rows(biggest), rows(fastest))
    if event.level >= .medium {
      event.suggestions = PressureAdvice.suggestions(standings, reading, thresholds, sparing: [getpid()])
    }
    growth.take(all, nowNanoseconds: now)
  }

  private func look() -> [ProcessSnapshot]? {
    let begin = SystemClock.monotonic
    defer { costNanoseconds = SystemClock.monotonic - begin }
    return try? table.processes(groups: needsGroups)
  }
}
