// SPDX-License-Identifier: Apache-2.0
import Events

/// Keeps the books: kills as the kernel counts them against kills that the stream told, or told as lost.
///
/// At any moment: growth of /proc/vmstat's oom_kill = told + lost. File: /proc/vmstat, oom_kill.
package struct LossLedger: Sendable {
  /// vmstat's oom_kill when the stream began; nil where the kernel does not say.
  let baseline: Int64?
  /// Kernel counts of the kills that were told or filtered.
  package private(set) var told: Int64 = 0
  /// Kernel counts that were told as lost.
  package private(set) var lost: Int64 = 0
  /// Of these, counts that only vmstat told of: a kill that is found later was one of them.
  private var unexplained: Int64 = 0
  private var ringTold = LossCounters()
  private var dropped: (lines: Int64, kernelCount: Int64) = (0, 0)

  package init(baseline: Int64?) { self.baseline = baseline }

  /// A kill goes to the stream, or is kept out of it by the user's own filter.
  package mutating func tell(kernelCount: Int) { told += Int64(kernelCount) }

  /// A kill is told after all, from the kernel's log; where it was told as lost, that is taken back.
  package mutating func find(kernelCount: Int) -> Loss? {
    told += Int64(kernelCount)
    let taken = min(unexplained, Int64(kernelCount))
    guard taken > 0 else { return nil }
    unexplained -= taken
    lost -= taken
    return Loss(
      reason: .vmstatMismatch, kernelCount: -taken, records: 0,
      detail: "the kernel's log has \(taken) of the kills that were told as lost, and they are told from there")
  }

  /// A table of ours was full.
  package mutating func lose(kernelCount: Int64, records: Int64, detail: String) -> Loss {
    lost += kernelCount
    return Loss(reason: .tableFull, kernelCount: kernelCount, records: records, detail: detail)
  }

  /// What BPF lost since the last time; nil where nothing.
  package mutating func ring(_ counters: LossCounters) -> Loss? {
    let kernelCount = counters.kernelCount - ringTold.kernelCount
    let records = counters.records - ringTold.records
    let details = counters.details - ringTold.details
    let fromLog = counters.fromLog - ringTold.fromLog
    let untracked = counters.untrackedVictims - ringTold.untrackedVictims
    guard records > 0 || kernelCount > 0 || untracked > 0 else { return nil }
    ringTold = counters
    lost += kernelCount
    let kills = kernelCount + fromLog
    var detail = "the ring had no room for \(records) records, \(kills) of them kills and \(details) of detail"
    if fromLog > 0 { detail += "; the kernel's log has \(fromLog) of these kills, which are told from there" }
    if untracked > 0 { detail += "; the end of \(untracked) victims is not followed" }
    return Loss(reason: .ringFull, kernelCount: kernelCount, records: records, detail: detail)
  }

  /// The sink refused a line: the kernel counts in it are neither told nor yet told as lost.
  ///
  /// - Parameter loss: the line was itself one that told these counts as lost.
  package mutating func drop(kernelCount: Int64, loss: Bool = false) {
    dropped.lines += 1
    dropped.kernelCount += kernelCount
    if loss { lost -= kernelCount } else { told -= kernelCount }
  }

  /// Lines that the sink refused since the last time, to be told now that it has room; nil where none.
  package mutating func output() -> Loss? {
    guard dropped.lines > 0 else { return nil }
    defer { dropped = (0, 0) }
    lost += dropped.kernelCount
    return Loss(
      reason: .outputFull, kernelCount: dropped.kernelCount, records: dropped.lines,
      detail: "the reader of the output was too slow: \(dropped.lines) lines were dropped, "
        + "kills that the kernel counts \(dropped.kernelCount) times among them")
  }

  /// How much the kernel's own count has grown, and the difference where it is not ours.
  ///
  /// - Parameters:
  ///   - oomKill: vmstat's count, read before the records that `told` holds were drained.
  ///   - waiting: kernel counts that have come in and will be told.
  package mutating func reconcile(oomKill: Int64?, waiting: Int64 = 0, isLast: Bool) -> Loss? {
    guard let growth = growth(oomKill: oomKill) else { return nil }
    let difference = growth - told - lost - waiting
    // Kills since the count was read are told and not in it yet; only at the end that cannot be.
    guard difference > 0 || (difference < 0 && isLast) else { return nil }
    defer { lost += difference }
    unexplained += max(0, difference)
    let before = "the stream told \(told), and \(lost) as lost"
    return Loss(
      reason: .vmstatMismatch, kernelCount: difference, records: 0,
      detail: "/proc/vmstat counts \(growth) kills since the stream began; \(before)")
  }

  /// The books as they are.
  package struct Balance: Hashable, Sendable {
    package let told: Int64
    package let lost: Int64
    /// Of the kernel's own count; nil where it could not be read.
    package let growth: Int64?
    /// What was not told, nor told as lost, until now.
    package let difference: Int64
  }

  package func balance(oomKill: Int64?, difference: Int64) -> Balance {
    Balance(told: told, lost: lost, growth: growth(oomKill: oomKill), difference: difference)
  }

  package func growth(oomKill: Int64?) -> Int64? {
    guard let baseline, let oomKill else { return nil }
    return oomKill - baseline
  }
}
