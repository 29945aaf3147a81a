// SPDX-License-Identifier: Apache-2.0

/// Says a kill in one English sentence, with the numbers in it.
///
/// A person on call reads this first: who died, for whose need, at whose limit, and why this one and not another.
package struct Explanation: Sendable {
  private let pageSizeBytes: Int

  package init(pageSizeBytes: Int) { self.pageSizeBytes = pageSizeBytes }

  package func sentence(_ kill: OOMKill) -> String {
    let name = "\(printable(kill.victim.comm)) (pid \(kill.victim.pid))"
    var parts = ["The kernel killed \(name)\(held(kill))", cause(kill)]
    if let why = why(kill) { parts.append(why) }
    return parts.joined(separator: " ") + "."
  }

  private func held(_ kill: OOMKill) -> String {
    guard let parts = kill.badness?.parts, parts.residentPages + parts.swapPages > 0 else { return "" }
    let swap = parts.swapPages > 0 ? " and \(size(parts.swapPages)) in swap" : ""
    return ", which held \(size(parts.residentPages)) of memory\(swap),"
  }

  private func cause(_ kill: OOMKill) -> String {
    let asker = kill.trigger.flatMap { trigger -> String? in
      if trigger.isVictim == true { return "it" }
      guard let comm = trigger.comm, let pid = trigger.pid else { return nil }
      return "\(printable(comm)) (pid \(pid))"
    }
    let asked = asker.map { " when \($0) asked for memory" } ?? ""
    if kill.decision.path == .sysrq { return "because somebody asked for it by sysrq-f" }
    switch kill.scope {
    case .memcg:
      let cgroup = kill.limit?.cgroup?.path.map { "cgroup " + printable($0) } ?? "a cgroup"
      let limit = (kill.limit?.limit?.pages).map { " of \(size($0))" } ?? ""
      return "because \(cgroup) was at its limit\(limit)\(asked)"
    case .cpuset: return "because the memory nodes of its cpuset were full\(asked)"
    case .mempolicy: return "because the memory nodes of the allocation's NUMA policy were full\(asked)"
    case .system: return "because the whole system was out of memory\(asked)"
    case nil: return "because memory ran out\(asked)"
    }
  }

  private func why(_ kill: OOMKill) -> String? {
    switch kill.victim.role {
    case .group: return "and its whole cgroup was killed with it, since memory.oom.group is set there"
    case .sharesMemory: return "and it shared its memory with the process that was chosen"
    case .chosen, nil: break
    }
    if kill.decision.path == .allocatingTask { return "and vm.oom_kill_allocating_task makes the one who asks pay" }
    guard let points = kill.badness?.points, let candidates = kill.candidates else { return nil }
    guard candidates.considered > 1, let margin = kill.candidates?.runnerUpMarginPages else {
      return candidates.considered == 1 ? "and it was the only process that could be chosen" : nil
    }
    let adj = kill.victim.oomScoreAdj.map { $0 == 0 ? "" : " with an oom_score_adj of \($0)" } ?? ""
    return "and its \(points) points\(adj) were the most among \(candidates.considered) processes, "
      + "\(margin) above the next"
  }

  /// Pages as a size for people: `31.8 MiB`.
  package func size(_ pages: Pages) -> String { size(bytes: pages &* Pages(pageSizeBytes)) }

  /// Bytes as a size for people: `31.8 MiB`.
  package func size(bytes: Int64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"]
    var scale: Int64 = 1024
    var unit = 0
    while unit + 1 < units.count, bytes >= scale * 1024 {
      scale *= 1024
      unit += 1
    }
    let tenths = bytes / scale * 10 + (bytes % scale * 10 + scale / 2) / scale
    return unit == 0 ? "\(tenths / 10) KiB" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// A name that a terminal can take: control characters as `\x1b`.
  package func printable(_ name: KernelName) -> String { TerminalText.safe(name) }
}

/// Makes text from the kernel or from users safe for a terminal.
package enum TerminalText {
  /// Control characters, DEL, the C1 range and the bidirectional marks become `\xHH` or `\u{HHHH}`; the rest stays.
  package static func safe(_ name: KernelName) -> String { safe(name.text) }

  package static func safe(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x00..<0x20, 0x7f..<0xa0: result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      case 0x61c, 0x200b..<0x2010, 0x2028..<0x202f, 0x2060..<0x2070, 0xfeff:
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
