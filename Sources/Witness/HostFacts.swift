// SPDX-License-Identifier: Apache-2.0
import Events
import Host

/// Adds to a kill what the host knows: names, command line, paths of groups, memory, pressure.
///
/// Nothing here may wait for the victim: /proc/PID/cmdline takes the mmap lock that a dying process may hold, so the
/// command line comes from the kernel's own record or from the cache, which was filled before.
package final class HostFacts {
  private let identity: HostIdentity
  private let memory: MemoryReader
  private let cgroups: CgroupReader
  private let users: UserNames
  private let cache: ProcessCache
  private let containers: ContainerResolver
  private let clock: Clock
  private var ahead: Ahead?

  /// Memory and pressure, as they were read when the kernel began to choose.
  private struct Ahead {
    var memory: MemoryState?
    var pressure: PressureStall?
    var moment: Int64
  }

  /// Older than this, memory and pressure are read again.
  private static let aheadNanoseconds: Int64 = 5_000_000

  package init(
    identity: HostIdentity, memory: MemoryReader, cgroups: CgroupReader, users: UserNames, cache: ProcessCache,
    containers: ContainerResolver, clock: Clock = Clock()
  ) {
    self.identity = identity
    self.memory = memory
    self.cgroups = cgroups
    self.users = users
    self.cache = cache
    self.containers = containers
    self.clock = clock
  }

  /// vmstat's oom_kill; nil where it cannot be read.
  package var oomKillCount: Int64? { (try? memory.oomKillCount()) ?? nil }

  /// Reads memory and pressure for the kills that are told within the next milliseconds.
  package func readAhead() {
    ahead = Ahead(
      memory: (try? memory.state()) ?? nil, pressure: (try? memory.pressure()) ?? nil, moment: clock.monotonic)
  }

  /// Reads the biggest processes again and whose they are, and the names of users where their file has changed.
  package func refresh(biggest: [ProcessCache.Sized]) {
    _ = cache.refresh(biggest: biggest)
    containers.prepare()
    for path in cache.cgroups { _ = containers.owner(ofCgroup: path) }
    users.lookAgain()
  }

  /// - Parameter startBootNanoseconds: the victim's start since boot, which tells it from another of its pid; nil from a log.
  package func complete(_ kill: inout OOMKill, startBootNanoseconds: Int64?) {
    let known = complete(&kill.victim, startBootNanoseconds: startBootNanoseconds)
    kill.badness?.procOOMScore = known?.oomScore
    kill.victim.user = kill.victim.uid.flatMap { (try? users.name(uid: $0)) ?? nil }
    complete(&kill.victim.cgroup)
    complete(&kill.trigger)
    if kill.limit != nil { complete(&kill.limit!.cgroup) }
    for index in kill.candidates?.list.indices ?? 0..<0 { complete(&kill.candidates!.list[index].cgroup) }
    if ahead.map({ clock.monotonic - $0.moment > HostFacts.aheadNanoseconds }) ?? true { readAhead() }
    if kill.memory == nil { kill.memory = ahead?.memory }
    kill.pressureStall = ahead?.pressure
    kill.nameWhatProcLacked()
  }

  /// Completes a kill that this host's log tells of some time ago: with whose names its lines hold, and nothing else that is
  /// read now. Memory is another by now, and the pid may be another process's.
  package func completeLogged(_ kill: inout OOMKill) {
    kill.victim.user = kill.victim.uid.flatMap { (try? users.name(uid: $0)) ?? nil }
    nameOwners(&kill)
    kill.nameWhatProcLacked()
  }

  /// Says whom the groups of a kill in this host's log belong to.
  package func nameOwners(_ kill: inout OOMKill) {
    name(&kill.victim.cgroup)
    name(&kill.trigger)
    name(&kill.limit)
  }

  /// The trigger's group by name.
  package func complete(_ trigger: inout Trigger?) {
    guard trigger != nil else { return }
    complete(&trigger!.cgroup)
  }

  /// A group by name, and whose it is.
  package func complete(_ cgroup: inout CgroupRef?) {
    if let id = cgroup?.id {
      if cgroup!.path == nil { cgroup!.path = cgroups.path(forID: id) }
      if cgroup!.version == nil { cgroup!.version = cgroups.hierarchy?.version }
    }
    name(&cgroup)
  }

  /// Says whom a group belongs to. A log's kill has a path and no id.
  private func name(_ cgroup: inout CgroupRef?) {
    guard let path = cgroup?.path else { return }
    cgroup!.owner = containers.owner(ofCgroup: path)
  }

  private func name(_ trigger: inout Trigger?) { if trigger != nil { name(&trigger!.cgroup) } }
  private func name(_ limit: inout BindingLimit?) { if limit != nil { name(&limit!.cgroup) } }

  /// - Returns: what was read of it while it lived; nil where it was not among the biggest.
  private func complete(_ victim: inout Victim, startBootNanoseconds: Int64?) -> ProcessFacts? {
    let ticks = startBootNanoseconds.map { identity.startTimeTicks(bootNanoseconds: UInt64($0)) }
    if let startBootNanoseconds {
      victim.startWallNanoseconds = clock.wall(bootNanoseconds: startBootNanoseconds)
      victim.ageSeconds = max(0, (clock.wall - victim.startWallNanoseconds!) / 1_000_000_000)
    }
    guard let known = cache.facts(pid: victim.pid, startTimeTicks: ticks) else { return nil }
    if victim.cmdline == nil { victim.cmdline = known.cmdline }
    victim.exe = known.exe
    return known
  }
}

extension OOMKill {
  /// Names in `unavailable` what /proc alone knows and did not say, and takes out what it did.
  package mutating func nameWhatProcLacked() {
    for (name, isThere) in [
      ("victim.cmdline", victim.cmdline != nil), ("victim.exe", victim.exe != nil), ("memory", memory != nil),
    ] {
      if isThere {
        unavailable.removeAll { $0 == name }
      } else if !unavailable.contains(name) {
        unavailable.append(name)
      }
    }
  }
}
