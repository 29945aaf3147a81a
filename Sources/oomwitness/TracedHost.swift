// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Witness

/// The readers of this host, made once at start.
final class TracedHost {
  let identity: HostIdentity
  let memory: MemoryReader
  let cache: ProcessCache
  let facts: HostFacts
  /// How many processes run now, kernel threads among them.
  let processCount: Int
  /// Has POLLPRI when memory gets short; -1 where the kernel has no pressure triggers.
  let pressureDescriptor: Int32
  private let pressure: PressureTrigger?
  private let cgroups: CgroupReader

  init() throws {
    do throws(HostError) {
      identity = try HostIdentity()
      memory = try MemoryReader()
      let processes = try ProcReader()
      cache = ProcessCache(reader: processes)
      processCount = try processes.pids().count
      cgroups = try CgroupReader()
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    do throws(HostError) {
      let trigger = try PressureTrigger()
      pressureDescriptor = trigger.descriptor
      pressure = consume trigger
    } catch {
      pressureDescriptor = -1
      pressure = nil
    }
    facts = HostFacts(
      identity: identity, memory: memory, cgroups: cgroups, users: UserNames(), cache: cache,
      containers: ContainerResolver(readsHomes: false))
  }

  /// RAM and swap in pages: the domain of a kill that no cgroup limits.
  var systemPages: (ram: Pages, swap: Pages) {
    let state = (try? memory.state()) ?? nil
    return (state?.totalPages ?? 0, state?.swapTotalPages ?? 0)
  }

  /// vm.swappiness; nil where it cannot be read.
  var swappiness: Int? { ((try? memory.sysctl("vm/swappiness")) ?? nil).map(Int.init) }

  /// Only version 2 kills whole groups.
  var hasGroupKills: Bool { cgroups.hierarchy?.version != 1 }

  /// Lets go of what only the start needed, locks the rest, and says what could not be had.
  func protectItself() {
    SelfProtection.forgetStart()
    OwnProtection.apply()
  }

  /// Keeps the right to read other users' /proc, to name control groups and to lock memory, and to run the iterator
  /// where it is used.
  func dropRights(keepingBPF: Bool) {
    var kept: [Capability] = [.sysPtrace, .dacReadSearch, .ipcLock]
    if keepingBPF { kept.append(.bpf) }
    if !Capability.keepOnly(kept) { Diagnostic.say("rights that are no longer needed could not be dropped") }
  }
}
