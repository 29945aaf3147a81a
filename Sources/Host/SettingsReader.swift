// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Reads what a host is set to, and keeps apart what could not be read: one broken file costs one check.
///
/// File: /proc/sys/vm, /proc/meminfo, /proc/vmstat, /proc/swaps, /sys/block, cgroupfs, the files of systemd.
package final class SettingsReader {
  /// Why a check could not be made; the first reason of each.
  package private(set) var faults: [CheckID: HostError] = [:]

  private let root: String
  private let proc: Directory
  private let files = FileReader()
  private let memory: MemoryReader
  private let pageSizeBytes: Int

  /// Opens /proc; only its absence is an error here.
  ///
  /// - Parameter root: goes before each path.
  /// File: /proc.
  package init(root: String = "", pageSizeBytes: Int = HostIdentity.pageSizeBytes) throws(HostError) {
    self.root = root
    self.pageSizeBytes = pageSizeBytes
    proc = try Directory(path: root + "/proc")
    memory = try MemoryReader(procRoot: root + "/proc", pageSizeBytes: pageSizeBytes)
  }

  /// All of it. Without /proc/meminfo it is no /proc, which is an error.
  ///
  /// File: those of the type.
  package func read() throws(HostError) -> HostSettings {
    var settings = HostSettings()
    settings.memory = try meminfo()
    settings.sysctls = sysctls()
    let swap = SwapReader(procRoot: root + "/proc", sysRoot: root + "/sys")
    attempt(.swap) { () throws(HostError) in settings.swapAreas = try swap.areas() }
    attempt(.zram) { () throws(HostError) in settings.zram = try swap.zram() }
    attempt(.zram) { () throws(HostError) in settings.isZswapEnabled = try swap.isZswapEnabled() }
    attempt(.oomKills) { () throws(HostError) in settings.memory.oomKills = try memory.oomKillCount() }
    attempt(.watermarkScaleFactor) { () throws(HostError) in try reclaim(&settings.memory) }
    attempt(.pressure) { () throws(HostError) in settings.pressure = try pressure() }
    attempt(.panicOnOOM) { () throws(HostError) in settings.isCrashKernelLoaded = try isCrashKernelLoaded() }
    attempt(.cgroupVersion) { () throws(HostError) in try groups(&settings) }
    systemd(&settings)
    return settings
  }

  private func attempt(_ check: CheckID, _ body: () throws(HostError) -> Void) {
    do throws(HostError) {
      try body()
    } catch {
      if faults[check] == nil { faults[check] = error }
    }
  }

  private func sysctls() -> HostSettings.Sysctls {
    var values = HostSettings.Sysctls()
    func read(_ name: String, _ check: CheckID, _ place: WritableKeyPath<HostSettings.Sysctls, Int64?>) {
      attempt(check) { () throws(HostError) in values[keyPath: place] = try memory.sysctl(name) }
    }
    read("vm/panic_on_oom", .panicOnOOM, \.panicOnOOM)
    read("kernel/panic", .panicOnOOM, \.panicSeconds)
    read("vm/oom_kill_allocating_task", .oomKillAllocatingTask, \.oomKillAllocatingTask)
    read("vm/oom_dump_tasks", .oomDumpTasks, \.oomDumpTasks)
    read("vm/overcommit_memory", .overcommitMemory, \.overcommitMemory)
    read("vm/overcommit_ratio", .overcommitRatio, \.overcommitRatio)
    read("vm/overcommit_kbytes", .overcommitKbytes, \.overcommitKbytes)
    read("vm/swappiness", .swappiness, \.swappiness)
    read("vm/min_free_kbytes", .minFreeKbytes, \.minFreeKbytes)
    read("vm/watermark_scale_factor", .watermarkScaleFactor, \.watermarkScaleFactor)
    return values
  }

  /// File: /proc/meminfo. Kernel: fs/proc/meminfo.c, meminfo_proc_show().
  private func meminfo() throws(HostError) -> HostSettings.Memory {
    guard let contents = try files.contents(KernelName("meminfo"), in: proc) else {
      throw .system(operation: .open, path: KernelName(root + "/proc/meminfo"), errno: ENOENT)
    }
    var memory = HostSettings.Memory()
    memory.totalBytes = try contents.bytes(after: "MemTotal:")
    memory.availableBytes = try contents.bytes(after: "MemAvailable:")
    memory.swapTotalBytes = try contents.bytes(after: "SwapTotal:")
    memory.swapFreeBytes = try contents.bytes(after: "SwapFree:")
    memory.commitLimitBytes = try contents.bytes(after: "CommitLimit:")
    memory.committedBytes = try contents.bytes(after: "Committed_AS:")
    return memory
  }

  /// File: /proc/vmstat, pgsteal_kswapd and pgsteal_direct. Kernel: mm/vmscan.c, shrink_inactive_list().
  private func reclaim(_ memory: inout HostSettings.Memory) throws(HostError) {
    guard let contents = try files.contents(KernelName("vmstat"), in: proc) else { return }
    memory.backgroundReclaimPages = try contents.number(after: "pgsteal_kswapd")
    memory.directReclaimPages = try contents.number(after: "pgsteal_direct")
  }

  /// File: /proc/pressure/memory. Kernel: kernel/sched/psi.c, psi_show(): EOPNOTSUPP where it is switched off.
  private func pressure() throws(HostError) -> HostSettings.PressureAccounting {
    do throws(HostError) {
      return try files.contents(KernelName("pressure/memory"), in: proc) == nil ? .absent : .on
    } catch {
      if case .system(_, _, EOPNOTSUPP) = error { return .off }
      throw error
    }
  }

  /// File: /sys/kernel/kexec_crash_loaded. Kernel: kernel/ksysfs.c, kexec_crash_loaded_show().
  private func isCrashKernelLoaded() throws(HostError) -> Bool? {
    guard let sys = try? Directory(path: root + "/sys"),
      let contents = try files.contents(KernelName("kernel/kexec_crash_loaded"), in: sys)
    else { return nil }
    let value: Int = try contents.number()
    return value != 0
  }

  private func groups(_ settings: inout HostSettings) throws(HostError) {
    let cgroups = try CgroupReader(procRoot: root + "/proc", root: root, pageSizeBytes: pageSizeBytes)
    settings.cgroupVersion = cgroups.hierarchy?.version ?? 0
    let processes = try ProcReader(root: root + "/proc", pageSizeBytes: pageSizeBytes)
    let census = ServiceCensus(
      cgroups: cgroups, processes: processes, containers: ContainerResolver(root: root), pageSizeBytes: pageSizeBytes)
    attempt(.criticalServices) { () throws(HostError) in
      settings.processes = try census.all { if faults[.criticalServices] == nil { faults[.criticalServices] = $0 } }
    }
    attempt(.serviceLimits) { () throws(HostError) in
      settings.groups = try census.groups(of: settings.processes)
    }
    attempt(.oomGroup) { () throws(HostError) in settings.groupsKilledAsOne = try census.groupsKilledAsOne() }
  }

  /// Source: systemd.unit(5), journald.conf(5), systemd-system.conf(5).
  private func systemd(_ settings: inout HostSettings) {
    let top = root + "/"
    let units = SystemdUnitFiles(root: top)
    attempt(.oomPolicy) { () throws(HostError) in
      let names = try units.names(types: ["service", "slice"])
      let services = names.count { $0.hasSuffix(".service") }
      settings.serviceFiles = services > 0 ? services : nil
      for name in names {
        guard let said = try units.settings(unit: name, isBuiltIn: name.hasSuffix(".slice")) else { continue }
        let unit = HostSettings.UnitSettings(
          name: name, oomPolicy: said.oomPolicy, managedOOMSwap: said.managedOOMSwap,
          managedOOMMemoryPressure: said.managedOOMMemoryPressure)
        if unit != HostSettings.UnitSettings(name: name) { settings.units.append(unit) }
      }
    }
    let configuration = SystemdConfiguration(root: top)
    attempt(.oomPolicy) { () throws(HostError) in
      settings.defaultOOMPolicy = try configuration.value("DefaultOOMPolicy", section: "Manager", file: "system.conf")
    }
    attempt(.logRetention) { () throws(HostError) in
      let storage = try configuration.value("Storage", section: "Journal", file: "journald.conf")
      let hasFolder = try Directory(path: top).directory(KernelName("var/log/journal")) != nil
      settings.journal = HostSettings.JournalStorage(storage: storage?.lowercased() ?? "auto", hasFolder: hasFolder)
    }
  }
}

extension FileContents {
  /// The kB of a line like `MemTotal:       24684084 kB`, in bytes; nil where no line begins so.
  fileprivate func bytes(after key: StaticString) throws(HostError) -> Int64? {
    for (index, line) in lines.enumerated() {
      guard let words = line.dropping(key)?.words else { continue }
      guard words.count == 2, words[1].isEqual(to: "kB"), let kibibytes: Int64 = Decimal.unsigned(words[0]),
        kibibytes < 1 << 50
      else { throw malformed(line: index + 1, line) }
      return kibibytes << 10
    }
    return nil
  }
}
