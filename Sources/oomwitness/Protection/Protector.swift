// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Glibc
import Host
import Policy

/// Rules held against the processes of this host.
final class Protector {
  let table: ProcessTable
  let rules: RuleSet
  private let reader: ProcReader
  /// What a snapshot does not tell: it takes files of /proc.
  private static let fromProc: Set<ProtectionRule.Key> = [.exe, .cmdline, .user]
  private static let fromCgroup: Set<ProtectionRule.Key> = [.cgroup, .unit, .container]

  init(rules: RuleSet) throws {
    table = try ProcessTable()
    self.rules = rules
    do throws(HostError) {
      reader = try ProcReader()
    } catch {
      throw Diagnostic.fail(Wording.sentence(error), ExitStatus.notPossibleHere)
    }
  }

  /// What the rules say of all processes together. Init, kernel threads, the dead and we ourselves are left alone.
  func plan() throws -> ProtectionPlan {
    var processes = try table.processes()
    var verdicts: [Int: RuleSet.Verdict] = [:]
    var used: Set<Int> = []
    for (index, process) in processes.enumerated() where process.pid > 1 && process.skipped != .noMemory {
      let places = matching(process)
      used.formUnion(places)
      if !places.isEmpty { verdicts[index] = rules.verdict(of: places) }
    }
    if !table.usesIterator { Protector.findSharers(of: verdicts, in: &processes) }
    let unused = rules.rules.indices.filter { !used.contains($0) }.map { rules.rules[$0] }
    return ProtectionPlan(processes, verdicts: verdicts, unused: unused)
  }

  /// /proc does not tell who shares a memory: the kernel is asked pair by pair, for those that have a rule.
  private static func findSharers(of verdicts: [Int: RuleSet.Verdict], in processes: inout [ProcessSnapshot]) {
    for index in verdicts.keys.sorted() where processes[index].memoryID == nil {
      guard case .set? = verdicts[index] else { continue }
      let pid = processes[index].pid
      for other in processes.indices where other != index && SharedMemory.isShared(pid, processes[other].pid) {
        processes[other].memoryID = UInt64(pid)
        processes[index].memoryID = UInt64(pid)
      }
    }
  }

  /// First by what the snapshot tells; the files of /proc are read only for whom a rule may be.
  private func matching(_ process: ProcessSnapshot) -> [Int] {
    guard process.pid != getpid() else { return [] }
    var subject = ProtectionSubject(pid: process.pid, comm: process.comm.name)
    subject.place(inCgroup: process.cgroup?.path)
    let unread = Protector.fromProc.union(process.cgroup?.path == nil ? Protector.fromCgroup : [])
    guard rules.mayMatch(subject, unread: unread, glob: Glob.matches) else { return [] }
    if !rules.keys.isDisjoint(with: unread) {
      guard let read = self.subject(pid: process.pid)?.subject else { return [] }
      subject = read
    }
    return rules.matching(subject, glob: Glob.matches)
  }

  /// Whether any rule may be for a process of this name.
  func mayMatch(pid: Int32, comm: KernelName) -> Bool {
    pid > 1 && pid != getpid()
      && rules.mayMatch(
        ProtectionSubject(pid: pid, comm: comm), unread: Protector.fromProc.union(Protector.fromCgroup),
        glob: Glob.matches)
  }

  /// One process as it is now; nil where it is gone, init, a kernel thread, or us.
  func subject(pid: Int32) -> (subject: ProtectionSubject, facts: ProcessFacts)? {
    guard pid > 1, pid != getpid(), let facts = (try? reader.process(pid: pid)) ?? nil, !facts.isKernelThread else {
      return nil
    }
    var subject = ProtectionSubject(pid: pid, comm: facts.comm)
    subject.exe = facts.exe
    subject.cmdline = facts.cmdline.map { KernelName(bytes: Array($0.map(\.bytes).joined(separator: [0x20]))) }
    subject.uid = facts.uid
    subject.user = (try? table.users.name(uid: facts.uid)) ?? nil
    subject.place(inCgroup: facts.cgroup?.path)
    return (subject, facts)
  }

  /// What the rules say of one process as it is now.
  func verdict(pid: Int32) -> RuleSet.Verdict {
    subject(pid: pid).map { rules.verdict(on: $0.subject, glob: Glob.matches) } ?? .none
  }
}

extension ProtectionSubject {
  /// The unit and the container go by the path of the group.
  mutating func place(inCgroup path: KernelName?) {
    cgroup = path
    let owner = path.flatMap(CgroupOwner.init(path:))
    (unit, container) = (owner?.unit, owner?.container)
  }
}
