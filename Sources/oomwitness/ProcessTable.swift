// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import KernelProbe
import Policy

/// All user processes of this host as the kernel's scorer would look at them: by BPF's iterator, else from /proc.
final class ProcessTable {
  let identity: HostIdentity
  let memory: MemoryReader
  let cgroups: CgroupReader
  let users = UserNames()
  private let reader: ScoreReader
  private let reading: ProcessReading
  private lazy var iterator = reading == .proc ? nil : ProcessIterator()
  /// Loaded when it is first asked for; `mayRank` where that was not in vain.
  private var ranking: TaskRanking?
  private var mayRank: Bool
  private var references: [UInt64: CgroupRef] = [:]
  let containers = ContainerResolver()

  /// Whether BPF reads them; without it `tid` is the leader's, and some reasons to be passed over are not seen.
  var usesIterator: Bool { iterator != nil }

  init(reading: ProcessReading = .auto) throws {
    do throws(HostError) {
      identity = try HostIdentity()
      memory = try MemoryReader()
      cgroups = try CgroupReader()
      reader = try ScoreReader()
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    self.reading = reading
    mayRank = reading != .proc
    if reading == .iterator, iterator == nil {
      throw Diagnostic.fail(
        "this kernel lets us load no BPF task iterator (`oomwitness check` says why; --read proc needs none)",
        ExitStatus.notPossibleHere)
    }
  }

  /// In the kernel's order: as they were forked.
  ///
  /// - Parameters:
  ///   - groups: whether their control groups are wanted, which from /proc is a file more for each.
  ///   - kernelThreads: whether they are wanted too; the kernel never takes one.
  func processes(groups: Bool = true, kernelThreads: Bool = false) throws -> [ProcessSnapshot] {
    if var all = iterator?.processes(kernelThreads: kernelThreads) {
      // The iterator of a 6.18 kernel leaves out the first pid, which is init's.
      if all.first?.pid != 1, !all.contains(where: { $0.pid == 1 }), let first = reader.process(pid: 1) {
        all.insert(first, at: 0)
      }
      // The iterator goes by pid, which is the order already until pids begin anew.
      let isInOrder = (1..<max(1, all.count)).allSatisfy { ProcessTable.isForkedBefore(all[$0 - 1], all[$0]) }
      if !isInOrder { all.sort(by: ProcessTable.isForkedBefore) }
      // Neighbours are often of one group.
      var last: (id: UInt64?, reference: CgroupRef?) = (nil, nil)
      for index in all.indices {
        let id = all[index].cgroup?.id
        if id != last.id { last = (id, named(all[index].cgroup)) }
        all[index].cgroup = last.reference
      }
      return all
    }
    var all: [ProcessSnapshot] = []
    do throws(HostError) {
      try reader.forEach(groups: groups, kernelThreads: kernelThreads) { all.append($0) }
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    return all
  }

  /// Those of the whole system that the kernel would take first, in its order, without their control groups.
  ///
  /// - Returns: nil where the kernel cannot be asked for them, or fewer may be taken than are wanted.
  func first(_ count: Int, of system: OOMDomain) -> [ProcessSnapshot]? {
    guard mayRank, count <= TaskRanking.countMax else { return nil }
    do throws(ProbeError) {
      if ranking == nil { ranking = try TaskRanking() }
      guard let found = try ranking?.first(count, domainPages: system.totalPages) else { return nil }
      return found.count < count ? nil : found
    } catch {
      mayRank = false
      return nil
    }
  }

  private static func isForkedBefore(_ one: ProcessSnapshot, _ other: ProcessSnapshot) -> Bool {
    (one.startBootNanoseconds ?? 0, one.pid) < (other.startBootNanoseconds ?? 0, other.pid)
  }

  /// The whole system as a domain: RAM and swap.
  func system() throws -> OOMDomain {
    let state = (try? memory.state()) ?? nil
    return .system(ramPages: state?.totalPages ?? 0, swapPages: state?.swapTotalPages ?? 0)
  }

  /// A path as the kernel prints it.
  static func rooted(_ path: String) -> KernelName {
    let components = path.split(separator: "/", omittingEmptySubsequences: true)
    return KernelName("/" + components.joined(separator: "/"))
  }

  /// Its memory group; nil where the process is gone.
  func cgroup(pid: Int32) -> CgroupRef? { reader.cgroup(pid: pid) }

  /// What /proc/PID/oom_score shows; nil where it is gone.
  func oomScore(pid: Int32) -> Int? { reader.oomScore(pid: pid) }

  /// The domain of a cgroup at its limit, by its path from the root of the hierarchy.
  ///
  /// - Parameter limitBytes: a limit that is supposed in place of its own.
  func domain(cgroup path: String, limitBytes: Int64? = nil) throws -> OOMDomain {
    try domain(at: ProcessTable.rooted(path), limitBytes: limitBytes)
  }

  /// As `domain(cgroup:)`, by a path of any bytes.
  func domain(at name: KernelName, limitBytes: Int64? = nil) throws -> OOMDomain {
    let shown = TerminalText.safe(name)
    do {
      guard let hierarchy = cgroups.hierarchy, let limits = try cgroups.limits(path: name) else {
        throw Diagnostic.fail("there is no memory cgroup \(shown) (paths are those of /proc/PID/cgroup)")
      }
      var limit = BindingLimit()
      (limit.limit, limit.usagePages) = (limits.limit, limits.usagePages)
      if let limitBytes { limit.limit = .pages(limitBytes / Int64(identity.pageSizeBytes)) }
      (limit.swapLimit, limit.swapUsagePages) = (limits.swapLimit, limits.swapUsagePages)
      limit.ancestors = try cgroups.ancestors(of: name)
      let swap = try memory.state()?.swapTotalPages ?? 0
      let swappiness = Int(try memory.sysctl("vm/swappiness") ?? 60)
      let group = CgroupRef(path: name, version: hierarchy.version)
      if let domain = OOMDomain.memcg(group, limit: limit, systemSwapPages: swap, swappiness: swappiness) {
        return domain
      }
      let above = limit.ancestors.first { $0.limit?.pages != nil }.map {
        " (\(TerminalText.safe($0.path)) above it has)"
      }
      throw Diagnostic.fail("\(shown) has no memory limit, so it never runs out by itself\(above ?? "")")
    } catch let error as HostError {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }

  /// The processes of a domain, in the kernel's order.
  ///
  /// - Parameters:
  ///   - groups: whether their control groups are wanted.
  ///   - kernelThreads: whether they are wanted too.
  func processes(
    in domain: OOMDomain, groups: Bool = true, kernelThreads: Bool = false
  ) throws -> [ProcessSnapshot] {
    let all = try processes(groups: groups || domain.limit.cgroup != nil, kernelThreads: kernelThreads)
    guard let path = domain.limit.cgroup?.path else { return all }
    let order: [Int32]
    do throws(HostError) {
      order = try cgroups.processes(below: path)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    var places: [Int32: Int] = [:]
    for (place, pid) in order.enumerated() { places[pid] = place }
    return all.filter { $0.cgroup?.path?.isAtOrBelow(path) == true }
      .enumerated().sorted { (places[$0.element.pid] ?? .max, $0.offset) < (places[$1.element.pid] ?? .max, $1.offset) }
      .map(\.element)
  }

  /// What decides beside the scores: groups that are killed as one, and vm.oom_kill_allocating_task.
  func rules(for processes: [ProcessSnapshot], allocating: Int32?) throws -> Prediction.Rules {
    var rules = Prediction.Rules()
    rules.allocatingPID = allocating
    do throws(HostError) {
      rules.killsAllocatingTask = try memory.sysctl("vm/oom_kill_allocating_task") ?? 0 != 0
      var seen: Set<[UInt8]> = []
      for process in processes {
        var components = (process.cgroup?.path?.bytes ?? []).split(separator: 0x2f)
        while !components.isEmpty {
          let path = [0x2f] + Array(components.joined(separator: [0x2f]))
          guard seen.insert(path).inserted else { break }
          if try cgroups.isKilledAsOne(path: KernelName(bytes: path)) { rules.groups.insert(path) }
          components.removeLast()
        }
      }
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    return rules
  }

  /// A row for people and programs.
  func row(_ candidate: Candidate) -> ScoreRow {
    var row = ScoreRow(candidate: candidate)
    if row.candidate.cgroup == nil { row.candidate.cgroup = reader.cgroup(pid: candidate.pid) }
    let cgroup = row.candidate.cgroup
    row.procOOMScore = reader.oomScore(pid: candidate.pid)
    row.user = candidate.uid.flatMap { (try? users.name(uid: $0)) ?? nil }
    row.candidate.cgroup = owned(cgroup)
    return row
  }

  /// The group with whom it belongs to.
  func owned(_ cgroup: CgroupRef?) -> CgroupRef? {
    guard var cgroup, let path = cgroup.path else { return cgroup }
    cgroup.owner = containers.owner(ofCgroup: path)
    return cgroup
  }

  private func named(_ cgroup: CgroupRef?) -> CgroupRef? {
    guard let id = cgroup?.id else { return cgroup }
    if let known = references[id] { return known }
    let found = CgroupRef(path: cgroups.path(forID: id), id: id, version: cgroups.hierarchy?.version)
    references[id] = found
    return found
  }
}
