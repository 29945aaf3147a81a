// SPDX-License-Identifier: Apache-2.0

import Events

/// Reads what /proc tells of processes.
///
/// For hosts and moments where BPF cannot tell it: command lines, user ids, parents. Not for two threads at once.
/// File: /proc/PID.
package final class ProcReader {
  /// What is kept of a command line, in bytes and in arguments.
  package static let cmdlineLimitBytes = 64 * 1024
  package static let cmdlineLimitArguments = 1024

  private let root: Directory
  private let files = FileReader()
  private let pageSizeBytes: Int

  /// Opens the root; only its absence is an error here.
  ///
  /// File: /proc.
  package init(root: String = "/proc", pageSizeBytes: Int = HostIdentity.pageSizeBytes) throws(HostError) {
    self.root = try Directory(path: root)
    self.pageSizeBytes = pageSizeBytes
  }

  /// All that is known of one process, or nil where it is gone. All but the parent's name is of one and the same process.
  ///
  /// The path of its cgroup is relative to the reader's cgroup namespace, and begins with `/..` outside of that.
  /// File: /proc/PID/stat, status, oom_score, oom_score_adj, cmdline, exe, cgroup; /proc/PPID/comm.
  package func process(pid: Int32) throws(HostError) -> ProcessFacts? {
    guard let directory = try root.directory(KernelName(String(pid))), let stat = try stat(in: directory) else {
      return nil
    }
    guard let contents = try files.contents(KernelName("status"), in: directory, limitBytes: ProcStatus.limitBytes)
    else { return nil }
    let status = try ProcStatus(contents, pageSizeBytes: pageSizeBytes)
    var facts = ProcessFacts(
      pid: pid, tgid: status.tgid, ppid: stat.ppid, comm: stat.comm, uid: status.uid, threads: stat.threads,
      isKernelThread: stat.isKernelThread, startTimeTicks: stat.startTimeTicks, totalVMPages: stat.totalVMPages,
      residentPages: stat.residentPages, parts: status.parts)
    facts.oomScore = try number("oom_score", in: directory)
    facts.oomScoreAdj = try number("oom_score_adj", in: directory)
    if let cmdline = try cmdline(in: directory), stat.isKernelThread || status.parts != nil || !cmdline.list.isEmpty {
      facts.cmdline = cmdline.list
      facts.isCmdlineTruncated = cmdline.isTruncated
    }
    facts.exe = try executable(in: directory)
    if let contents = try files.contents(KernelName("cgroup"), in: directory, limitBytes: ProcCgroup.limitBytes) {
      facts.cgroup = try ProcCgroup.memory(in: contents)
    }
    if stat.ppid > 0 { facts.parentComm = try comm(pid: stat.ppid) }
    return facts
  }

  /// When the process that now has this pid began, in clock ticks since boot; nil where there is none.
  ///
  /// File: /proc/PID/stat, field 22.
  package func startTimeTicks(pid: Int32) throws(HostError) -> UInt64? { try stat(pid: pid)?.startTimeTicks }

  /// The name of the leader of a process, or nil where it is gone.
  ///
  /// File: /proc/PID/comm.
  package func comm(pid: Int32) throws(HostError) -> KernelName? {
    try files.contents(KernelName("\(pid)/comm"), in: root).map { KernelName(bytes: Array($0.withoutNewline)) }
  }

  /// Its memory group, or nil where it is gone.
  ///
  /// File: /proc/PID/cgroup.
  package func cgroup(pid: Int32) throws(HostError) -> CgroupRef? {
    guard let contents = try files.contents(KernelName("\(pid)/cgroup"), in: root, limitBytes: ProcCgroup.limitBytes)
    else { return nil }
    return try ProcCgroup.memory(in: contents)
  }

  /// Its arguments, none where its memory is gone, or nil where it is gone itself.
  ///
  /// File: /proc/PID/cmdline.
  package func cmdline(pid: Int32) throws(HostError) -> [KernelName]? {
    guard let directory = try root.directory(KernelName(String(pid))) else { return nil }
    return try cmdline(in: directory)?.list
  }

  /// The processes that there are, in the order in which the kernel lists them.
  ///
  /// File: /proc.
  package func pids() throws(HostError) -> [Int32] { try root.numericNames() }

  /// Resident pages of one process, or nil where it is gone.
  ///
  /// File: /proc/PID/statm, field 2.
  package func residentPages(pid: Int32) throws(HostError) -> Pages? {
    guard let contents = try files.contents(KernelName("\(pid)/statm"), in: root) else { return nil }
    let fields = contents.withoutNewline.words
    guard fields.count >= 2, let pages: Pages = Decimal.unsigned(fields[1]) else {
      throw contents.malformed(line: 1, contents.withoutNewline)
    }
    return pages
  }

  func stat(pid: Int32) throws(HostError) -> ProcStat? {
    guard let contents = try files.contents(KernelName("\(pid)/stat"), in: root) else { return nil }
    return try ProcStat(contents, pageSizeBytes: pageSizeBytes)
  }

  private func stat(in directory: borrowing Directory) throws(HostError) -> ProcStat? {
    guard let contents = try files.contents(KernelName("stat"), in: directory) else { return nil }
    return try ProcStat(contents, pageSizeBytes: pageSizeBytes)
  }

  private func number(_ name: String, in directory: borrowing Directory) throws(HostError) -> Int? {
    guard let contents = try files.contents(KernelName(name), in: directory) else { return nil }
    let number: Int = try contents.number()
    return number
  }

  /// Empty arguments at the end are left out: programs that write their state over their arguments pad with NUL.
  private func cmdline(
    in directory: borrowing Directory
  ) throws(HostError) -> (list: [KernelName], isTruncated: Bool)? {
    let limit = ProcReader.cmdlineLimitBytes
    guard let contents = try files.beginning(KernelName("cmdline"), in: directory, limitBytes: limit) else {
      return nil
    }
    guard let last = contents.bytes.lastIndex(where: { $0 != 0 }) else { return ([], contents.isTruncated) }
    let arguments = contents.bytes[...last].split(separator: 0, omittingEmptySubsequences: false)
    let kept = arguments.prefix(ProcReader.cmdlineLimitArguments).map { KernelName(bytes: Array($0)) }
    return (kept, contents.isTruncated || kept.count < arguments.count)
  }

  private func executable(in directory: borrowing Directory) throws(HostError) -> KernelName? {
    do throws(HostError) {
      return try directory.link(KernelName("exe"))
    } catch {
      if case .system(_, _, let code) = error, SystemCall.Outcome.isRefusal(code) { return nil }
      throw error
    }
  }
}
