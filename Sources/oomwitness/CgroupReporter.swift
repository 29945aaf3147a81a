// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy
import Report
import Witness

/// Looks at one control group from all sides, or at the tree of all.
struct CgroupReporter {
  private let table: ProcessTable
  private let clock = Clock()
  /// How many processes are listed; nil: all.
  private let listed: Int?

  init(table: ProcessTable, listed: Int?) {
    self.table = table
    self.listed = listed
  }

  var wallNanoseconds: Int64 { clock.wall }

  /// Nil where memory is controlled nowhere.
  func tree(depth: Int?) throws -> CgroupNode? {
    do throws(HostError) {
      var tree = try table.cgroups.tree(depthMax: depth ?? CgroupReader.ancestorLimit)
      if tree != nil { name(&tree!) }
      return tree
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }

  private func name(_ node: inout CgroupNode) {
    node.status.cgroup.owner = node.status.cgroup.path.flatMap(table.containers.owner)
    for index in node.children.indices { name(&node.children[index]) }
  }

  /// Nil where the group is gone.
  func report(_ path: KernelName) throws -> CgroupReport? {
    guard let (status, ancestors) = try statuses(path) else { return nil }
    let page = Int64(table.identity.pageSizeBytes)
    let memory = (try? table.memory.state()) ?? nil
    let room = LimitRoom([status] + ancestors, hostSwapFreeBytes: memory?.swapFreePages.map { $0 * page })
    let available = memory?.availablePages.map { $0 * page }
    var report = CgroupReport(
      wallNanoseconds: clock.wall, status: status, scarcity: room.scarcity(hostAvailableBytes: available))
    (report.ancestors, report.binding, report.hostAvailableBytes) = (ancestors, room.binding, available)
    let domain =
      if report.scarcity == .limit, let limiting = room.binding?.cgroup.path {
        try table.domain(at: limiting)
      } else {
        try table.system()
      }
    // We are gone before anything can run out.
    let processes = try table.processes(in: domain).filter { $0.pid != getpid() }
    let rules = try table.rules(for: processes, allocating: nil)
    let prediction = Prediction(Standings(processes, domain: domain), rules: rules, depth: 0)
    report.forecast = ForecastMaker(prediction, table: table, listed: 0).forecast()
    let inside = processes.filter { $0.cgroup?.path?.isAtOrBelow(path) == true }
    report.processes = Standings(inside, domain: domain).candidates(limit: listed).list.map(table.row)
    report.explanation = CgroupSentence(pageSizeBytes: table.identity.pageSizeBytes).sentence(report)
    return report
  }

  private func statuses(_ path: KernelName) throws -> (status: CgroupStatus, ancestors: [CgroupStatus])? {
    do throws(HostError) {
      guard var status = try table.cgroups.status(path: path) else { return nil }
      status.cgroup.owner = table.containers.owner(ofCgroup: path)
      var ancestors: [CgroupStatus] = []
      for above in CgroupReader.ancestorPaths(of: path).prefix(CgroupReader.ancestorLimit) {
        guard var ancestor = try table.cgroups.status(path: above, [.parts, .settings]) else { continue }
        ancestor.cgroup.owner = table.containers.owner(ofCgroup: above)
        ancestors.append(ancestor)
      }
      return (status, ancestors)
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
  }
}
