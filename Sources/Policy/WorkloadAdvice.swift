// SPDX-License-Identifier: Apache-2.0
import Events

/// Advice for hosts of web applications, where their processes were found.
///
/// Source: the guide's 5.2: limits on connections, load balancing by memory, graceful shutdown.
struct WebAdvice {
  private let host: HostSettings
  /// Servers that answer each request, or a few, with a process of its own.
  private static let programs: [(name: String, setting: String)] = [
    ("php-fpm", "pm.max_children"), ("apache2", "MaxRequestWorkers"), ("httpd", "MaxRequestWorkers"),
    ("gunicorn", "--workers"), ("uwsgi", "processes"), ("puma", "workers"), ("unicorn", "worker_processes"),
    ("nginx", "worker_connections"), ("node", "--max-old-space-size"), ("java", "-Xmx"),
  ]
  /// Servers that are one process each: their memory is bounded by a setting of their own, not by their number.
  private static let single: Set<String> = ["nginx", "node", "java"]

  init(_ host: HostSettings) { self.host = host }

  private var found: (name: String, setting: String, processes: [HostSettings.HostProcess])? {
    let all = WebAdvice.programs.map { program in
      (
        name: program.name, setting: program.setting,
        processes: host.processes.filter { process in
          // Debian's name has the version in it: php-fpm8.4.
          process.runs(program.name)
            || (program.name == "php-fpm" && process.comm.bytes.starts(with: "php-fpm".utf8)
              && process.programs.contains { $0.hasPrefix("php-fpm") })
        }
      )
    }
    return all.filter { !$0.processes.isEmpty }.max { WebAdvice.held($0.processes) < WebAdvice.held($1.processes) }
  }

  private static func held(_ processes: [HostSettings.HostProcess]) -> Int64 {
    processes.reduce(0) { $0 + $1.ownBytes }
  }

  var findings: [Finding?] {
    guard let found else { return [] }
    return [workers(found.name, found.setting, found.processes), shutdown(found.name), signal(found.processes)]
  }

  private func workers(_ name: String, _ setting: String, _ processes: [HostSettings.HostProcess]) -> Finding? {
    let held = WebAdvice.held(processes)
    guard let total = host.memory.totalBytes, let available = host.memory.availableBytes else { return nil }
    let group = host.groups.first { $0.unit != nil && $0.unit == processes.first?.unit }
    let limit = group?.limitBytes
    // A fifth stays for what grows beside them.
    let room = min((available + held) / 5 * 4, (limit ?? total) / 5 * 4)
    let largest = processes.map(\.ownBytes).max() ?? 0
    let mean = held / Int64(processes.count)
    let value = "\(processes.count) process\(processes.count == 1 ? "" : "es") of \(name), \(Examination.size(held))"
    let whose = limit.map { "the limit of \(Examination.size($0))" } ?? "the memory of this host"
    if WebAdvice.single.contains(name) {
      return Finding(
        .webWorkers, value, held > room ? .warning : .note,
        "The largest holds \(Examination.size(largest)), and \(Examination.size(room)) is what \(whose) has for them: bound each by "
          + "\(setting), so that it refuses work before the kernel kills it.")
    }
    guard mean > 0 else { return nil }
    let fits = max(1, room / max(mean, largest / 2))
    return Finding(
      .webWorkers, value, fits < Int64(processes.count) ? .warning : .note,
      "One holds \(Examination.size(mean)) on the average and \(Examination.size(largest)) at most, so that \(whose) has room for "
        + "about \(fits): more connections than that must wait, and not fork.", remedy: ["# \(setting) = \(fits)"])
  }

  /// The kernel's SIGKILL cannot be caught. Source: earlyoom(1), systemd-oomd.service(8).
  private func shutdown(_ name: String) -> Finding? {
    if host.processes.contains(where: { $0.runs("earlyoom") || $0.runs("nohang") }) {
      return Finding(
        .webShutdown, "SIGTERM by a guard", .ok,
        "The guard that runs here sends SIGTERM before SIGKILL: \(name) can finish its requests if it takes that signal."
      )
    }
    let isOomd = host.processes.contains { $0.runs("systemd-oomd") }
    return Finding(
      .webShutdown, isOomd ? "SIGKILL by systemd-oomd" : "SIGKILL by the kernel", .note,
      "SIGKILL cannot be caught, so that no graceful shutdown of \(name) runs when memory is out: requests in flight are "
        + "lost. A guard that sends SIGTERM first would give it the time.", remedy: ["apt-get install earlyoom"])
  }

  /// File: memory.pressure. Kernel: kernel/sched/psi.c.
  private func signal(_ processes: [HostSettings.HostProcess]) -> Finding? {
    guard host.pressure == .on else { return nil }
    let group = host.groups.first { $0.unit != nil && $0.unit == processes.first?.unit }
    if host.cgroupVersion == 2, let group {
      let path = TerminalText.safe(group.path)
      return Finding(
        .webSignal, "\(path)/memory.pressure", .note,
        "Load can be taken off by memory: the health check reads this file, and says no while avg10 of `some` is above a "
          + "few per cent.",
        remedy: Examination.isPlainWord(group.path) ? ["cat '/sys/fs/cgroup\(path)/memory.pressure'"] : [])
    }
    return Finding(
      .webSignal, "/proc/pressure/memory", .note,
      "Load can be taken off by memory: the health check reads this file, and says no while avg10 of `some` is above a "
        + "few per cent.", remedy: ["cat /proc/pressure/memory"])
  }
}

/// Advice for hosts of batch jobs, by the largest process that nobody protects.
///
/// Source: the guide's 5.2: work in chunks, watching of memory, backpressure.
struct BatchAdvice {
  private let host: HostSettings
  /// Less of the RAM than this in one process is nothing to speak of.
  private static let sharePercentMin: Int64 = 5

  init(_ host: HostSettings) { self.host = host }

  var findings: [Finding?] {
    guard let largest = host.processes.filter({ $0.oomScoreAdj ?? 0 > -500 }).max(by: { $0.ownBytes < $1.ownBytes }),
      let share = Examination.percent(largest.ownBytes, of: host.memory.totalBytes),
      share >= BatchAdvice.sharePercentMin
    else { return [] }
    let group = host.groups.first { group in
      guard let own = largest.cgroup?.bytes else { return false }
      return own == group.path.bytes || own.starts(with: group.path.bytes + [UInt8(ascii: "/")])
    }
    return [chunks(largest, share), backpressure(largest, group), sacrifice(largest)]
  }

  private func chunks(_ largest: HostSettings.HostProcess, _ share: Int64) -> Finding {
    Finding(
      .batchLargest, "\(largest.name), \(Examination.size(largest.ownBytes))", share >= 50 ? .warning : .note,
      "It alone holds \(share)% of RAM, which reclaim cannot drop: work in smaller chunks is what lowers that. Its growth "
        + "is best watched over one whole run.", remedy: ["oomwitness scores --sort anon --watch"])
  }

  /// Kernel: mm/memcontrol.c, mem_cgroup_handle_over_high().
  private func backpressure(_ largest: HostSettings.HostProcess, _ group: HostSettings.ServiceGroup?) -> Finding? {
    let id = CheckID.batchBackpressure
    guard host.cgroupVersion == 2 else { return nil }
    guard let group, group.unit != nil || group.container != nil else {
      return Finding(
        id, "none", .note, "\(largest.name) runs in no unit of its own, so that nothing can slow down it alone.",
        remedy: ["systemd-run --scope -p MemoryHigh=\(ServiceChecks.roomy(largest.ownBytes)) COMMAND"])
    }
    if let high = group.highBytes {
      return Finding(
        id, Examination.size(high), .ok,
        "Above memory.high the job is slowed down and its pages are taken back, before any kill.")
    }
    let high = ServiceChecks.roomy(group.usageBytes ?? largest.ownBytes)
    return Finding(
      id, "none", .note,
      "\(largest.name) runs at full speed into its limit or the host's: memory.high would slow it down before.",
      remedy: group.unit.map { ["systemctl set-property '\($0)' MemoryHigh=\(high)"] } ?? [])
  }

  private func sacrifice(_ largest: HostSettings.HostProcess) -> Finding? {
    guard let adj = largest.oomScoreAdj else { return nil }
    if adj > 0 {
      return Finding(.batchSacrifice, "\(adj)", .ok, "\(largest.name) is killed before services that hold as much.")
    }
    return Finding(
      .batchSacrifice, "\(adj)", .note,
      "A job can be run again and a service cannot be away: with an oom_score_adj above 0 \(largest.name) goes first.",
      remedy: ["choom -p \(largest.pid) -n 500   # or OOMScoreAdjust=500 in its unit"])
  }
}
