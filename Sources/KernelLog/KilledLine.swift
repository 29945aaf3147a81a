// SPDX-License-Identifier: Apache-2.0
import Events

/// The kernel's own words before a kill. Kernel: mm/oom_kill.c and mm/memcontrol.c, the callers of oom_kill_process().
enum KillMessage: String, CaseIterable {
  case allocatingTask = "Out of memory (oom_kill_allocating_task)"
  case system = "Out of memory"
  case memcg = "Memory cgroup out of memory"

  /// Takes the message and the colon after it.
  static func take(from scanner: inout ByteScanner) -> KillMessage? {
    if scanner.skip("Out of memory (oom_kill_allocating_task): ") { return .allocatingTask }
    if scanner.skip("Out of memory: ") { return .system }
    if scanner.skip("Memory cgroup out of memory: ") { return .memcg }
    return nil
  }
}

/// `MESSAGE: Killed process TID (COMM) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:4kB oom_score_adj:0`.
///
/// The name ends at the last `) total-vm:`, after which everything to the end is the kernel's, so that no name can move it.
/// The one line of a kill that is never rate-limited. Kernel: mm/oom_kill.c, __oom_kill_process().
struct KilledLine: Hashable {
  let message: KillMessage
  let tid: Int32
  let comm: KernelName
  let totalVMKilobytes: Int64
  let anonKilobytes: Int64
  let fileKilobytes: Int64
  let shmemKilobytes: Int64?
  let uid: UInt32?
  let pgtableKilobytes: Int64?
  let oomScoreAdj: Int?

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    guard let message = KillMessage.take(from: &scanner),
      let tid: Int32 = scanner.number(after: "Killed process ", unit: " ("), tid > 0,
      let end = scanner.rest.places(of: ") total-vm:").last
    else { return nil }
    self.message = message
    self.tid = tid
    comm = KernelName(bytes: Array(text[scanner.index..<end]))
    var tail = ByteScanner(text[end...])
    guard let totalVM: Int64 = tail.number(after: ") total-vm:", unit: "kB"),
      let anon: Int64 = tail.number(after: ", anon-rss:", unit: "kB"),
      let file: Int64 = tail.number(after: ", file-rss:", unit: "kB")
    else { return nil }
    (totalVMKilobytes, anonKilobytes, fileKilobytes) = (totalVM, anon, file)
    shmemKilobytes = tail.number(after: ", shmem-rss:", unit: "kB")
    var (uid, pgtables, adj): (UInt32?, Int64?, Int?) = (nil, nil, nil)
    if tail.skip(", UID:") {
      uid = tail.userID()
      pgtables = tail.number(after: " pgtables:", unit: "kB")
      adj = tail.number(after: " oom_score_adj:")
      guard uid != nil, pgtables != nil, adj != nil else { return nil }
    }
    let sizes = [totalVM, anon, file, shmemKilobytes ?? 0, pgtables ?? 0]
    guard tail.isAtEnd, sizes.allSatisfy({ $0 >= 0 && ByteScanner.sane ~= $0 }), (-1000...1000) ~= (adj ?? 0) else {
      return nil
    }
    (self.uid, pgtableKilobytes, oomScoreAdj) = (uid, pgtables, adj)
  }
}

/// `MESSAGE: OOM victim TID (COMM) is already exiting. Skip killing the task`.
///
/// Kernel: mm/oom_kill.c, __oom_kill_process(), where no thread of it has memory any more.
struct ExitingLine: Hashable {
  let message: KillMessage
  let tid: Int32
  let comm: KernelName

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    let ending: StaticString = ") is already exiting. Skip killing the task"
    guard let message = KillMessage.take(from: &scanner),
      let tid: Int32 = scanner.number(after: "OOM victim ", unit: " ("), tid > 0, scanner.rest.ends(with: ending)
    else { return nil }
    self.message = message
    self.tid = tid
    comm = KernelName(bytes: Array(scanner.rest.dropLast(ending.utf8CodeUnitCount)))
  }
}

/// `oom_reaper: reaped process TID (COMM), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB`, or `unable to reap pid:TID (COMM)`.
///
/// Kernel: mm/oom_kill.c, oom_reap_task_mm() and oom_reap_task().
struct ReaperLine: Hashable {
  let tid: Int32
  let comm: KernelName
  /// False where it gave up.
  let hasReaped: Bool

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    guard scanner.skip("oom_reaper: ") else { return nil }
    if let tid: Int32 = scanner.number(after: "reaped process ", unit: " ("), tid > 0,
      let end = scanner.rest.places(of: "), now anon-rss:").last
    {
      self.tid = tid
      comm = KernelName(bytes: Array(text[scanner.index..<end]))
      hasReaped = true
    } else if let tid: Int32 = scanner.number(after: "unable to reap pid:", unit: " ("), tid > 0,
      scanner.rest.ends(with: ")")
    {
      self.tid = tid
      comm = KernelName(bytes: Array(scanner.rest.dropLast()))
      hasReaped = false
    } else {
      return nil
    }
  }
}
