// SPDX-License-Identifier: Apache-2.0
import Events

/// The processes that a report lists, in the kernel's order. Its columns are read from its own head.
///
/// `[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name` up to 6.7, with
/// `rss_anon rss_file rss_shmem` after `rss` since 6.8; before 4.15 `nr_ptes`, since 4.0 with `nr_pmds`, in place of
/// pgtables_bytes; before 3.8 neither these nor swapents, but `cpu oom_adj`, before 2.6.36 without oom_score_adj.
/// Only with vm.oom_dump_tasks. Kernel: mm/oom_kill.c, dump_tasks().
struct TaskTable: Hashable {
  /// Rows that are kept; those after it are counted alone.
  static let rowsMax = 1 << 16

  struct Row: Hashable {
    /// The thread of the process that has its memory: the leader, unless that one is gone.
    var tid: Int32
    var pid: Int32
    var uid: UInt32
    var comm: KernelName
    var oomScoreAdj: Int?
    var totalVMPages: Pages
    var residentPages: Pages
    /// Nil in layouts before 3.8.
    var swapPages: Pages?
    var pgtablePages: Pages?
    /// Nil in layouts before 6.8.
    var anonPages: Pages?
    var filePages: Pages?
    var shmemPages: Pages?

    /// The parts, where the layout has them.
    var parts: BadnessParts? {
      guard let anonPages, let filePages, let shmemPages, let swapPages, let pgtablePages else { return nil }
      return BadnessParts(
        anonPages: anonPages, filePages: filePages, shmemPages: shmemPages, swapPages: swapPages,
        pgtablePages: pgtablePages)
    }

    /// The score before oom_score_adj; nil where the layout lacks a part. Kernel: mm/oom_kill.c, oom_badness().
    var totalPages: Pages? {
      guard let swapPages, let pgtablePages else { return nil }
      return residentPages + swapPages + pgtablePages
    }
  }

  /// A column whose numbers are used.
  private enum Column: Int, CaseIterable {
    case uid, pid, totalVM, resident, anon, file, shmem, pgtableBytes, ptes, pmds, swap, oomScoreAdj

    /// By the words of the table's head.
    static let words: [String: Column] = [
      "uid": .uid, "tgid": .pid, "total_vm": .totalVM, "rss": .resident, "rss_anon": .anon, "rss_file": .file,
      "rss_shmem": .shmem, "pgtables_bytes": .pgtableBytes, "nr_ptes": .ptes, "nr_pmds": .pmds, "swapents": .swap,
      "oom_score_adj": .oomScoreAdj,
    ]
  }

  /// The numbers of one row.
  private struct Numbers {
    private var values = [Int64?](repeating: nil, count: Column.allCases.count)

    subscript(column: Column) -> Int64? {
      get { values[column.rawValue] }
      set { values[column.rawValue] = newValue }
    }
  }

  private(set) var rows: [Row] = []
  /// Rows seen, kept or not.
  private(set) var count = 0
  /// Those of the head, in its order; nil for one whose numbers say nothing here.
  private let columns: [Column?]
  private var placeByTID: [Int32: Int] = [:]

  /// The table's head; nil where the line is another.
  init?(head text: [UInt8]) {
    var scanner = ByteScanner(text)
    guard scanner.skip("[") else { return nil }
    scanner.skipSpaces()
    guard scanner.skip("pid") else { return nil }
    scanner.skipSpaces()
    guard scanner.skip("]") else { return nil }
    let names = scanner.rest.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
    let needed = ["uid", "tgid", "total_vm", "rss"]
    guard names.last == "name", names.count <= 32, needed.allSatisfy(names.contains) else { return nil }
    columns = names.dropLast().map { Column.words[$0] }
  }

  /// Takes a row; false where the line is another.
  mutating func take(_ text: [UInt8], _ units: LogUnits) -> Bool {
    guard let row = row(text, units) else { return false }
    count += 1
    guard rows.count < TaskTable.rowsMax else { return true }
    placeByTID[row.tid] = rows.count
    rows.append(row)
    return true
  }

  func row(tid: Int32) -> Row? { placeByTID[tid].map { rows[$0] } }

  func row(pid: Int32) -> Row? { rows.first { $0.pid == pid } }

  /// Numbers in the order of the head, one space, and the name: all that is left, blanks at its ends too.
  private func row(_ text: [UInt8], _ units: LogUnits) -> Row? {
    var scanner = ByteScanner(text)
    guard scanner.skip("[") else { return nil }
    scanner.skipSpaces()
    guard let tid: Int32 = scanner.number(), tid > 0, scanner.skip("]") else { return nil }
    var numbers = Numbers()
    for column in columns {
      scanner.skipSpaces()
      guard let value: Int64 = scanner.number(), ByteScanner.sane ~= value else { return nil }
      if let column { numbers[column] = value }
    }
    guard scanner.skip(" "), scanner.rest.count <= HeaderLine.commBytesMax, let uid = numbers[.uid],
      let uid = UInt32(exactly: uid >= 0 ? uid : uid + 1 << 32), let pid = numbers[.pid].flatMap(Int32.init(exactly:)),
      pid > 0, let totalVM = numbers[.totalVM], let resident = numbers[.resident],
      (-1000...1000) ~= numbers[.oomScoreAdj] ?? 0
    else { return nil }
    let pgtables =
      numbers[.pgtableBytes].map(units.pages(bytes:)) ?? numbers[.ptes].map { $0 + (numbers[.pmds] ?? 0) }
    return Row(
      tid: tid, pid: pid, uid: uid, comm: KernelName(bytes: Array(scanner.rest)),
      oomScoreAdj: numbers[.oomScoreAdj].map(Int.init),
      totalVMPages: totalVM, residentPages: resident, swapPages: numbers[.swap], pgtablePages: pgtables,
      anonPages: numbers[.anon], filePages: numbers[.file], shmemPages: numbers[.shmem])
  }
}
