// SPDX-License-Identifier: Apache-2.0
import Events

/// What sees and foresees kills: pressure, control groups, guards, monitoring, logs, and our own probes.
struct KillChecks {
  private let host: HostSettings

  init(_ host: HostSettings) { self.host = host }

  var findings: [Finding?] {
    [pressure, oomKills, witness, cgroupVersion, oomGroup, guards, oomd, monitoring, logRetention]
  }

  /// The known programs that kill before the kernel does.
  private static let guardPrograms = ["earlyoom", "systemd-oomd", "nohang", "oomd", "nohang-desktop"]
  /// Programs that keep numbers of memory, or tell kills.
  private static let monitors = [
    "oomwitness", "node_exporter", "prometheus-node-exporter", "netdata", "telegraf", "collectd", "zabbix_agentd",
    "zabbix_agent2", "atop", "grafana-agent", "alloy", "otelcol", "datadog-agent", "amazon-cloudwatch-agent",
  ]
  private static let logDaemons = ["rsyslogd", "syslog-ng", "syslogd", "metalog"]

  private func running(_ programs: [String]) -> [HostSettings.HostProcess] {
    host.processes.filter { process in programs.contains(where: process.runs) }
  }

  private var runningGuards: [HostSettings.HostProcess] { running(KillChecks.guardPrograms) }

  /// Kernel: kernel/sched/psi.c, Documentation/accounting/psi.rst.
  private var pressure: Finding? {
    guard let pressure = host.pressure else { return nil }
    let id = CheckID.pressure
    if pressure == .on {
      return Finding(
        id, "on", .ok, "How long tasks stand still for memory is measured: shortage is seen before a kill.")
    }
    let isNeeded = running(["systemd-oomd"]).first != nil
    return Finding(
      id, pressure == .off ? "off" : "off or not built in", isNeeded ? .warning : .note,
      "How long tasks stand still for memory is not measured"
        + (isNeeded
          ? ", and systemd-oomd, which runs here, cannot act without it." : ": shortage is seen only by the kill."),
      remedy: ["# add psi=1 to the kernel's command line (needs CONFIG_PSI), then reboot"])
  }

  /// File: /proc/vmstat, oom_kill.
  private var oomKills: Finding? {
    guard let kills = host.memory.oomKills else { return nil }
    guard kills > 0 else { return Finding(.oomKills, "0", .ok, "The kernel has killed nobody since boot.") }
    return Finding(
      .oomKills, "\(kills)", .note,
      "The kernel has counted \(kills) OOM kill\(kills == 1 ? "" : "s") since boot, of the whole system and of control "
        + "groups at their limit; its log says whom.",
      remedy: ["journalctl -k -b --grep 'Killed process'   # or: dmesg | grep 'Killed process'"])
  }

  /// The rung that `oomwitness trace` takes here.
  private var witness: Finding? {
    guard let access = host.witness else { return nil }
    let id = CheckID.witness
    let why = access.refusals.first.map { " (\($0))" } ?? ""
    let remedy = ["oomwitness check"]
    switch access.rung {
    case "tracepoint"?:
      return Finding(
        id, "tracepoint", .note,
        "Every kill is seen; the scores of the others are computed and the limit is inferred, since the kernel refuses "
          + "what sees the decision itself\(why).", remedy: remedy)
    case let rung?:
      return Finding(id, rung, .ok, "`oomwitness trace` sees the decision itself, with the kernel's points.")
    case nil where access.logRefusal == nil:
      return Finding(
        id, "kernel log", .warning,
        "No BPF program may be loaded\(why): `oomwitness trace` has what the kernel's log says, no more.",
        remedy: remedy)
    case nil:
      return Finding(
        id, "nothing", .warning, "Neither BPF nor the kernel's log may be read\(why): kills here go unseen.",
        remedy: remedy)
    }
  }

  /// File: /proc/self/mountinfo, cgroup.controllers. Source: Documentation/admin-guide/cgroup-v2.rst.
  private var cgroupVersion: Finding? {
    guard let version = host.cgroupVersion else { return nil }
    switch version {
    case 2:
      return Finding(
        .cgroupVersion, "2", .ok, "Services can be limited, slowed down before the limit, and killed as one.")
    case 1:
      return Finding(
        .cgroupVersion, "1", .note,
        "Services can be limited; there is no memory.high to slow them down before, no memory.oom.group, and no pressure "
          + "for each of them. systemd 258 and later does not start with version 1.",
        remedy: ["# add systemd.unified_cgroup_hierarchy=1 to the kernel's command line, then reboot"])
    default:
      return Finding(
        .cgroupVersion, "none", .warning,
        "No memory controller is to be seen: no service or container can be limited, so that any of them can use up the "
          + "whole host.", remedy: ["# remove cgroup_disable=memory from the kernel's command line, then reboot"])
    }
  }

  /// File: memory.oom.group. Kernel: mm/memcontrol.c, mem_cgroup_get_oom_group().
  private var oomGroup: Finding? {
    guard host.cgroupVersion == 2 else { return nil }
    let id = CheckID.oomGroup
    let groups = host.groupsKilledAsOne
    guard !groups.isEmpty else {
      return Finding(id, "none", .ok, "A kill takes one process of a group; the others of its service live on.")
    }
    let names = groups.map { TerminalText.safe($0) }
    let value = "\(groups.count): \(Examination.list(names))"
    let slices = names.filter { $0.hasSuffix(".slice") && !$0.contains("/kubepods") }
    guard slices.isEmpty else {
      return Finding(
        id, value, .warning,
        "\(Examination.list(slices)) \(slices.count == 1 ? "is a slice: all its" : "are slices: all their") services die with "
          + "one process of them.",
        remedy: ["# write 0 to memory.oom.group of that slice"])
    }
    return Finding(
      id, value, .ok, "With one process of such a group all of it is killed, so that no half of it is left.")
  }

  /// By name and executable, or name and script.
  private var guards: Finding? {
    let id = CheckID.guards
    let found = runningGuards
    let names = found.map(\.name)
    let kinds = Set(found.map { $0.comm.text }).sorted()
    if kinds.count > 1 {
      return Finding(
        id, Examination.list(names), .warning,
        "More than one guard runs. Each kills by its own rule without knowing of the other, so that two processes die "
          + "where one would do.", remedy: ["# keep one of: \(Examination.list(kinds.map { TerminalText.safe($0) }))"])
    }
    guard let first = found.first else {
      return Finding(
        id, "none", .note,
        "Nothing acts before the kernel does, which comes only when nothing can be had any more: a host can stand still "
          + "for minutes before.", remedy: ["apt-get install earlyoom   # or: systemctl enable --now systemd-oomd"])
    }
    if let adj = first.oomScoreAdj, adj >= 0 {
      return Finding(
        id, Examination.list(names), .note,
        "It acts before the kernel does; with an oom_score_adj of \(adj) it can be killed itself.",
        remedy: first.unit.map { ["oomwitness protect systemd '\($0)' --oom-score-adj -900 --write --daemon-reload"] }
          ?? [])
    }
    return Finding(id, Examination.list(names), .ok, "It acts before the kernel does.")
  }

  /// Source: systemd-oomd.service(8): version 2, PSI, and units whose ManagedOOM* is kill.
  private var oomd: Finding? {
    guard running(["systemd-oomd"]).first != nil else { return nil }
    let id = CheckID.oomd
    if let version = host.cgroupVersion, version != 2 {
      return Finding(
        id, "none", .warning, "systemd-oomd runs and cannot act: it needs control groups of version 2.",
        remedy: ["# add systemd.unified_cgroup_hierarchy=1 to the kernel's command line, then reboot"])
    }
    let units = host.units.filter { $0.managedOOMSwap == "kill" || $0.managedOOMMemoryPressure == "kill" }.map(\.name)
    guard !units.isEmpty else {
      return Finding(
        id, "none", .warning,
        "systemd-oomd runs and no unit file asks for it: it only acts below units that set ManagedOOMSwap= or "
          + "ManagedOOMMemoryPressure= to kill.",
        remedy: ["systemctl set-property user.slice ManagedOOMMemoryPressure=kill"])
    }
    return Finding(
      id, Examination.list(units), .ok, "It acts on what runs below these units, by SIGKILL to a whole group.")
  }

  private var monitoring: Finding? {
    // We run too, right now, and watch nothing: only `oomwitness trace` does.
    let found = running(KillChecks.monitors).filter { !$0.runs("oomwitness") || $0.programs.contains("trace") }
    guard !found.isEmpty else {
      return Finding(
        .monitoring, "none", .note,
        "No program that is known to keep numbers of memory or to tell kills runs: growth over days stays unseen.",
        remedy: ["oomwitness trace --output ndjson >> /var/log/oom.ndjson   # as a service"])
    }
    let names = Set(found.map { TerminalText.safe($0.comm) }).sorted()
    return Finding(.monitoring, Examination.list(names), .ok, "Memory is watched while the host runs.")
  }

  /// Source: journald.conf(5), Storage=.
  private var logRetention: Finding? {
    let id = CheckID.logRetention
    let daemons = Set(running(KillChecks.logDaemons).map { TerminalText.safe($0.comm) }).sorted()
    if let daemon = daemons.first {
      return Finding(
        id, daemon, .ok, "The kernel's log is taken by \(daemon), which writes to disk or to another host.")
    }
    guard running(["systemd-journald"]).first != nil, let journal = host.journal else {
      return Finding(
        id, "none", .warning,
        "Neither journald nor a syslog daemon runs: what the kernel says of a kill is lost when its buffer is full or "
          + "the host reboots.", remedy: ["apt-get install rsyslog"])
    }
    let value = "journald, Storage=\(TerminalText.safe(journal.storage))"
    if journal.isPersistent { return Finding(id, value, .ok, "The journal outlives a reboot.") }
    return Finding(
      id, value, .warning,
      "The journal is in memory: what the kernel said of a kill is gone after the reboot that follows.",
      remedy: [
        "mkdir -p /etc/systemd/journald.conf.d && printf '[Journal]\\nStorage=persistent\\n' "
          + "> /etc/systemd/journald.conf.d/90-oom.conf && systemctl restart systemd-journald"
      ])
  }
}
