// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// One process, held so that no other one can be meant by it, and its oom_score_adj.
///
/// All goes through one descriptor of /proc/PID, which the kernel ties to the process and not to the number: once it has
/// ended each call says that it is gone, whoever has its pid by then. Kernel: fs/proc/base.c, get_proc_task().
package struct ProcessHandle: ~Copyable {
  package let pid: Int32
  /// When it began: with the pid its identity beyond our own life. File: /proc/PID/stat, field 22.
  package let startTimeTicks: UInt64
  private let directory: Directory
  private let files = FileReader()

  /// Nil where there is no such process.
  ///
  /// File: /proc/PID/stat.
  package static func open(pid: Int32, root: String = "/proc") throws(HostError) -> ProcessHandle? {
    guard let directory = try Directory(path: root).directory(KernelName(String(pid))) else { return nil }
    guard let contents = try FileReader().contents(KernelName("stat"), in: directory) else { return nil }
    let stat = try ProcStat(contents, pageSizeBytes: HostIdentity.pageSizeBytes)
    return ProcessHandle(pid: pid, startTimeTicks: stat.startTimeTicks, directory: directory)
  }

  private init(pid: Int32, startTimeTicks: UInt64, directory: consuming Directory) {
    self.pid = pid
    self.startTimeTicks = startTimeTicks
    self.directory = directory
  }

  /// Whether it has not been reaped yet; what was read of its pid before is then of this process.
  package var isThere: Bool {
    ((try? files.contents(KernelName("stat"), in: directory)) ?? nil) != nil
  }

  /// Nil where it is gone.
  ///
  /// File: /proc/PID/oom_score_adj.
  package func oomScoreAdj() throws(HostError) -> Int? {
    guard let contents = try files.contents(KernelName("oom_score_adj"), in: directory) else { return nil }
    let value: Int = try contents.number()
    return value
  }

  /// Writes it; false where the process is gone.
  ///
  /// The kernel changes all processes that share its memory as well, but for vfork(2) and init. Below the process's floor
  /// (signal->oom_score_adj_min) it says EACCES to who lacks CAP_SYS_RESOURCE; who has it moves the floor along.
  /// Kernel: fs/proc/base.c, __set_oom_adj().
  package func setOOMScoreAdj(_ value: Int) throws(HostError) -> Bool {
    let name = KernelName("oom_score_adj")
    let parent = directory.descriptor
    let opened = name.withPath { path in SystemCall.retrying { Int(openat(parent, path, O_WRONLY | O_CLOEXEC)) } }
    let descriptor: Int32
    switch opened ?? .failure(ENOENT) {
    case .value(let value): descriptor = Int32(value)
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return false }
      throw .system(operation: .open, path: directory.path.appending(name), errno: code)
    }
    defer { close(descriptor) }
    let text = Array(String(value).utf8)
    switch SystemCall.retrying({ write(descriptor, text, text.count) }) {
    case .value: return true
    case .failure(let code):
      if SystemCall.Outcome.isGone(code) { return false }
      throw .system(operation: .write, path: directory.path.appending(name), errno: code)
    }
  }
}
