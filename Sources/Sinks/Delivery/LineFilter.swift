// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Holds lines against a filter, in their order: what came of a kill goes where the kill went.
struct LineFilter {
  /// Kills whose outcome may come; of older ones it does not get through.
  private static let killsMax = 1024

  private struct Kill: Hashable {
    var decision: Int64?
    var pid: Int64?
  }

  private let filter: DestinationFilter
  private var kills: Set<Kill> = []
  private var order: [Kill] = []

  init(_ filter: DestinationFilter) { self.filter = filter }

  mutating func passes(_ line: DeliveredLine) -> Bool {
    if filter.isEmpty { return true }
    let facts = line.facts
    let isWanted = wants(facts)
    if facts.type == "oom_kill", isWanted { remember(Kill(decision: facts.decisionID, pid: facts.subject.pid)) }
    guard filter.types.isEmpty || facts.type.map(filter.types.contains) == true else { return false }
    return isWanted
  }

  /// By groups and names alone: a kill that its type keeps out still says where its outcome belongs.
  private func wants(_ facts: LineFacts) -> Bool {
    if filter.cgroups.isEmpty && filter.victims.isEmpty { return true }
    let subject = facts.subject
    switch facts.type {
    // Of the stream, and not of anybody in it.
    case "stream_start", "stream_end", "loss", nil: return true
    case "oom_outcome": return kills.contains(Kill(decision: facts.decisionID, pid: subject.pid))
    case "pressure": return filter.cgroups.isEmpty || LineFilter.matches(filter.cgroups, subject.cgroup)
    default:
      return (filter.cgroups.isEmpty || LineFilter.matches(filter.cgroups, subject.cgroup))
        && (filter.victims.isEmpty || LineFilter.matches(filter.victims, subject.comm))
    }
  }

  private mutating func remember(_ kill: Kill) {
    guard kills.insert(kill).inserted else { return }
    order.append(kill)
    if order.count > 2 * LineFilter.killsMax {
      for old in order.prefix(LineFilter.killsMax) { kills.remove(old) }
      order.removeFirst(LineFilter.killsMax)
    }
  }

  /// Source: fnmatch(3); `*` goes across slashes.
  private static func matches(_ patterns: [String], _ name: KernelName?) -> Bool {
    guard let name else { return false }
    let bytes = name.bytes.map(CChar.init(bitPattern:)) + [0]
    return patterns.contains { fnmatch($0, bytes, 0) == 0 }
  }
}
