// SPDX-License-Identifier: Apache-2.0

/// What `oomwitness doctor` looks at: the stable names by which scripts know a check.
///
/// A name is never given to another check, and none is taken away within v1. Shape: docs/schema/doctor.v1.schema.json.
package enum CheckID: String, CaseIterable, Sendable {
  case panicOnOOM = "vm.panic_on_oom"
  case oomKillAllocatingTask = "vm.oom_kill_allocating_task"
  case oomDumpTasks = "vm.oom_dump_tasks"
  case overcommitMemory = "vm.overcommit_memory"
  case overcommitRatio = "vm.overcommit_ratio"
  case overcommitKbytes = "vm.overcommit_kbytes"
  case swappiness = "vm.swappiness"
  case minFreeKbytes = "vm.min_free_kbytes"
  case watermarkScaleFactor = "vm.watermark_scale_factor"
  case memoryAvailable = "memory.available"
  case swap = "memory.swap"
  case zram = "memory.zram"
  case pressure = "kernel.psi"
  case oomKills = "kernel.oom_kills"
  case witness = "kernel.witness"
  case cgroupVersion = "cgroup.version"
  case oomGroup = "cgroup.oom_group"
  case guards = "guard.running"
  case oomd = "guard.systemd_oomd"
  case monitoring = "monitoring.running"
  case oomPolicy = "systemd.oom_policy"
  case serviceLimits = "systemd.limits"
  case criticalServices = "protection.critical_services"
  case unkillable = "protection.unkillable"
  case logRetention = "log.retention"
  case webWorkers = "workload.web.workers"
  case webShutdown = "workload.web.shutdown"
  case webSignal = "workload.web.signal"
  case databaseBuffers = "workload.database.buffers"
  case databaseConnections = "workload.database.connections"
  case databaseOvercommit = "workload.database.overcommit"
  case databaseProtection = "workload.database.protection"
  case batchLargest = "workload.batch.largest"
  case batchBackpressure = "workload.batch.backpressure"
  case batchSacrifice = "workload.batch.sacrifice"
  case containerLimits = "workload.container.limits"
  case containerRequests = "workload.container.requests"
  case containerGroupKill = "workload.container.group_kill"
  case containerSwap = "workload.container.swap"

  /// What it is, in a few words.
  package var title: String {
    switch self {
    case .panicOnOOM: "Panic in place of a kill"
    case .oomKillAllocatingTask: "Kill whoever asks for memory"
    case .oomDumpTasks: "Task table in the kernel's log"
    case .overcommitMemory: "How much memory the kernel promises"
    case .overcommitRatio: "Share of RAM that may be promised"
    case .overcommitKbytes: "Amount of memory that may be promised"
    case .swappiness: "Swap against page cache"
    case .minFreeKbytes: "Reserve that is kept free"
    case .watermarkScaleFactor: "How early reclaim in the background begins"
    case .memoryAvailable: "Memory that is left"
    case .swap: "Swap"
    case .zram: "Compressed swap in RAM"
    case .pressure: "Pressure stall information"
    case .oomKills: "OOM kills since boot"
    case .witness: "What the kernel lets oomwitness see"
    case .cgroupVersion: "Control groups of memory"
    case .oomGroup: "Groups that are killed as one"
    case .guards: "Guards that act before the kernel"
    case .oomd: "Units that systemd-oomd acts on"
    case .monitoring: "Monitoring of memory and kills"
    case .oomPolicy: "What systemd does after a kill"
    case .serviceLimits: "Memory limits of services"
    case .criticalServices: "Protection of critical services"
    case .unkillable: "Processes that the kernel may never kill"
    case .logRetention: "Kernel log after a reboot"
    case .webWorkers: "How many workers fit"
    case .webShutdown: "Graceful shutdown under pressure"
    case .webSignal: "Signal for load balancing by memory"
    case .databaseBuffers: "Buffer pool against RAM"
    case .databaseConnections: "Memory of connections"
    case .databaseOvercommit: "Overcommit as the database wants it"
    case .databaseProtection: "Protection of the database"
    case .batchLargest: "Largest process"
    case .batchBackpressure: "Backpressure by memory.high"
    case .batchSacrifice: "Who is killed first"
    case .containerLimits: "Limits of containers"
    case .containerRequests: "Requests of pods"
    case .containerGroupKill: "Containers that are killed as one"
    case .containerSwap: "Swap under containers"
    }
  }

  /// The workload whose advice it is; nil for a check of every host.
  package var workload: Workload? {
    Workload.allCases.first { rawValue.utf8.starts(with: "workload.\($0.rawValue).".utf8) }
  }
}

/// What a host is for, where its advice depends on that.
///
/// Source: the guide's section 5.2.
package enum Workload: String, CaseIterable, Sendable { case web, database, batch, container }
