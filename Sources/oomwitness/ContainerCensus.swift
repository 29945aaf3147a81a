// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import KernelLog
import Policy
import Witness

/// All containers of this host on one look: few files each, no engine asked, nothing waited for.
struct ContainerCensus {
  private let cgroups: CgroupReader
  private let owners: ContainerResolver
  private let pageSizeBytes: Int
  /// Whether the sandboxes of pods are listed too, in which nothing runs but pause.
  private let listsSandboxes: Bool

  init(cgroups: CgroupReader, owners: ContainerResolver, pageSizeBytes: Int, listsSandboxes: Bool) {
    (self.cgroups, self.owners) = (cgroups, owners)
    (self.pageSizeBytes, self.listsSandboxes) = (pageSizeBytes, listsSandboxes)
  }

  /// In the order in which their groups were made, those of one parent together.
  func rows() throws(HostError) -> [ContainerRow] {
    var rows: [ContainerRow] = []
    var above: [KernelName: CgroupStatus?] = [:]
    for (path, owner) in try containers() {
      guard var status = try cgroups.status(path: path, [.parts]) else { continue }
      status.cgroup.owner = owner
      var chain = [status]
      for ancestor in CgroupReader.ancestorPaths(of: path).prefix(CgroupReader.ancestorLimit) {
        if above[ancestor] == nil {
          above[ancestor] = .some(try cgroups.status(path: ancestor, [.parts, .withoutEvents]))
        }
        if let known = above[ancestor], let known { chain.append(known) }
      }
      let binding = LimitRoom(chain).binding
      rows.append(
        ContainerRow(status: status, binding: binding, verdict: ContainerVerdicts.verdict(status, binding)))
    }
    if rows.contains(where: { ($0.status.events?.oomKills ?? 0) > 0 }) { addLastKills(&rows) }
    return rows
  }

  /// The outermost group of each container.
  private func containers() throws(HostError) -> [(path: KernelName, owner: CgroupOwner)] {
    var found: [(KernelName, CgroupOwner)] = []
    var seen: Set<String> = []
    for path in try cgroups.paths().paths {
      guard let owner = owners.owner(ofCgroup: path), let container = owner.container,
        seen.insert("\(container.runtime ?? "") \(container.id)").inserted
      else { continue }
      // A pod whose name is known names each of its containers but the sandbox.
      if !listsSandboxes, let pod = owner.pod, pod.pod != nil, pod.container == nil { continue }
      found.append((path, owner))
    }
    return found
  }

  /// When and who, of those whose kills the kernel's log still has; where it may not be read, nobody's.
  ///
  /// File: /dev/kmsg.
  private func addLastKills(_ rows: inout [ContainerRow]) {
    let clock = Clock()
    let wallLessMonotonic = clock.wall - clock.monotonic
    var last: [KernelName: ContainerRow.LastKill] = [:]
    func note(_ logged: LoggedEvent) {
      guard case .oomKill(let kill) = logged.event, let path = kill.victim.cgroup?.path,
        let moment = logged.monotonicNanoseconds
      else { return }
      last[path] = .init(
        wallNanoseconds: moment + wallLessMonotonic, pid: kill.victim.pid, comm: kill.victim.comm)
    }
    readLog(note)
    for index in rows.indices where (rows[index].status.events?.oomKills ?? 0) > 0 {
      guard let path = rows[index].status.cgroup.path else { continue }
      let kills = last.filter { $0.key.isAtOrBelow(path) }.values
      rows[index].lastKill = kills.max { $0.wallNanoseconds < $1.wallNanoseconds }
    }
  }

  private func readLog(_ tell: (LoggedEvent) -> Void) {
    do throws(KernelLogError) {
      var reader = try KmsgReader(from: .oldest)
      var assembler = ReportAssembler(LogSource(source: .kmsg, pageSizeBytes: pageSizeBytes))
      while true {
        switch try reader.next() {
        case .record(let record): assembler.consume(LogLine(record)).forEach(tell)
        case .overwritten, .unreadable: continue
        case .empty:
          assembler.flush().forEach(tell)
          return
        }
      }
    } catch {
      // Without the right to read it the last kills are not known, and absent.
      return
    }
  }
}
