// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

@Suite struct TaskTableTests {
  static let units = LogUnits(pageSizeBytes: 4096)
  static let before = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
  static let since =
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name"
  static let old = "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name"

  struct Row: Sendable {
    let head: String
    let text: String
    /// tid, pid, uid, adj; total_vm, resident, swap, page tables; anon, file, shmem; name
    let found: String?
  }

  static let rows: [Row] = [
    Row(
      head: before, text: "[    148]     0   147     5943     5699    86016        3           -50 bad,pid=1",
      found: "148 147 0 -50; 5943 5699 3 21; nil nil nil; <bad,pid=1>"),
    Row(
      head: since,
      text:
        "[   4636]    -2  4634    26944     8334     7104      206      1024   122880        0           300 worker",
      found: "4636 4634 4294967294 300; 26944 8334 0 30; 7104 206 1024; <worker>"),
    Row(
      head: old, text: "[  812]     0   812    26944     8334      17       4       5          -1000 sshd",
      found: "812 812 0 -1000; 26944 8334 5 21; nil nil nil; <sshd>"),
    Row(
      head: before, text: "[1234567] 1000 1234567     1     1    4095        0             0   two  words ",
      found: "1234567 1234567 1000 0; 1 1 0 0; nil nil nil; <  two  words >"),
    Row(
      head: before, text: "[      1]     0     1     1     1    0        0             0 ",
      found: "1 1 0 0; 1 1 0 0; nil nil nil; <>"),
    Row(
      head: before, text: "[      2]     0     2     1     1    0        0             0 [   9] 0 9 1 1 0 0 0 x",
      found: "2 2 0 0; 1 1 0 0; nil nil nil; <[   9] 0 9 1 1 0 0 0 x>"),
    Row(head: before, text: "[      1]     0     1     1     1    0        0             0", found: nil),
    Row(head: before, text: "[      1]     0     1     1     1    0        0         name", found: nil),
    Row(head: before, text: "[      1]     0     1     1     1    0        0          2000 name", found: nil),
    Row(
      head: before, text: "[      1]     0     1     -9223372036854775808     1    0        0          0 name",
      found: nil),
    Row(head: before, text: "[      0]     0     0     1     1    0        0             0 idle", found: nil),
    Row(head: before, text: "[      x]     0     1     1     1    0        0             0 name", found: nil),
    Row(head: before, text: before, found: nil),
    Row(head: before, text: "[  1]", found: nil),
    Row(head: before, text: "", found: nil),
  ]

  @Test("A row is read by the names of its table's columns, and its name to the last blank", arguments: rows)
  func parsing(_ row: Row) throws {
    var table = try #require(TaskTable(head: Array(row.head.utf8)))
    let isRow = table.take(Array(row.text.utf8), TaskTableTests.units)
    func text(_ pages: Pages?) -> String { pages.map(String.init) ?? "nil" }
    let found = table.rows.first.map { row in
      "\(row.tid) \(row.pid) \(row.uid) \(row.oomScoreAdj.map(String.init) ?? "nil"); \(row.totalVMPages) \(row.residentPages) \(text(row.swapPages)) "
        + "\(text(row.pgtablePages)); \(text(row.anonPages)) \(text(row.filePages)) \(text(row.shmemPages)); <\(row.comm.text)>"
    }
    #expect(found == row.found)
    #expect(isRow == (row.found != nil))
    #expect(table.count == table.rows.count)
  }

  @Test(
    "A head without the columns that a score needs is none",
    arguments: [
      "[  pid  ]   uid total_vm      rss pgtables_bytes swapents oom_score_adj name",
      "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj", "[  pid  ]", "[ 12 ] x", "",
    ])
  func heads(_ text: String) {
    #expect(TaskTable(head: Array(text.utf8)) == nil)
  }

  @Test("Rows over the limit are counted and not kept")
  func limit() throws {
    var table = try #require(TaskTable(head: Array(TaskTableTests.before.utf8)))
    for pid in 1...(TaskTable.rowsMax + 2) {
      _ = table.take(Array("[\(pid)] 0 \(pid) 1 1 0 0 0 a".utf8), TaskTableTests.units)
    }
    #expect(table.count == TaskTable.rowsMax + 2)
    #expect(table.rows.count == TaskTable.rowsMax)
  }
}
