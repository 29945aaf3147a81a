// SPDX-License-Identifier: Apache-2.0
import Events
import Sinks

/// Kills of this boot that the daemon told before it was started again: what the kernel's log still has of them is not told twice.
///
/// A line that is in the spool was told, and one that is not was not: the spool is what receivers get. The log's clock and
/// ours run apart by seconds a day, so a kill is known by its process and name, and each that was told is found once.
final class ToldKills {
  private struct Victim: Hashable {
    var pid: Int32
    var comm: KernelName
  }

  /// CLOCK_MONOTONIC of each, the oldest first.
  private var told: [Victim: [Int64]] = [:]
  /// A number is given to another process of the same name no sooner, and the clocks run apart no further.
  private static let apartNanoseconds: Int64 = 600_000_000_000

  private let bootID: String?

  init(bootID: String?) { self.bootID = bootID }

  /// A line that was told.
  func learn(_ line: DeliveredLine) {
    let facts = line.facts
    guard let bootID, facts.type == "oom_kill", facts.bootID == bootID, let moment = facts.monotonicNanoseconds,
      let pid = facts.subject.pid.flatMap(Int32.init(exactly:)), let comm = facts.subject.comm
    else { return }
    told[Victim(pid: pid, comm: comm), default: []].append(moment)
  }

  /// Whether a kill of the log, at this moment of its clock, was told; then it counts as found.
  func take(_ kill: OOMKill, at moment: Int64) -> Bool {
    // The log names a thread, and its process where the table of processes was printed.
    for pid in Set([kill.victim.pid, kill.victim.tid ?? kill.victim.pid]) {
      let victim = Victim(pid: pid, comm: kill.victim.comm)
      guard let place = told[victim]?.firstIndex(where: { abs($0 - moment) < ToldKills.apartNanoseconds }) else {
        continue
      }
      told[victim]!.remove(at: place)
      return true
    }
    return false
  }
}
