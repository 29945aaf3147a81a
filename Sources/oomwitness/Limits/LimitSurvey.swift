// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The containers, units and limited groups of this host, with what cgroupfs and /proc tell of their memory.
final class LimitSurvey {
  /// Processes of one group whose names and sizes are read; the rest of them are let be.
  private static let processesMax = 512
  /// Names of programs that are kept of one group.
  private static let programsMax = 8
  private static let ticksPerSecond = Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))

  /// One group that somebody may ask for.
  struct Target {
    var cgroup: CgroupRef
    var isLimited: Bool

    var owner: CgroupOwner? { cgroup.owner }
    /// The sandbox of a pod, which only holds its names together, is none.
    var isContainer: Bool {
      guard let pod = owner?.pod, pod.pod != nil else { return owner?.container != nil }
      return pod.container != nil
    }
  }

  private let table: ProcessTable
  private let processes: ProcReader
  private let memoryBytes: Int64?
  /// Groups that were not looked at: there are too many, or they lie too deep.
  private(set) var omitted = 0

  init() throws {
    table = try ProcessTable(reading: .proc)
    do throws(HostError) {
      processes = try ProcReader()
      let totalPages = try table.memory.state()?.totalPages
      memoryBytes = totalPages.map { $0 * Int64(HostIdentity.pageSizeBytes) }
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
    guard table.cgroups.hierarchy != nil else {
      throw Diagnostic.fail(
        "no cgroup hierarchy with the memory controller is mounted here", ExitStatus.notPossibleHere)
    }
  }

  /// What a name means. Source: CgroupFinder.
  func path(named name: String) throws -> KernelName { try CgroupFinder(table: table).path(name) }

  /// Each container's and unit's own group, and all others but the root, in the order of the tree.
  func targets() throws -> [Target] {
    var found: [Target] = []
    func visit(_ node: CgroupNode, above: CgroupOwner?, isRoot: Bool) {
      var owner: CgroupOwner?
      if let path = node.status.cgroup.path { owner = table.containers.owner(ofCgroup: path) }
      if !isRoot, !LimitSurvey.isInside(owner, above) {
        var cgroup = node.status.cgroup
        cgroup.owner = owner
        found.append(
          Target(
            cgroup: cgroup, isLimited: node.status.limitBytes?.bytes != nil))
      }
      for child in node.children { visit(child, above: owner, isRoot: false) }
    }
    do throws(HostError) {
      guard let tree = try table.cgroups.tree() else { return [] }
      omitted = tree.omitted
      visit(tree, above: nil, isRoot: true)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    return found
  }

  /// Whether it is a part of what the group above it is: of the same container, or of the same unit.
  private static func isInside(_ owner: CgroupOwner?, _ above: CgroupOwner?) -> Bool {
    guard let owner, let above else { return false }
    return owner.container == above.container && owner.pod == above.pod && owner.unit == above.unit
  }

  /// What is known of one of them; nil where it is gone.
  func evidence(_ target: Target) throws -> LimitEvidence? {
    var evidence = LimitEvidence(.cgroup(target.cgroup))
    do throws(HostError) {
      guard let path = target.cgroup.path, let status = try table.cgroups.status(path: path, [.parts, .settings]) else {
        return nil
      }
      evidence.limitBytes = status.limitBytes
      evidence.requestBytes = status.lowBytes?.bytes
      evidence.usageBytes = status.currentBytes
      evidence.workingSetBytes = status.workingSetBytes
      evidence.peakBytes = status.peakBytes
      evidence.swapLimitBytes = status.swapLimitBytes
      evidence.hostBytes = memoryBytes
      evidence.kills.counted = status.events?.oomKills
      evidence.image = target.owner?.container?.image
      try addProcesses(&evidence, path)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    return evidence
  }

  /// What runs there, the biggest first, since when, and what a JVM among it was told.
  private func addProcesses(_ evidence: inout LimitEvidence, _ path: KernelName) throws(HostError) {
    var sizes: [KernelName: Pages] = [:]
    var firstTicks: UInt64?
    for pid in try table.cgroups.processes(below: path).prefix(LimitSurvey.processesMax) {
      guard let name = try processes.comm(pid: pid), let pages = try processes.residentPages(pid: pid) else { continue }
      sizes[name, default: 0] += pages
      if let began = try processes.startTimeTicks(pid: pid) { firstTicks = min(firstTicks ?? began, began) }
      if evidence.jvmHeap == nil, name.text == "java", let process = try processes.process(pid: pid) {
        evidence.jvmHeap = LimitEvidence.JVMHeap(commandLine: (process.cmdline ?? []).map(\.text))
      }
    }
    evidence.programs = sizes.sorted { ($1.value, $0.key.text) < ($0.value, $1.key.text) }
      .prefix(LimitSurvey.programsMax).map(\.key.text)
    if let firstTicks {
      var now = timespec()
      clock_gettime(CLOCK_BOOTTIME, &now)
      evidence.ageSeconds = max(0, Int64(now.tv_sec) - Int64(clamping: firstTicks) / LimitSurvey.ticksPerSecond)
    }
  }
}
