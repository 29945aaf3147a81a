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
    let malformed = contents.bytes.withUnsafeBufferPointer { text in
      MemoryReader.parse(TextScanner(text), into: &state, pageSizeBytes: pageSizeBytes)
    }
    if let malformed { throw contents.malformed(line: malformed) }
    return state
  }

  /// Takes lines like `MemTotal:       24684092 kB`, and says which one is not like that.
  private static func parse(
    _ scanner: consuming TextScanner, into state: inout MemoryState, pageSizeBytes: Int
  ) -> Int? {
    while !scanner.isAtEnd {
      if let field = scanner.memoryField() {
        scanner.skipBlanks()
        guard let kibibytes = scanner.number(), scanner.skip(" kB"),
          let pages = Decimal.pages(kibibytes: kibibytes, pageSizeBytes: pageSizeBytes)
        else { return scanner.line }
        state.set(field, pages)
        guard scanner.endLine() else { return scanner.line }
      } else {
        guard scanner.isNamed else { return scanner.line }
        scanner.leaveLine()
      }
    }
    return nil
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
}

/// What of /proc/meminfo is told.
private enum MemoryField {
  case total, free, available, buffers, cached, shmem, slabReclaimable, slabUnreclaimable, pageTables, swapTotal,
    swapFree
}

extension TextScanner {
  /// Goes past the name of a field that is told, and its colon.
  fileprivate mutating func memoryField() -> MemoryField? {
    if skip("MemTotal:") { return .total }
    if skip("MemFree:") { return .free }
    if skip("MemAvailable:") { return .available }
    if skip("Buffers:") { return .buffers }
    if skip("Cached:") { return .cached }
    if skip("Shmem:") { return .shmem }
    if skip("SReclaimable:") { return .slabReclaimable }
    if skip("SUnreclaim:") { return .slabUnreclaimable }
    if skip("PageTables:") { return .pageTables }
    if skip("SwapTotal:") { return .swapTotal }
    if skip("SwapFree:") { return .swapFree }
    return nil
  }
}

extension MemoryState {
  fileprivate mutating func set(_ field: MemoryField, _ pages: Pages) {
    switch field {
    case .total: totalPages = pages
    case .free: freePages = pages
    case .available: availablePages = pages
    case .buffers: buffersPages = pages
    case .cached: cachedPages = pages
    case .shmem: shmemPages = pages
    case .slabReclaimable: slabReclaimablePages = pages
    case .slabUnreclaimable: slabUnreclaimablePages = pages
    case .pageTables: pageTablesPages = pages
    case .swapTotal: swapTotalPages = pages
    case .swapFree: swapFreePages = pages
    }
  }
}

extension PressureStall {
  /// Lines like `some avg10=0.00 avg60=0.00 avg300=0.00 total=9970`; other first words may come and are passed over.
  init?(_ contents: FileContents) throws(HostError) {
    var some: Line?
    var full: Line?
    let malformed = contents.bytes.withUnsafeBufferPointer { text -> Int? in
      var scanner = TextScanner(text)
      while !scanner.isAtEnd {
        if scanner.skip("some ") {
          some = Line(&scanner)
          guard some != nil, scanner.endLine() else { return scanner.line }
        } else if scanner.skip("full ") {
          full = Line(&scanner)
          guard full != nil, scanner.endLine() else { return scanner.line }
        } else {
          scanner.leaveLine()
        }
      }
      return some == nil ? 1 : nil
    }
    if let malformed { throw contents.malformed(line: malformed) }
    guard let some else { return nil }
    self.init(some: some, full: full)
  }
}

extension PressureStall.Line {
  fileprivate init?(_ scanner: inout TextScanner) {
    guard scanner.skip("avg10="), let average10 = scanner.hundredths(),
      scanner.skip(" avg60="), let average60 = scanner.hundredths(),
      scanner.skip(" avg300="), let average300 = scanner.hundredths(),
      scanner.skip(" total="), let total = scanner.number()
    else { return nil }
    self.init(
      average10Hundredths: average10, average60Hundredths: average60, average300Hundredths: average300,
      totalMicroseconds: total)
  }
}

extension TextScanner {
  /// "12.34" as 1234.
  fileprivate mutating func hundredths() -> Int64? {
    guard let whole = number(), skip("."), let tenths = digit(), let rest = digit() else { return nil }
    let (hundredths, overflowed) = whole.multipliedReportingOverflow(by: 100)
    let (sum, carried) = hundredths.addingReportingOverflow(tenths * 10 + rest)
    return overflowed || carried ? nil : sum
  }
}
