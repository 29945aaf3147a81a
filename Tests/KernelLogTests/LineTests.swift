// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

@Suite struct LineTests {
  static let tail = "total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB, UID:7 pgtables:12kB oom_score_adj:-5"

  struct Named: Sendable {
    let text: String
    /// Message or kind, id, and name; nil where the line is another.
    let found: String?

    init(_ text: String, _ found: String?) {
      self.text = text
      self.found = found
    }
  }

  static let killed: [Named] = [
    Named("Out of memory: Killed process 12 (hog) \(tail)", "system 12 hog"),
    Named("Memory cgroup out of memory: Killed process 12 (hog) \(tail)", "memcg 12 hog"),
    Named("Out of memory (oom_kill_allocating_task): Killed process 12 (hog) \(tail)", "allocatingTask 12 hog"),
    Named("Out of memory: Killed process 12 () \(tail)", "system 12 "),
    Named("Out of memory: Killed process 12 (a) (b) \(tail)", "system 12 a) (b"),
    Named("Out of memory: Killed process 12 () total-vm:8) \(tail)", "system 12 ) total-vm:8"),
    Named("Out of memory: Killed process 12 (,pid=1,uid=0\n\") \(tail)", "system 12 ,pid=1,uid=0\n\""),
    Named(
      "Out of memory: Killed process 12 (x) total-vm:8kB, anon-rss:4kB, file-rss:2kB, shmem-rss:1kB", "system 12 x"),
    Named("Out of memory: Killed process 12 (x) total-vm:8kB, anon-rss:4kB, file-rss:2kB", "system 12 x"),
    Named("Out of memory: Killed process 12 (hog) \(tail) ", nil),
    Named("Out of memory: Killed process 12 (hog) \(tail)9999999", nil),
    Named("Out of memory: Killed process 12 (hog) total-vm:8kB, anon-rss:4kB", nil),
    Named("Out of memory: Killed process 12 (hog) total-vm:-8kB, anon-rss:4kB, file-rss:2kB", nil),
    Named("Out of memory: Killed process 12 (x) total-vm:99999999999999999kB, anon-rss:4kB, file-rss:2kB", nil),
    Named("Out of memory: Killed process 12 (hog)", nil),
    Named("Out of memory: Killed process 0 (hog) \(tail)", nil),
    Named("Out of memory: Killed process 99999999999 (hog) \(tail)", nil),
    Named("Out of memory: Kill process 12 (hog) score 3 or sacrifice child", nil),
    Named("x: Out of memory: Killed process 12 (hog) \(tail)", nil),
    Named(" Out of memory: Killed process 12 (hog) \(tail)", nil),
    Named("Out of memory and no killable processes...", nil),
    Named("", nil),
  ]

  @Test(
    "A kill line is known by the kernel's words at both ends, whatever the name between them says", arguments: killed)
  func killedLine(_ row: Named) {
    let found = KilledLine(Array(row.text.utf8)).map {
      "\($0.message.map { "\($0)" } ?? "none") \($0.tid) \($0.comm.text)"
    }
    #expect(found == row.found)
  }

  @Test("All numbers of a kill line are read, in the units in which they are printed")
  func killedNumbers() throws {
    let line = try #require(KilledLine(Array("Out of memory: Killed process 12 (hog) \(LineTests.tail)".utf8)))
    #expect([line.totalVMKilobytes, line.anonKilobytes, line.fileKilobytes] == [8, 4, 2])
    #expect([line.shmemKilobytes, line.pgtableKilobytes] == [1, 12])
    #expect(line.uid == 7)
    #expect(line.oomScoreAdj == -5)
  }

  static let headers: [Named] = [
    Named(
      "hog invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=-50",
      "hog 1314250 GFP_HIGHUSER_MOVABLE,__GFP_COMP,__GFP_ZERO 0 -50"),
    Named(
      "kworker/1:0 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0",
      "kworker/1:0 3264 GFP_KERNEL -1 0"),
    Named(" invoked oom-killer: gfp_mask=0x0(), order=0, oom_score_adj=0", " 0  0 0"),
    Named("a invoked oom-killer: gfp_mask=0xcc0, order=2, oom_score_adj=0", "a 3264  2 0"),
    Named(
      "a b invoked oom-k invoked oom-killer: gfp_mask=0x1(0x1), order=0, oom_score_adj=0", "a b invoked oom-k 1 0x1 0 0"
    ),
    Named("a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL, order=0, oom_score_adj=0", nil),
    Named("a invoked oom-killer: gfp_mask=0x(GFP_KERNEL), order=0, oom_score_adj=0", nil),
    Named("a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0 ", nil),
    Named("a invoked oom-killer: gfp_mask=0xfffffffff(GFP_KERNEL), order=0, oom_score_adj=0", nil),
    Named("a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=", nil),
    Named("a invoked oom-killer", nil),
    // 2.6.32, 2.6.36, 3.10, 4.9, 4.14.
    Named("httpd invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=0", "httpd 164058  0 -"),
    Named("a invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0", "a 131546  0 0"),
    Named("a invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=-5", "a 131546  0 -5"),
    Named(
      "a invoked oom-killer: gfp_mask=0x24200ca(GFP_HIGHUSER_MOVABLE), nodemask=0-1,3, order=2, oom_score_adj=0",
      "a 37880010 GFP_HIGHUSER_MOVABLE 2 0"),
    Named(
      "a invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0, oom_score_adj=1000",
      "a 20971712 GFP_KERNEL 0 1000"),
    Named("a invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0", nil),
  ]

  @Test("A report's first line tells who asked, with what flags and for how much", arguments: headers)
  func header(_ row: Named) {
    let found = HeaderLine(Array(row.text.utf8)).map {
      "\($0.comm.text) \($0.gfpMask) \($0.gfpFlags.joined(separator: ",")) \($0.order) \($0.oomScoreAdj.map(String.init) ?? "-")"
    }
    #expect(found == row.found)
  }

  static let tasks: [Named] = [
    Named("CPU: 1 UID: 1000 PID: 4529 Comm: hog Not tainted 6.18.44 #1 PREEMPT(none) ", "4529 1000"),
    Named("CPU: 0 PID: 12 Comm: hog Tainted: G        W          6.1.0 #1", "12 nil"),
    Named("CPU: 0 UID: 4294967294 PID: 12 Comm: hog x", "12 4294967294"),
    Named("CPU: 0 PID: 12 Comm: hogs Not tainted 6.1.0 #1", nil),
    Named("CPU: 0 PID: 12 Comm: ho", nil),
    Named("CPU: x PID: 12 Comm: hog Not tainted", nil),
    Named("Hardware name: hog", nil),
  ]

  @Test("The stack dump's first line gives the thread's id, if it names the one who asked", arguments: tasks)
  func task(_ row: Named) {
    let line = TaskLine(Array(row.text.utf8)).flatMap { $0.isOf(KernelName("hog")) ? $0 : nil }
    #expect(line.map { "\($0.tid) \($0.uid.map(String.init) ?? "nil")" } == row.found)
  }

  static let others: [Named] = [
    Named("Tasks in /a are going to be killed due to memory.oom.group set", "group /a"),
    Named(
      "Tasks in /a are going to be killed due to memory.oom.group set are going to be killed due to memory.oom.group set",
      "group /a are going to be killed due to memory.oom.group set"),
    Named("Tasks in a are going to be killed due to memory.oom.group set", "other"),
    Named("Tasks in /a are going to be killed", "other"),
    Named("Tasks state (memory values in pages):", "other"),
    Named("Out of memory: OOM victim 5 (a (b)) is already exiting. Skip killing the task", "exiting 5 a (b)"),
    Named("OOM victim 5 (a) is already exiting. Skip killing the task", "other"),
    Named("Memory cgroup out of memory: OOM victim 5 (a) is already exiting", "other"),
    Named("oom_reaper: reaped process 5 (a), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB", "reaper 5 a true"),
    Named("oom_reaper: reaped process 5 (a), now anon-rss:), now anon-rss:0kB", "reaper 5 a), now anon-rss: true"),
    Named("oom_reaper: unable to reap pid:5 (a b)", "reaper 5 a b false"),
    Named("oom_reaper: unable to reap pid:x (a b)", "other"),
    Named("Out of memory and no killable processes...", "no killable"),
    Named("Out of memory and no killable", "other"),
    Named("sysrq: Manual OOM execution", "other"),
    // Before 5.1.
    Named("Out of memory: Kill process 21945 (tidb-server) score 956 or sacrifice child", "sacrifice system 21945 956"),
    Named(
      "Memory cgroup out of memory: Kill process 7 (a) score 1 (b) score 9 or sacrifice child", "sacrifice memcg 7 9"),
    Named("Out of memory: kill process 7 (httpd) score 54321 or a child", "sacrifice system 7 -"),
    Named("Out of memory: Kill process 7 (httpd) score 5", "other"),
    Named("Out of memory: Kill process x (httpd) score 5 or sacrifice child", "other"),
  ]

  @Test("Each line of the out-of-memory killer is told from what only resembles it", arguments: others)
  func kinds(_ row: Named) {
    let found: String =
      switch ReportLine(Array(row.text.utf8)) {
      case .group(let path): "group \(path.text)"
      case .exiting(let line): "exiting \(line.tid) \(line.comm.text)"
      case .reaper(let line): "reaper \(line.tid) \(line.comm.text) \(line.hasReaped)"
      case .noKillable: "no killable"
      case .sacrifice(let line): "sacrifice \(line.message) \(line.tid) \(line.score.map(String.init) ?? "-")"
      case .other: "other"
      case .header, .constraint, .killed: "unexpected"
      }
    #expect(found == row.found)
  }

  static let usages: [Named] = [
    Named("memory: usage 32768kB, limit 32764kB, failcnt 64", "memory 32768 32764"),
    Named("swap: usage 0kB, limit 9007199254740988kB, failcnt 0", "swap 0 9007199254740988"),
    Named("memory+swap: usage 8kB, limit 1125899906842620kB, failcnt 0", "memoryAndSwap 8 1125899906842620"),
    Named("kmem: usage 208kB, limit 4kB, failcnt 0", nil),
    Named("memory: usage 32768kB, limit 32764kB", nil),
    Named("memory: usage -1kB, limit 32764kB, failcnt 0", nil),
    Named("memory: usage 1kB, limit 1kB, failcnt 0 x", nil),
  ]

  @Test("A cgroup's counters are read with their limits, and kernel memory is left out", arguments: usages)
  func usage(_ row: Named) {
    let line = UsageLine(Array(row.text.utf8))
    #expect(line.map { "\($0.counter) \($0.usageKilobytes) \($0.limitKilobytes)" } == row.found)
  }

  @Test("PAGE_COUNTER_MAX is no limit, on pages of each size; a page less is one")
  func limits() {
    #expect(LogUnits(pageSizeBytes: 4096).limit(kilobytes: 9_007_199_254_740_988) == .unlimited)
    #expect(LogUnits(pageSizeBytes: 4096).limit(kilobytes: 9_007_199_254_740_984) == .pages(2_251_799_813_685_246))
    #expect(LogUnits(pageSizeBytes: 65536).limit(kilobytes: 9_007_199_254_740_928) == .unlimited)
    #expect(LogUnits(pageSizeBytes: 65536).limit(kilobytes: 128) == .pages(2))
  }
}
