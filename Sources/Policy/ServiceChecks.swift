// SPDX-License-Identifier: Apache-2.0
import Events

/// What becomes of services: who is protected, who is limited, what systemd does after a kill.
///
/// Source: systemd.service(5), systemd.resource-control(5); Kernel: mm/oom_kill.c, oom_badness().
struct ServiceChecks {
  private let host: HostSettings

  init(_ host: HostSettings) { self.host = host }

  var findings: [Finding?] { [oomPolicy, serviceLimits, criticalServices, unkillable] }

  /// Without these a host cannot be reached or loses its containers. Their own units or they themselves set -500 or less.
  private static let critical = [
    "sshd", "dbus-daemon", "dbus-broker", "systemd-udevd", "dockerd", "containerd", "kubelet", "crio",
  ]
  /// From here on a process comes after all that hold less than half of the memory.
  private static let protectedAdj = -500

  /// Source: systemd.service(5), OOMPolicy=: stop where nobody says anything, continue where processes are delegated.
  private var oomPolicy: Finding? {
    guard let count = host.serviceFiles else { return nil }
    let id = CheckID.oomPolicy
    let known = ["stop", "continue", "kill"]
    let said = host.units.filter { $0.oomPolicy != nil }
    let wrong = said.filter { !known.contains($0.oomPolicy ?? "") }
    let names = said.map { "\($0.name)=\(TerminalText.safe($0.oomPolicy ?? ""))" }
    let usual = host.defaultOOMPolicy ?? "stop"
    let value = said.isEmpty ? "none of \(count)" : "\(said.count) of \(count): \(Examination.list(names))"
    if !known.contains(usual) {
      return Finding(
        id, value, .warning,
        "DefaultOOMPolicy=\(TerminalText.safe(usual)) is none of stop, continue and kill, and systemd passes over it.",
        remedy: ["# set DefaultOOMPolicy=stop in /etc/systemd/system.conf.d/90-oom.conf, then systemctl daemon-reexec"])
    }
    if let first = wrong.first {
      return Finding(
        id, value, .warning,
        "\(Examination.list(wrong.map(\.name))) name\(wrong.count == 1 ? "s" : "") a policy that is none of stop, continue and "
          + "kill, and systemd passes over it.",
        remedy: ["oomwitness protect systemd '\(first.name)' --oom-policy stop --write --daemon-reload"])
    }
    return Finding(
      id, value, .ok,
      "Where nothing is said, systemd does `\(usual)` after a kill in a service"
        + (usual == "stop" ? ": it stops the rest of it, so that Restart= can bring all of it back." : "."))
  }

  /// The group's own limit or one above it.
  private var serviceLimits: Finding? {
    let services = host.groups.filter { $0.unit?.hasSuffix(".service") == true }
    let id = CheckID.serviceLimits
    guard host.cgroupVersion ?? 0 != 0, !services.isEmpty else { return nil }
    let free = services.filter { $0.limitBytes == nil && $0.highBytes == nil }
    let value = "\(services.count - free.count) of \(Examination.plural(services.count, "running service")) limited"
    guard let largest = free.max(by: { $0.usageBytes ?? 0 < $1.usageBytes ?? 0 }), let unit = largest.unit else {
      return Finding(id, value, .ok, "A service that leaks meets its own limit before it takes memory from the others.")
    }
    let usage = largest.usageBytes.map { ", which uses \(Examination.size($0))," } ?? ""
    let share = Examination.percent(largest.usageBytes ?? 0, of: host.memory.totalBytes) ?? 0
    let limit = largest.usageBytes.map { ServiceChecks.roomy($0) } ?? "2G"
    return Finding(
      id, value, share >= 50 ? .warning : .note,
      "\(unit)\(usage) is the largest that may grow until the whole host is out of memory.",
      remedy: ["systemctl set-property '\(unit)' MemoryMax=\(limit)   # what it needs at its peak, and some room"])
  }

  /// Half as much again, in whole MiB, as systemd takes it.
  static func roomy(_ bytes: Int64) -> String { "\(max(64, bytes / 2 * 3 >> 20))M" }

  /// The host's own, which are children of init: a session of sshd is given 0 on purpose, and a user's session bus is
  /// that user's. Source: sshd's oom_adjust_restore().
  private var criticalServices: Finding? {
    let id = CheckID.criticalServices
    let found = host.processes.filter { process in
      ServiceChecks.critical.contains(where: process.runs)
        && process.ppid <= 1 && process.oomScoreAdj != nil
    }
    guard !found.isEmpty else {
      return Finding(
        id, "none found", .ok,
        "None of those runs without which a host is lost: \(Examination.list(ServiceChecks.critical, max: 9)).")
    }
    let bare = found.filter { $0.oomScoreAdj ?? 0 > ServiceChecks.protectedAdj }
    guard !bare.isEmpty else {
      let names = Set(found.map { TerminalText.safe($0.comm) }).sorted()
      return Finding(
        id, Examination.list(names), .ok, "Each has an oom_score_adj of -500 or less: others are killed before.")
    }
    let value = Examination.list(bare.map { "\($0.name) at \($0.oomScoreAdj ?? 0)" })
    return Finding(
      id, value, .warning,
      "Without \(bare.count == 1 ? "it" : "them") the host may not be reached or loses its services, and nothing keeps the "
        + "kernel from taking \(bare.count == 1 ? "it" : "one of them").",
      remedy: bare.prefix(4).map { process in
        guard let unit = process.unit, unit.hasSuffix(".service") else {
          return "oomwitness protect apply --rule 'comm=\(TerminalText.safe(process.comm)):-999'"
        }
        return "oomwitness protect systemd '\(unit)' --oom-score-adj -999 --write --daemon-reload"
      })
  }

  /// Kernel: mm/oom_kill.c, out_of_memory(): "System is deadlocked on memory" where nobody may be killed.
  private var unkillable: Finding? {
    let id = CheckID.unkillable
    let known = host.processes.filter { $0.oomScoreAdj != nil && $0.pid != 1 }
    guard !known.isEmpty else { return nil }
    let never = known.filter { $0.oomScoreAdj == -1000 }
    let held = never.reduce(0) { $0 + $1.ownBytes }
    let share = Examination.percent(held, of: host.memory.totalBytes) ?? 0
    let value = never.isEmpty ? "none" : "\(never.count), which hold \(Examination.size(held))"
    let remedy = never.max { $0.ownBytes < $1.ownBytes }.map {
      Examination.isPlainWord($0.comm)
        ? ["oomwitness protect apply --rule 'comm=\($0.comm.text):-999'   # last, and still possible"]
        : ["choom -p \($0.pid) -n -999   # last, and still possible"]
    }
    if never.count == known.count {
      return Finding(
        id, value, .critical, "Nobody may be killed: where memory runs out the kernel panics.", remedy: remedy ?? [])
    }
    if share >= 50 {
      return Finding(
        id, value, .critical,
        "\(share)% of RAM is held by processes that may never be killed: if one of them is what grows, all others die and "
          + "then the kernel panics.", remedy: remedy ?? [])
    }
    if share >= 20 {
      return Finding(
        id, value, .warning,
        "\(share)% of RAM is held by processes that may never be killed: if one of them is what grows, others die for it.",
        remedy: remedy ?? [])
    }
    return Finding(
      id, value, .ok,
      never.isEmpty ? "The kernel may kill any process." : "What they hold is little: a kill of another process helps.")
  }
}
