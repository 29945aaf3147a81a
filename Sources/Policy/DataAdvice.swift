// SPDX-License-Identifier: Apache-2.0
import Events

/// Advice for hosts of databases, where one was found.
///
/// Source: the guide's 5.2: limits on connections and on the memory of queries, size of the buffer pool.
struct DatabaseAdvice {
  private let host: HostSettings
  private static let programs = [
    "postgres", "mysqld", "mariadbd", "mongod", "redis-server", "valkey-server", "clickhouse-server",
  ]

  init(_ host: HostSettings) { self.host = host }

  private var found: (name: String, processes: [HostSettings.HostProcess])? {
    DatabaseAdvice.programs.map { name in (name, host.processes.filter { $0.runs(name) }) }
      .filter { !$0.1.isEmpty }
      .max { DatabaseAdvice.held($0.1) < DatabaseAdvice.held($1.1) }
  }

  /// What all of them hold; memory that they share is counted once.
  private static func held(_ processes: [HostSettings.HostProcess]) -> Int64 {
    processes.reduce(0) { $0 + $1.ownBytes } + (processes.map(\.shmemBytes).max() ?? 0)
  }

  var findings: [Finding?] {
    guard let found else { return [] }
    return [
      buffers(found.name, found.processes), connections(found.name, found.processes), overcommit,
      protection(found.name, found.processes),
    ]
  }

  /// The pool is shared memory in PostgreSQL, and memory of the one process in the others.
  private func buffers(_ name: String, _ processes: [HostSettings.HostProcess]) -> Finding? {
    let isShared = name == "postgres"
    let pool = isShared ? processes.map(\.shmemBytes).max() ?? 0 : processes.map(\.ownBytes).max() ?? 0
    let settings = [
      "postgres": "shared_buffers", "mysqld": "innodb_buffer_pool_size", "mariadbd": "innodb_buffer_pool_size",
      "mongod": "storage.wiredTiger.engineConfig.cacheSizeGB", "redis-server": "maxmemory",
      "valkey-server": "maxmemory", "clickhouse-server": "max_server_memory_usage",
    ]
    let limit = host.groups.first { $0.unit != nil && $0.unit == processes.first?.unit }?.limitBytes
    guard pool > 0, let whole = limit ?? host.memory.totalBytes, let share = Examination.percent(pool, of: whole) else {
      return nil
    }
    let setting = settings[name] ?? "its pool"
    let value = "\(Examination.size(pool)) of \(Examination.size(whole))"
    let most: Int64 = isShared ? 40 : 80
    let whose = limit == nil ? "RAM" : "the memory limit of its service"
    if share > most {
      return Finding(
        .databaseBuffers, value, .warning,
        "\(name) holds \(share)% of \(whose) \(isShared ? "in shared buffers" : "in one process"), which leaves little for "
          + "queries and the page cache: \(setting) is what sets it.", remedy: ["# lower \(setting)"])
    }
    return Finding(
      .databaseBuffers, value, .ok, "\(name) holds \(share)% of \(whose) so far; \(setting) says how far it may go.")
  }

  /// A backend for each connection in PostgreSQL. Source: PostgreSQL, max_connections, work_mem.
  private func connections(_ name: String, _ processes: [HostSettings.HostProcess]) -> Finding? {
    guard name == "postgres", let available = host.memory.availableBytes else { return nil }
    let pids = Set(processes.map(\.pid))
    let backends = processes.filter { pids.contains($0.ppid) }
    guard let largest = backends.map(\.ownBytes).max(), largest > 0 else { return nil }
    let held = backends.reduce(0) { $0 + $1.ownBytes }
    let fits = Int64(backends.count) + available / largest
    return Finding(
      .databaseConnections, "\(backends.count) server processes, \(Examination.size(held))", .note,
      "The largest holds \(Examination.size(largest)) of its own, so that the memory that is left has room for about \(fits) "
        + "of that kind: max_connections times work_mem must fit too.",
      remedy: ["psql -c 'show max_connections' -c 'show work_mem'"])
  }

  /// Source: PostgreSQL, Linux Memory Overcommit; Redis, administration.
  private var overcommit: Finding? {
    guard let mode = host.sysctls.overcommitMemory else { return nil }
    let id = CheckID.databaseOvercommit
    let forks = ["redis-server", "valkey-server"].filter { name in host.processes.contains { $0.runs(name) } }
    let hasPostgres = host.processes.contains { $0.runs("postgres") }
    if let first = forks.first {
      guard mode != 1 else { return Finding(id, "1", .ok, "\(first) can fork to save, however much it holds.") }
      return Finding(
        id, "\(mode)", mode == 2 ? .warning : .note,
        "\(first) forks to save, which asks for all of its memory once more: the kernel may refuse that in mode \(mode)"
          + (hasPostgres ? ". PostgreSQL, which runs here too, wants mode 2: the two are better apart." : "."),
        remedy: hasPostgres ? [] : Examination.sysctl("vm.overcommit_memory", 1))
    }
    guard hasPostgres else { return nil }
    if mode == 2 {
      return Finding(
        id, "2", .ok, "A query of PostgreSQL that asks for too much fails; the server is not killed for it.")
    }
    return Finding(
      id, "\(mode)", .note,
      "A kill of one of its server processes makes PostgreSQL end all connections and recover; in mode 2 the query that "
        + "asks for too much fails alone. The limit must then fit all that runs here.",
      remedy: ["# look at Committed_AS under load first; then vm.overcommit_memory=2 and vm.overcommit_ratio=90"])
  }

  private func protection(_ name: String, _ processes: [HostSettings.HostProcess]) -> Finding? {
    let pids = Set(processes.map(\.pid))
    guard let main = processes.filter({ !pids.contains($0.ppid) }).max(by: { $0.ownBytes < $1.ownBytes }),
      let adj = main.oomScoreAdj
    else { return nil }
    let value = "\(main.name) at \(adj)"
    if adj <= -500 {
      return Finding(.databaseProtection, value, .ok, "Others are killed before \(name).")
    }
    return Finding(
      .databaseProtection, value, .note,
      "The database holds much and so has many points: it is among the first to be killed for what another took.",
      remedy: ["oomwitness protect plan --preset databases"])
  }
}

/// Advice for hosts of containers, where one was found.
///
/// Source: the guide's 5.2: fitting limits, requests, quotas.
struct ContainerAdvice {
  private let host: HostSettings

  init(_ host: HostSettings) { self.host = host }

  private var containers: [HostSettings.ServiceGroup] { host.groups.filter { $0.container != nil } }

  var findings: [Finding?] {
    guard !containers.isEmpty else { return [] }
    return [limits, requests, groupKill, swap]
  }

  private func name(_ group: HostSettings.ServiceGroup) -> String {
    let name = TerminalText.safe(group.container?.shownName ?? "")
    return group.container?.runtime.map { "\($0) \(name)" } ?? name
  }

  private var limits: Finding? {
    let free = containers.filter { $0.limitBytes == nil }
    let value = "\(containers.count - free.count) of \(Examination.plural(containers.count, "container")) limited"
    guard let largest = free.max(by: { $0.usageBytes ?? 0 < $1.usageBytes ?? 0 }) else {
      let sum = containers.reduce(0) { $0 + ($1.limitBytes ?? 0) / 1024 }
      let total = (host.memory.totalBytes ?? 0) / 1024
      guard total > 0, sum > total else {
        return Finding(
          .containerLimits, value, .ok, "Each container meets its own limit, and all of them fit into RAM.")
      }
      return Finding(
        .containerLimits, value, .note,
        "The limits add up to \(sum * 100 / total)% of RAM: when all are used, the host runs out before they do.")
    }
    let usage = largest.usageBytes.map { " uses \(Examination.size($0)) and" } ?? ""
    let id = largest.container.map { String($0.id.prefix(12)) } ?? ""
    let isDocker = largest.container?.runtime == "docker"
    let limit = ServiceChecks.roomy(largest.usageBytes ?? 0).lowercased()
    return Finding(
      .containerLimits, value, .warning, "\(name(largest))\(usage) may grow until the whole host is out of memory.",
      remedy: isDocker
        ? ["docker update --memory \(limit) --memory-swap \(limit) \(id)"]
        : ["# set a memory limit where the container is declared (resources.limits.memory, --memory)"])
  }

  /// Source: Kubernetes, Pod Quality of Service Classes: oom_score_adj of 1000 for BestEffort.
  private var requests: Finding? {
    let pods = containers.filter { contains($0, "kubepods") }
    guard !pods.isEmpty else { return nil }
    let without = pods.filter { contains($0, "besteffort") }
    let value = "\(pods.count - without.count) of \(Examination.plural(pods.count, "pod container")) with a request"
    guard !without.isEmpty else {
      return Finding(.containerRequests, value, .ok, "Each says what it needs, which the scheduler counts on.")
    }
    return Finding(
      .containerRequests, value, .note,
      "\(without.count) \(without.count == 1 ? "is" : "are") BestEffort: the scheduler counts nothing for "
        + "\(without.count == 1 ? "it" : "them"), and the kernel takes \(without.count == 1 ? "it" : "them") first, with "
        + "an oom_score_adj of 1000.", remedy: ["# set resources.requests.memory in the pod"])
  }

  private func contains(_ group: HostSettings.ServiceGroup, _ word: String) -> Bool {
    group.path.text.split(separator: "/").contains { component in
      component.split(whereSeparator: { "-.".contains($0) }).contains { $0 == word }
    }
  }

  /// Source: Kubernetes 1.28, singleProcessOOMKill; Documentation/admin-guide/cgroup-v2.rst, memory.oom.group.
  private var groupKill: Finding? {
    guard host.cgroupVersion == 2 else { return nil }
    let single = containers.filter { !$0.isKilledAsOne }
    let value = "\(containers.count - single.count) of \(Examination.plural(containers.count, "container"))"
    guard !single.isEmpty else {
      return Finding(
        .containerGroupKill, value, .ok, "With one process all of the container dies, and is started again.")
    }
    return Finding(
      .containerGroupKill, value, .note,
      "In \(single.count) of them a kill takes one process and leaves the rest: if it is not the first one, the engine "
        + "does not see it and starts nothing again.")
  }

  private var swap: Finding? {
    guard let areas = host.swapAreas, !areas.isEmpty else { return nil }
    return Finding(
      .containerSwap, Examination.size(areas.reduce(0) { $0 + $1.sizeBytes }), .note,
      "There is swap on this host: a container that has a limit of memory alone may use as much swap again (docker), or "
        + "none (Kubernetes). Its limit of memory and swap together is what bounds it.",
      remedy: ["docker update --memory-swap SIZE CONTAINER   # as --memory: no swap"])
  }
}
