// SPDX-License-Identifier: Apache-2.0

/// What a host is set to, as far as it matters when memory runs out: facts alone, judged by Policy.
///
/// A nil field was not observed: this kernel does not have it, or we may not read it.
/// Source: Host's SettingsReader; the command adds `witness`.
package struct HostSettings: Hashable, Sendable {
  package var sysctls = Sysctls()
  package var memory = Memory()
  /// Nil where the kernel has no swap at all.
  package var swapAreas: [SwapArea]?
  package var zram: [ZramDevice] = []
  package var isZswapEnabled: Bool?
  package var pressure: PressureAccounting?
  /// 1 or 2; 0 where memory is controlled nowhere that we can see.
  package var cgroupVersion: Int?
  /// Whose memory.oom.group is 1.
  package var groupsKilledAsOne: [KernelName] = []
  /// The user processes that there are.
  package var processes: [HostProcess] = []
  /// The groups of running units and of containers.
  package var groups: [ServiceGroup] = []
  /// What unit files say of services and slices, of those that say anything.
  package var units: [UnitSettings] = []
  /// How many unit files of services there are; nil without systemd.
  package var serviceFiles: Int?
  /// What systemd does where a service does not say; nil where nobody has set it.
  package var defaultOOMPolicy: String?
  package var journal: JournalStorage?
  /// Whether a kernel for crash dumps is loaded.
  package var isCrashKernelLoaded: Bool?
  package var witness: WitnessAccess?
  /// Why a check could not be made: a sentence for each.
  package var faults: [CheckID: String] = [:]

  package init() {}
}

extension HostSettings {
  /// Kernel settings, each one number. File: /proc/sys/vm, /proc/sys/kernel/panic.
  package struct Sysctls: Hashable, Sendable {
    package var panicOnOOM: Int64?
    package var oomKillAllocatingTask: Int64?
    package var oomDumpTasks: Int64?
    package var overcommitMemory: Int64?
    package var overcommitRatio: Int64?
    package var overcommitKbytes: Int64?
    package var swappiness: Int64?
    package var minFreeKbytes: Int64?
    package var watermarkScaleFactor: Int64?
    /// Seconds from a panic to the reboot; 0: never, below 0: at once.
    package var panicSeconds: Int64?

    package init() {}
  }

  /// The memory of the whole host, and what reclaim did since boot. File: /proc/meminfo, /proc/vmstat.
  package struct Memory: Hashable, Sendable {
    package var totalBytes: Int64?
    package var availableBytes: Int64?
    package var swapTotalBytes: Int64?
    package var swapFreeBytes: Int64?
    package var commitLimitBytes: Int64?
    package var committedBytes: Int64?
    package var oomKills: Int64?
    /// Pages that kswapd took back, and those that an allocation had to take back itself.
    package var backgroundReclaimPages: Int64?
    package var directReclaimPages: Int64?

    package init() {}
  }

  /// One line of /proc/swaps.
  package struct SwapArea: Hashable, Sendable {
    package var name: KernelName
    package var sizeBytes: Int64
    package var usedBytes: Int64
    package var priority: Int

    package init(name: KernelName, sizeBytes: Int64, usedBytes: Int64, priority: Int) {
      self.name = name
      self.sizeBytes = sizeBytes
      self.usedBytes = usedBytes
      self.priority = priority
    }

    package var isZram: Bool { name.bytes.starts(with: "/dev/zram".utf8) }
  }

  /// A zram device that has a size. File: /sys/block/zramN/disksize, mm_stat.
  package struct ZramDevice: Hashable, Sendable {
    package var name: String
    package var sizeBytes: Int64
    /// How much RAM it may take; nil where it has no such limit.
    package var limitBytes: Int64?

    package init(name: String, sizeBytes: Int64, limitBytes: Int64? = nil) {
      self.name = name
      self.sizeBytes = sizeBytes
      self.limitBytes = limitBytes
    }
  }

  /// Whether the kernel measures how long tasks stand still. File: /proc/pressure/memory.
  package enum PressureAccounting: Hashable, Sendable {
    case on
    /// There is the file, and it says that it was switched off.
    case off
    /// There is no such file: psi=0 at boot, or a kernel without it. Kernel: kernel/sched/psi.c, psi_proc_init().
    case absent
  }

  /// What of a process the judgements need. File: /proc/PID.
  package struct HostProcess: Hashable, Sendable {
    package var pid: Int32
    package var ppid: Int32
    package var comm: KernelName
    /// The last components of the executable and of the first two arguments: a script's name is the second.
    package var programs: [String] = []
    package var oomScoreAdj: Int?
    package var anonBytes: Int64 = 0
    package var shmemBytes: Int64 = 0
    package var swapBytes: Int64 = 0
    /// Of the hierarchy that holds the memory controller.
    package var cgroup: KernelName?
    package var unit: String?

    package init(pid: Int32, ppid: Int32 = 1, comm: KernelName) {
      self.pid = pid
      self.ppid = ppid
      self.comm = comm
    }
  }

  /// A control group of a running service or scope, or of a container.
  package struct ServiceGroup: Hashable, Sendable {
    package var path: KernelName
    package var unit: String?
    package var container: ContainerRef?
    /// The lowest of its own and those above it; nil where there is none.
    package var limitBytes: Int64?
    /// memory.high of its own; nil where there is none.
    package var highBytes: Int64?
    package var usageBytes: Int64?
    package var isKilledAsOne = false

    package init(path: KernelName, unit: String? = nil, container: ContainerRef? = nil) {
      self.path = path
      self.unit = unit
      self.container = container
    }
  }

  /// What the files of one unit set, with systemd's words. Source: systemd.service(5), systemd.resource-control(5).
  package struct UnitSettings: Hashable, Sendable {
    package var name: String
    package var oomPolicy: String?
    package var managedOOMSwap: String?
    package var managedOOMMemoryPressure: String?

    package init(
      name: String, oomPolicy: String? = nil, managedOOMSwap: String? = nil, managedOOMMemoryPressure: String? = nil
    ) {
      self.name = name
      self.oomPolicy = oomPolicy
      self.managedOOMSwap = managedOOMSwap
      self.managedOOMMemoryPressure = managedOOMMemoryPressure
    }
  }

  /// Where journald keeps what it gets. Source: journald.conf(5), Storage=.
  package struct JournalStorage: Hashable, Sendable {
    /// As the configuration has it, in lower case; "auto" where nobody has said.
    package var storage: String
    /// Whether /var/log/journal is there, which "auto" asks.
    package var hasFolder: Bool

    package init(storage: String, hasFolder: Bool) {
      self.storage = storage
      self.hasFolder = hasFolder
    }

    package var isPersistent: Bool { storage == "persistent" || (storage == "auto" && hasFolder) }
  }

  /// Which way to witness kills works here.
  package struct WitnessAccess: Hashable, Sendable {
    /// Of the BPF rungs the first that the kernel takes; nil where it takes none.
    package var rung: String?
    /// Why not a higher one, a sentence each.
    package var refusals: [String]
    /// Why the kernel's log cannot be read; nil where it can.
    package var logRefusal: String?

    package init(rung: String?, refusals: [String] = [], logRefusal: String? = nil) {
      self.rung = rung
      self.refusals = refusals
      self.logRefusal = logRefusal
    }
  }
}
