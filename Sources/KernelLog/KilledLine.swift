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
  /// Nil before 5.1, where a line of its own has it: `SacrificeLine`.
  var message: KillMessage?
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
    message = KillMessage.take(from: &scanner)
    guard let tid: Int32 = scanner.number(after: "Killed process "), tid > 0 else { return nil }
    self.tid = tid
    guard let name = KilledLine.name(&scanner, isOld: message == nil) else { return nil }
    comm = name.comm
    var tail = scanner
    guard let totalVM: Int64 = tail.number(after: "total-vm:", unit: "kB") ?? tail.number(after: "vsz:", unit: "kB"),
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
    (self.uid, pgtableKilobytes, oomScoreAdj) = (uid ?? name.uid, pgtables, adj)
  }

  /// ` (COMM) ` up to the sizes. Red Hat has the user in it, ` (COMM), UID 0, ` in 3.10 and `, UID 0, (COMM) ` in 2.6.32,
  /// where the sizes begin with `vsz:` for others.
  private static func name(_ scanner: inout ByteScanner, isOld: Bool) -> (comm: KernelName, uid: UInt32?)? {
    var uid: UInt32?
    if isOld, scanner.skip(", UID ") {
      uid = scanner.userID()
      guard uid != nil, scanner.skip(",") else { return nil }
    }
    guard scanner.skip(" (") else { return nil }
    let start = scanner.index
    let rest = scanner.rest
    let ends = isOld ? rest.places(of: ") vsz:") + rest.places(of: "), UID ") : []
    guard let end = (rest.places(of: ") total-vm:") + ends).max() else { return nil }
    var tail = ByteScanner(rest[end...])
    if tail.skip("), UID ") {
      uid = tail.userID()
      guard uid != nil, tail.skip(", ") else { return nil }
    } else {
      guard tail.skip(") ") else { return nil }
    }
    scanner = tail
    return (KernelName(bytes: Array(rest[start..<end])), uid)
  }
}

/// `MESSAGE: Kill process TID (COMM) score 991 or sacrifice child`: whom the kernel chose, before it says whom it killed.
///
/// Up to 5.0; a child may die in its place. The score is of 1000, as /proc/PID/oom_score has it; before 2.6.36 it is
/// something else, and the line `kill process TID (COMM) score 991 or a child`. Kernel: mm/oom_kill.c, oom_kill_process().
struct SacrificeLine: Hashable {
  let message: KillMessage
  let tid: Int32
  let score: Int?

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    guard let message = KillMessage.take(from: &scanner) else { return nil }
    let isOld = scanner.skip("kill process ")
    guard isOld || scanner.skip("Kill process "), let tid: Int32 = scanner.number(), tid > 0, scanner.skip(" ("),
      let end = scanner.rest.places(of: ") score ").last
    else { return nil }
    var tail = ByteScanner(text[end...])
    guard let score: Int = tail.number(after: ") score "), tail.skip(" or sacrifice child") || tail.skip(" or a child"),
      tail.isAtEnd
    else { return nil }
    (self.message, self.tid) = (message, tid)
    self.score = isOld || !(0...2000).contains(score) ? nil : score
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
