// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc

/// Reads the memory of the whole host, and the kernel's own count of its kills.
///
/// The count is the measure of our completeness: what it grew by is what we must have told. Not for two threads at once.
/// File: /proc/meminfo, /proc/vmstat, /proc/pressure/memory, /proc/sys.
package final class MemoryReader {
  private let root: Directory
  private let files = FileReader()
  private let pageSizeBytes: Int
  /// Read at each kill: open once they were found.
  private var meminfo: OpenFile?
  private var pressureFile: OpenFile?

  /// Opens the root; only its absence is an error here.
  ///
  /// File: /proc.
  package init(procRoot: String = "/proc", pageSizeBytes: Int = HostIdentity.pageSizeBytes) throws(HostError) {
    root = try Directory(path: procRoot)
    self.pageSizeBytes = pageSizeBytes
  }

  /// The host's memory now, in pages; nil where there is no such file.
  ///
  /// File: /proc/meminfo. Kernel: fs/proc/meminfo.c, meminfo_proc_show().
  package func state() throws(HostError) -> MemoryState? {
    if meminfo == nil { meminfo = try OpenFile(KernelName("meminfo"), in: root) }
    guard let meminfo, let contents = try files.contents(of: meminfo) else { return nil }
    var state = MemoryState()
    for (index, line) in contents.lines.enumerated() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw contents.malformed(line: index + 1, line) }
      for (name, field) in MemoryReader.fields where line[..<colon].isEqual(to: name) {
        guard let pages = pages(line[(colon + 1)...]) else { throw contents.malformed(line: index + 1, line) }
        state[keyPath: field] = pages
        break
      }
    }
    return state
  }

  /// "    12345 kB" in pages.
  private func pages(_ text: ArraySlice<UInt8>) -> Pages? {
    let words = text.words
    guard words.count == 2, words[1].isEqual(to: "kB"), let kibibytes: Int64 = Decimal.unsigned(words[0]) else {
      return nil
    }
    return Decimal.pages(kibibytes: kibibytes, pageSizeBytes: pageSizeBytes)
  }

  /// How often the kernel counted a kill since boot; nil before 4.13, which does not count.
  ///
  /// File: /proc/vmstat, oom_kill. Kernel: mm/oom_kill.c, __oom_kill_process().
  package func oomKillCount() throws(HostError) -> Int64? {
    guard let contents = try files.contents(KernelName("vmstat"), in: root) else { return nil }
    return try contents.number(after: "oom_kill")
  }

  /// How long tasks stood still for memory; nil where the kernel does not measure it.
  ///
  /// File: /proc/pressure/memory. Kernel: kernel/sched/psi.c, psi_show(), which says EOPNOTSUPP where it is switched off.
  package func pressure() throws(HostError) -> PressureStall? {
    let contents: FileContents?
    do throws(HostError) {
      if pressureFile == nil { pressureFile = try OpenFile(KernelName("pressure/memory"), in: root) }
      guard let pressureFile else { return nil }
      contents = try files.contents(of: pressureFile)
    } catch {
      if case .system(_, _, EOPNOTSUPP) = error { return nil }
      throw error
    }
    guard let contents else { return nil }
    return try PressureStall(contents)
  }

  /// A setting of the kernel that is one number, or nil where this kernel has none of that name.
  ///
  /// `name` is its path, as in "vm/oom_kill_allocating_task". File: /proc/sys.
  package func sysctl(_ name: String) throws(HostError) -> Int64? {
    guard let contents = try files.contents(KernelName("sys/" + name), in: root) else { return nil }
    let number: Int64 = try contents.number()
    return number
  }

  nonisolated(unsafe) private static let fields: [(StaticString, WritableKeyPath<MemoryState, Pages?>)] = [
    ("MemTotal", \.totalPages), ("MemFree", \.freePages), ("MemAvailable", \.availablePages),
    ("Buffers", \.buffersPages), ("Cached", \.cachedPages), ("Shmem", \.shmemPages),
    ("SReclaimable", \.slabReclaimablePages), ("SUnreclaim", \.slabUnreclaimablePages),
    ("PageTables", \.pageTablesPages), ("SwapTotal", \.swapTotalPages), ("SwapFree", \.swapFreePages),
  ]
}

extension PressureStall {
  /// Lines like `some avg10=0.00 avg60=0.00 avg300=0.00 total=9970`; other first words may come and are passed over.
  fileprivate init?(_ contents: FileContents) throws(HostError) {
    var some: Line?
    var full: Line?
    for (index, line) in contents.lines.enumerated() {
      func parsed(_ rest: ArraySlice<UInt8>) throws(HostError) -> Line {
        guard let line = Line(rest.words) else { throw contents.malformed(line: index + 1, line) }
        return line
      }
      if let rest = line.dropping("some ") { some = try parsed(rest) }
      if let rest = line.dropping("full ") { full = try parsed(rest) }
    }
    guard let some else { throw contents.malformed(line: 1, contents.lines.first ?? []) }
    self.init(some: some, full: full)
  }
}

extension PressureStall.Line {
  fileprivate init?(_ words: [ArraySlice<UInt8>]) {
    guard words.count == 4,
      let average10 = words[0].dropping("avg10=").flatMap(Self.hundredths),
      let average60 = words[1].dropping("avg60=").flatMap(Self.hundredths),
      let average300 = words[2].dropping("avg300=").flatMap(Self.hundredths),
      let total: Int64 = words[3].dropping("total=").flatMap({ Decimal.unsigned($0) })
    else { return nil }
    self.init(
      average10Hundredths: average10, average60Hundredths: average60, average300Hundredths: average300,
      totalMicroseconds: total)
  }

  /// "12.34" as 1234.
  private static func hundredths(_ text: ArraySlice<UInt8>) -> Int64? {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].count == 2, !parts[0].isEmpty else { return nil }
    return Decimal.unsigned(parts[0] + parts[1])
  }
}
