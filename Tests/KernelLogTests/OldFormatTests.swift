// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// Reports of kernels that no machine here runs, written from the format strings of their sources: mm/oom_kill.c,
/// mm/memcontrol.c and lib/dump_stack.c of the version that each names.
@Suite struct OldFormatTests {
  struct Report: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String
    let kills: [String]
  }

  static let reports: [Report] = [
    Report(
      testDescription: "2.6.32: oom_adj, vsz, another score",
      text: """
        httpd invoked oom-killer: gfp_mask=0x280da, order=0, oom_adj=0
        httpd cpuset=/ mems_allowed=0
        Pid: 2101, comm: httpd Not tainted 2.6.32-5-amd64 #1
        Mem-Info:
        [ pid ]   uid  tgid total_vm      rss cpu oom_adj name
        [ 2101]    33  2101   100000    50000   0       0 httpd
        [ 2102]    33  2102     1000      500   1     -17 sshd
        Out of memory: kill process 2101 (httpd) score 54321 or a child
        Killed process 2101 (httpd) vsz:400000kB, anon-rss:199000kB, file-rss:1000kB
        """,
      kills: ["2101 httpd uid 33 scope - by 2101 adj - considered 2 listed 0 points - score -"]),
    Report(
      testDescription: "Red Hat's 2.6.32: the user before the name",
      text: """
        java invoked oom-killer: gfp_mask=0x200da, order=0, oom_adj=0, oom_score_adj=0
        Pid: 30827, comm: java Not tainted 2.6.32-754.el6.x86_64 #1
        Out of memory: Kill process 30827 (java) score 412 or sacrifice child
        Killed process 30827, UID 500, (java) total-vm:4000000kB, anon-rss:2000000kB, file-rss:132kB
        """,
      kills: ["30827 java uid 500 scope - by 30827 adj - considered - listed - points - score unsaid"]),
    Report(
      testDescription: "3.10 of Red Hat: a cgroup of version 1, the user after the name, nr_ptes",
      text: """
        tidb-server invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0
        tidb-server cpuset=/ mems_allowed=0
        CPU: 14 PID: 21966 Comm: tidb-server Kdump: loaded Not tainted 3.10.0-1160.el7.x86_64 #1
        Task in /docker/a1 killed as a result of limit of /docker
        memory: usage 524288kB, limit 524288kB, failcnt 33
        memory+swap: usage 524288kB, limit 524288kB, failcnt 0
        kmem: usage 0kB, limit 9007199254740988kB, failcnt 0
        Memory cgroup stats for /docker: cache:0KB rss:0KB
        [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
        [21945]  1000 21945  8256873   130000     300        0             0 tidb-server
        [21999]  1000 21999     5000      800      10        0           100 sh
        Memory cgroup out of memory: Kill process 21945 (tidb-server) score 956 or sacrifice child
        Killed process 21945 (tidb-server), UID 1000, total-vm:33027492kB, anon-rss:519000kB, file-rss:1000kB, shmem-rss:0kB
        """,
      kills: [
        "21945 tidb-server uid 1000 scope memcg /docker of /docker/a1 by 21966 adj - considered 2 listed 2 points 130300 score 956"
      ]),
    Report(
      testDescription: "3.2: a table without page tables and swap",
      text: """
        a invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0, oom_score_adj=0
        [ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name
        [  500]  1000   500     9000     8000   0       0             0 big one
        Out of memory: Kill process 500 (big one) score 99 or sacrifice child
        Killed process 500 (big one) total-vm:36000kB, anon-rss:31000kB, file-rss:1000kB
        """,
      kills: ["500 big one uid 1000 scope - by - adj - considered 1 listed 1 points - score unsaid"]),
    Report(
      testDescription: "4.14: nodemask, pgtables_bytes, a child dies for its parent, root",
      text: """
        sh invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0, oom_score_adj=0
        CPU: 0 PID: 700 Comm: sh Not tainted 4.14.0 #1
        [ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name
        [  700]     0   700     1000      800      10       3        0             0 sh
        [  701]     0   701    90000    80000     100       3        0             0 worker
        Out of memory: Kill process 700 (sh) score 9 or sacrifice child
        Killed process 701 (worker) total-vm:360000kB, anon-rss:319000kB, file-rss:1000kB, shmem-rss:0kB
        """,
      kills: ["701 worker uid 0 scope - by 700 adj - considered 2 listed 2 points - score -"]),
    Report(
      testDescription: "5.0: the choice on a line of its own, and the constraint on another",
      text: """
        x invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
        CPU: 0 PID: 12 Comm: x Not tainted 5.0.0 #1
        [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
        [     12]  1000    12    90000    80000   819200        0             0 x
        oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/u,task=x,pid=12,uid=1000
        Out of memory: Kill process 12 (x) score 800 or sacrifice child
        Killed process 12 (x) total-vm:360000kB, anon-rss:319000kB, file-rss:1000kB, shmem-rss:0kB
        oom_reaper: reaped process 12 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB
        """,
      kills: ["12 x uid 1000 scope system of /u by 12 adj - considered 1 listed 1 points 80200 score 800"]),
    Report(
      testDescription: "a kill line without all that comes before it",
      text: "Killed process 9 (a) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
      kills: ["9 a uid - scope - by - adj - considered - listed - points - score -"]),
    Report(
      testDescription: "a choice of which no kill is told, and one told as text",
      text: """
        Out of memory: Kill process 12 (x) score 800 or sacrifice child
        Killed process 12 (x)
        Killed process 12 (x) total-vm:many
        """, kills: []),
  ]

  private static func text(_ kill: OOMKill) -> String {
    func text(_ number: (some BinaryInteger)?) -> String { number.map { "\($0)" } ?? "-" }
    var line =
      "\(kill.victim.pid) \(kill.victim.comm.text) uid \(text(kill.victim.uid)) scope \(kill.scope?.rawValue ?? "-")"
    if let path = kill.limit?.cgroup?.path { line += " \(path.text)" }
    if let path = kill.victim.cgroup?.path { line += " of \(path.text)" }
    line += " by \(text(kill.trigger?.tid)) adj \(text(kill.victim.oomScoreAdj == 0 ? nil : kill.victim.oomScoreAdj))"
    line += " considered \(text(kill.candidates?.considered)) listed \(text(kill.candidates?.list.count))"
    let isUnsaid = kill.unavailable.contains("badness.proc_oom_score")
    let score = isUnsaid ? "unsaid" : text(kill.badness?.procOOMScore)
    return line + " points \(text(kill.badness?.points)) score \(score)"
  }

  @Test("a report of an old kernel is told as far as it tells", arguments: reports)
  func report(report: Report) {
    for prefix in ["", "Mar 14 16:55:03 localhost kernel: ", "[ 4995.752332] "] {
      let bytes = report.text.split(separator: "\n").flatMap { Array((prefix + $0 + "\n").utf8) }
      let kills = LogFileTests.events(bytes).compactMap { located in
        if case .oomKill(let kill) = located.logged.event { OldFormatTests.text(kill) } else { nil }
      }
      #expect(kills == report.kills)
    }
  }

  @Test("an old report that is cut anywhere kills nobody whom it does not name", arguments: reports)
  func truncated(report: Report) {
    let bytes = Array(report.text.utf8)
    let named = Set(report.kills.map { $0.prefix { $0 != " " } })
    for length in 0...bytes.count {
      for located in LogFileTests.events(Array(bytes[..<length])) {
        if case .oomKill(let kill) = located.logged.event { #expect(named.contains(Substring("\(kill.victim.pid)"))) }
      }
    }
  }
}
