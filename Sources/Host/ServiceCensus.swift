// SPDX-License-Identifier: Apache-2.0
import Events

/// The processes that there are, and the control groups of services and containers that they run in.
///
/// File: /proc/PID; memory.max, memory.high and memory.oom.group of cgroupfs.
package struct ServiceCensus {
  /// No more groups than this are looked through for memory.oom.group; Kubernetes' largest node has some thousand.
  package static let groupsMax = 16_384

  private let cgroups: CgroupReader
  private let processes: ProcReader
  private let containers: ContainerResolver
  private let pageSizeBytes: Int64

  package init(
    cgroups: CgroupReader, processes: ProcReader, containers: ContainerResolver,
    pageSizeBytes: Int = HostIdentity.pageSizeBytes
  ) {
    self.cgroups = cgroups
    self.processes = processes
    self.containers = containers
    self.pageSizeBytes = Int64(pageSizeBytes)
  }

  /// All processes that have memory of their own; one that ends meanwhile is left out.
  ///
  /// - Parameter refused: is told of each that cannot be read, which costs no other.
  /// File: /proc/PID/stat, status, cmdline, exe, oom_score_adj, cgroup.
  package func all(refused: (HostError) -> Void) throws(HostError) -> [HostSettings.HostProcess] {
    var found: [HostSettings.HostProcess] = []
    for pid in try processes.pids() {
      do throws(HostError) {
        if let process = try process(pid) { found.append(process) }
      } catch {
        refused(error)
      }
    }
    return found
  }

  private func process(_ pid: Int32) throws(HostError) -> HostSettings.HostProcess? {
    guard let facts = try processes.process(pid: pid), !facts.isKernelThread, let parts = facts.parts else {
      return nil
    }
    var process = HostSettings.HostProcess(pid: pid, ppid: facts.ppid, comm: facts.comm)
    let names = [facts.exe].compactMap { $0 } + (facts.cmdline ?? []).prefix(2)
    process.programs = names.map(ServiceCensus.program)
    process.oomScoreAdj = facts.oomScoreAdj
    process.anonBytes = parts.anonPages * pageSizeBytes
    process.shmemBytes = parts.shmemPages * pageSizeBytes
    process.swapBytes = parts.swapPages * pageSizeBytes
    process.cgroup = facts.cgroup?.path
    process.unit = process.cgroup.flatMap(CgroupOwner.init(path:))?.unit
    return process
  }

  /// The last component of a path, without what the kernel says of a file that is gone.
  private static func program(_ path: KernelName) -> String {
    let name = path.text.split(separator: "/").last.map(String.init) ?? ""
    let deleted = " (deleted)"
    return name.hasSuffix(deleted) ? String(name.dropLast(deleted.count)) : name
  }

  /// One for each container, and for each unit outside of containers, that any of these runs in.
  ///
  /// File: memory.max, memory.high, memory.oom.group, or as version 1 names them.
  package func groups(of processes: [HostSettings.HostProcess]) throws(HostError) -> [HostSettings.ServiceGroup] {
    var seen: Set<KernelName> = []
    var groups: [HostSettings.ServiceGroup] = []
    for process in processes {
      guard let path = process.cgroup, var group = ServiceCensus.group(of: path), seen.insert(group.path).inserted
      else { continue }
      if group.container != nil { group.container = containers.owner(ofCgroup: group.path)?.container }
      if let memory = try cgroups.limits(path: group.path) {
        let above = try cgroups.ancestors(of: group.path).compactMap { $0.limit?.pages }
        group.limitBytes = ([memory.limit?.pages].compactMap { $0 } + above).min().map { $0 * pageSizeBytes }
        group.usageBytes = memory.usagePages.map { $0 * pageSizeBytes }
      }
      group.highBytes = try cgroups.high(path: group.path)?.pages.map { $0 * pageSizeBytes }
      group.isKilledAsOne = try cgroups.isKilledAsOne(path: group.path)
      groups.append(group)
    }
    return groups.sorted { $0.path.bytes.lexicographicallyPrecedes($1.path.bytes) }
  }

  /// The shortest beginning of the path that names the container, else the unit.
  private static func group(of path: KernelName) -> HostSettings.ServiceGroup? {
    let components = path.bytes.split(separator: UInt8(ascii: "/"))
    guard let owner = CgroupOwner(path: path) else { return nil }
    let container = owner.container
    let unit = container == nil ? owner.unit : nil
    guard container != nil || unit != nil else { return nil }
    for count in 1...max(1, components.count) {
      let joined = components.prefix(count).joined(separator: [UInt8(ascii: "/")])
      let beginning = KernelName(bytes: [UInt8(ascii: "/")] + joined)
      let above = CgroupOwner(path: beginning)
      if container.map({ above?.container?.id == $0.id }) ?? (above?.unit == unit) {
        return HostSettings.ServiceGroup(path: beginning, unit: unit, container: container)
      }
    }
    return nil
  }

  /// The groups whose memory.oom.group is 1; none in version 1.
  ///
  /// File: memory.oom.group.
  package func groupsKilledAsOne() throws(HostError) -> [KernelName] {
    guard cgroups.hierarchy?.version == 2 else { return [] }
    var found: [KernelName] = []
    var waiting = [KernelName("/")]
    var looked = 0
    while let path = waiting.popLast(), looked < ServiceCensus.groupsMax {
      looked += 1
      if try cgroups.isKilledAsOne(path: path) { found.append(path) }
      for child in try cgroups.children(path: path) { waiting.append(path.appending(child)) }
    }
    return found.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }
}

extension CgroupReader {
  /// Above this a group is slowed down and reclaimed from; nil where it is gone, and in version 1.
  ///
  /// File: memory.high. Kernel: mm/memcontrol.c, mem_cgroup_handle_over_high().
  package func high(path: KernelName) throws(HostError) -> Limit? {
    guard hierarchy?.version == 2, let directory = try directory(path) else { return nil }
    return try limit("memory.high", in: directory)
  }

  /// The names of the groups just below; none where it is gone.
  ///
  /// Source: readdir(3).
  package func children(path: KernelName) throws(HostError) -> [KernelName] {
    guard let directory = try directory(path) else { return [] }
    return try directory.directoriesByInode()
  }
}
