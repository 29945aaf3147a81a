// SPDX-License-Identifier: Apache-2.0
import Events

/// Events for people: a few lines each, safe for a terminal.
package struct EventText: Sendable {
  private let explanation: Explanation
  private let style: Style

  package init(pageSizeBytes: Int, coloured: Bool) {
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
    style = Style(coloured: coloured)
  }

  /// The event as lines, each ending in `\n`.
  package func text(_ event: Event, at time: EventTime) -> String {
    let head = style.dim(EventText.clock(time)) + "  "
    switch event {
    case .streamStart(let start): return head + text(start)
    case .oomKill(let kill): return head + text(kill)
    case .oomOutcome(let outcome): return head + text(outcome)
    case .oomNoKill(let noKill): return head + text(noKill)
    case .loss(let loss): return head + style.warning("LOSS") + "  \(TerminalText.safe(loss.detail))\n"
    case .pressure(let pressure): return head + PressureText(explanation, style).text(pressure)
    case .policyAction(let action): return head + text(action)
    case .guardAction(let action):
      return head + GuardText(pageSizeBytes: explanation.pageSizeBytes, style: style).text(action)
    case .streamEnd(let end):
      let counted = end.vmstatGrowth.map { ", the kernel counted \($0)" } ?? ""
      let past = end.backfill.map { ", \($0.kills) of them from before the start" } ?? ""
      return head + style.dim("watched to the end: \(plural(end.kills, "kill")) told\(past)\(counted)") + "\n"
    }
  }

  /// The wall clock in UTC; where there is none the time since boot, as dmesg has it.
  static func clock(_ time: EventTime) -> String {
    if let wall = time.wallNanoseconds {
      return String(RFC3339.text(wallNanoseconds: wall).prefix(23)).replacing("T", with: " ") + "Z"
    }
    guard let monotonic = time.monotonicNanoseconds else { return "no time" }
    let fraction = String(monotonic % 1_000_000_000 / 1000)
    return "[" + String(monotonic / 1_000_000_000).padded(to: 5, left: true) + "."
      + String(repeating: "0", count: 6 - fraction.count) + fraction + "]"
  }

  private func text(_ start: StreamStart) -> String {
    let refused = start.probes.filter { $0.refusal != nil }.count
    let probes = "\(start.probes.count - refused) of \(start.probes.count) probes"
    let release = TerminalText.safe(start.kernelRelease)
    return style.dim("watching kernel \(release) by \(start.source.rawValue), \(probes)") + "\n"
  }

  private func text(_ kill: OOMKill) -> String {
    let victim = kill.victim
    var lines = [
      "\(style.alarm("OOM KILL")) \(style.strong(TerminalText.safe(victim.comm))) pid \(victim.pid)",
      "  " + explanation.sentence(kill),
    ]
    let facts = facts(of: kill)
    let isAfterTable = ["memory", "unknown"]
    func add(_ facts: [Fact]) { lines += facts.map { "  " + style.dim($0.label.padded(to: 10)) + " " + $0.value } }
    add(facts.filter { !isAfterTable.contains($0.label) })
    if let candidates = kill.candidates { lines += table(candidates, victim: victim) }
    add(facts.filter { isAfterTable.contains($0.label) })
    return lines.joined(separator: "\n") + "\n"
  }

  /// Something that is known of a kill, for people; safe for a terminal.
  struct Fact {
    var label: String
    var value: String
  }

  /// All that is known beside the candidates, and what is not.
  func facts(of kill: OOMKill) -> [Fact] {
    var facts: [Fact] = []
    func add(_ label: String, _ value: String?) {
      if let value, !value.isEmpty { facts.append(Fact(label: label, value: value)) }
    }
    add("victim", victimLine(kill.victim))
    add("where", kill.victim.cgroup?.owner.flatMap(whereLine))
    add("command", kill.victim.cmdline.map { $0.map(TerminalText.safe).joined(separator: " ") })
    add("trigger", kill.trigger.flatMap(triggerLine))
    add("limit", kill.limit.flatMap { limitLine($0, scope: kill.scope) })
    add("badness", kill.badness.map(badnessLine))
    add("memory", kill.memory.flatMap(memoryLine))
    add(
      "guard",
      kill.afterGuardAction.map {
        "\(TerminalText.safe($0.by)) had sent \($0.signal.rawValue) to \(TerminalText.safe($0.comm)) pid \($0.pid) "
          + "\($0.milliseconds) ms before"
      })
    if !kill.unavailable.isEmpty {
      let why = "not visible to \(kill.source.rawValue), or gone before /proc was read"
      add("unknown", "\(TerminalText.safe(kill.unavailable.joined(separator: ", "))) (\(why))")
    }
    return facts
  }

  private func victimLine(_ victim: Victim) -> String {
    var parts = [victim.user.map(TerminalText.safe) ?? victim.uid.map { "uid \($0)" }]
    parts.append(victim.ppid.map { "child of \(victim.parentComm.map(TerminalText.safe) ?? "?") (pid \($0))" })
    parts.append(victim.ageSeconds.map { "\($0) s old" })
    parts.append(victim.oomScoreAdj.map { "oom_score_adj \($0)" })
    parts.append(victim.cgroup?.path.map { "cgroup \(TerminalText.safe($0))" })
    return parts.compactMap { $0 }.joined(separator: ", ")
  }

  /// `docker container web 0123456789ab, image shop/web:7, pod shop/cart-0`.
  private func whereLine(_ owner: CgroupOwner) -> String? {
    var parts: [String?] = []
    if let container = owner.container {
      let names = [container.runtime, "container", container.name, String(container.id.prefix(12))]
      parts.append(names.compactMap { $0 }.joined(separator: " "))
      parts.append(container.image.map { "image \($0)" })
      let compose = [container.composeProject, container.composeService].compactMap { $0 }.joined(separator: "/")
      parts.append(compose.isEmpty ? nil : "Compose service \(compose)")
      parts.append(container.pod.map { "pod \($0.prefix(12))" })
    }
    if let pod = owner.pod, let name = pod.displayName ?? pod.podUID {
      parts.append("pod \(name)" + (pod.container.map { " container \($0)" } ?? ""))
      parts.append(pod.qosClass?.rawValue)
    }
    parts.append(owner.unit.map { "unit \($0)" })
    let known = parts.compactMap { $0 }
    return known.isEmpty ? nil : TerminalText.safe(known.joined(separator: ", "))
  }

  private func triggerLine(_ trigger: Trigger) -> String? {
    guard let comm = trigger.comm, let pid = trigger.pid else { return nil }
    let flags = trigger.gfpFlags.isEmpty ? "" : ", \(TerminalText.safe(trigger.gfpFlags.joined(separator: "|")))"
    let order = trigger.order.map { ", order \($0)" } ?? ""
    return "\(TerminalText.safe(comm)) pid \(pid)\(trigger.isVictim == true ? " (the victim)" : "")\(flags)\(order)"
  }

  private func limitLine(_ limit: BindingLimit, scope: Scope?) -> String? {
    let inferred = limit.inferred == true ? " (inferred)" : ""
    guard let path = limit.cgroup?.path else {
      guard let total = limit.totalPages else { return nil }
      return "\(scope?.rawValue ?? "domain"): \(explanation.size(total)) of RAM and swap\(inferred)"
    }
    let most = limit.limit?.pages.map { " of \(explanation.size($0))" } ?? ""
    let used = limit.usagePages.map { ", \(explanation.size($0))" } ?? ""
    let owner = limit.cgroup?.owner?.phrase.map { " of \(TerminalText.safe($0))" } ?? ""
    return "\(TerminalText.safe(path))\(owner)\(used)\(most) used\(inferred)"
  }

  private func badnessLine(_ badness: VictimBadness) -> String {
    let parts = badness.parts
    let terms = [
      ("anon", parts.anonPages), ("file", parts.filePages), ("shmem", parts.shmemPages), ("swap", parts.swapPages),
      ("pgtables", parts.pgtablePages), ("adj", badness.adjPoints ?? 0),
    ]
    let sum = terms.filter { $0.1 != 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " + ")
    guard let points = badness.points else { return sum + " pages" }
    let check =
      switch badness.residuePages {
      case 0?: ", as the kernel counted"
      case let residue?: ", the kernel counted \(residue) more"
      case nil: ", computed"
      }
    return "\(points) points = \(sum) pages\(check)"
  }

  private func memoryLine(_ memory: MemoryState) -> String? {
    guard let total = memory.totalPages, let available = memory.availablePages else { return nil }
    let swap = (memory.swapTotalPages ?? 0) > 0 ? ", swap \(explanation.size(memory.swapFreePages ?? 0)) free" : ""
    return "\(explanation.size(available)) available of \(explanation.size(total))\(swap), read after the kill"
  }

  private func table(_ candidates: Candidates, victim: Victim) -> [String] {
    guard candidates.list.count > 1 else { return [] }
    var lines = ["  " + style.dim("  rank     points    pid    adj  candidate")]
    for candidate in candidates.list.prefix(10) {
      let rank = candidate.rank.map(String.init) ?? "-"
      let points = candidate.points.map { String($0) } ?? candidate.skipped?.rawValue ?? "-"
      let row =
        "  \(rank.padded(to: 5, left: true)) \(points.padded(to: 11, left: true)) "
        + "\(String(candidate.pid).padded(to: 6, left: true)) \(String(candidate.oomScoreAdj).padded(to: 6, left: true))"
        + "  \(TerminalText.safe(candidate.comm))"
      lines.append(candidate.pid == victim.pid ? style.strong(row) : row)
    }
    let rest = candidates.considered - min(10, candidates.list.count)
    if rest > 0 { lines.append("  " + style.dim("      and \(rest) more")) }
    return lines
  }

  private func text(_ action: PolicyAction) -> String {
    let name = "\(TerminalText.safe(action.comm)) pid \(action.pid)"
    let before = action.adjBefore.map { "\($0) -> " } ?? ""
    let rule = action.sharesMemoryWith.map { "shares the memory of pid \($0)" } ?? TerminalText.safe(action.rule)
    if let error = action.error { return style.warning("FAILED") + "  \(name): \(TerminalText.safe(error))\n" }
    return style.strong("SET") + "  \(name): \(before)\(action.adjAfter ?? action.adjWanted) (\(rule))\n"
  }

  private func text(_ outcome: OOMOutcome) -> String {
    let name = "\(TerminalText.safe(outcome.comm)) pid \(outcome.pid)"
    guard outcome.exited, let exit = outcome.exitMicroseconds else {
      return style.warning("NOT GONE") + " \(name) has not exited 30 s after the kill\n"
    }
    let freed = outcome.freedBytes.map { ", gave back \(explanation.size(bytes: $0))" } ?? ""
    return style.dim("gone") + " \(name) after \(exit / 1000).\(String(exit % 1000 / 100)) ms\(freed)\n"
  }

  private func text(_ noKill: OOMNoKill) -> String {
    let who = noKill.comm.map { " \(TerminalText.safe($0)) pid \(noKill.pid ?? 0)" } ?? ""
    let what =
      switch noKill.reason {
      case .allocatingTaskDying: "the task that asked for memory was dying already:\(who)"
      case .chosenTaskDying: "the chosen process was dying already:\(who)"
      case .noKillableProcess: "there was no process that may be killed"
      }
    return style.warning("NO KILL") + " out of memory, and \(what)\n"
  }

  private func plural(_ count: Int64, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

extension String {
  /// Blanks up to a width, on the right or on the left.
  fileprivate func padded(to width: Int, left: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - count))
    return left ? blanks + self : self + blanks
  }
}
