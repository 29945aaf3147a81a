// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// What of a control group is read: each costs a file or two, and hundreds of groups are looked at together.
package struct CgroupReading: OptionSet, Sendable {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// memory.stat: what the usage is made of, and with it the working set.
  package static let parts = CgroupReading(rawValue: 1)
  /// Swap, memory.high, low and min, memory.oom.group, and of version 1 what the kernel and sockets hold.
  package static let settings = CgroupReading(rawValue: 2)
  /// memory.pressure.
  package static let pressure = CgroupReading(rawValue: 4)
  /// cgroup.procs.
  package static let processes = CgroupReading(rawValue: 8)
  /// Not memory.events, which is read else. Version 1 has to look at each group below to know their kills.
  package static let withoutEvents = CgroupReading(rawValue: 16)
  package static let all: CgroupReading = [.parts, .settings, .pressure, .processes]
}

extension CgroupReader {
  /// What a group may use, uses and has gone through, or nil where it is gone, also where it goes while it is read.
  ///
  /// The numbers are read one after the other: each was true, all together perhaps never. Limit, usage, peak and kills are
  /// always read. `processCount` is of the group alone, without those below it; all else is of both.
  /// File: version 2 memory.*; version 1 memory.*_in_bytes, memory.stat, memory.oom_control.
  package func status(
    path: KernelName, _ reading: CgroupReading = .all
  ) throws(HostError) -> CgroupStatus? {
    guard let hierarchy, let directory = try directory(path) else { return nil }
    let inode = directory.inode()
    var status = try status(of: directory, path, reading, hierarchy, id: inode?.number)
    if hierarchy.version == 1, let own = status.events?.oomKills, inode?.mayHaveDirectories ?? true {
      status.events?.oomKills = own &+ (try killsBelow(directory, depth: 0))
    }
    // The files of a group go all at once, and these two are in each group but the root.
    if status.limitBytes == nil || status.currentBytes == nil, try self.directory(path) == nil { return nil }
    return status
  }

  /// As `status(path:)`, with version 1's kills of the group alone.
  func status(
    of directory: borrowing Directory, _ path: KernelName, _ reading: CgroupReading, _ hierarchy: CgroupHierarchy,
    id: UInt64?
  ) throws(HostError) -> CgroupStatus {
    var status = CgroupStatus(cgroup: CgroupRef(path: path, id: id, version: hierarchy.version))
    if hierarchy.version == 2 {
      try readVersion2(&status, directory, reading)
    } else {
      try readVersion1(&status, directory, reading)
    }
    if reading.contains(.processes),
      let contents = try supported("cgroup.procs", in: directory, limitBytes: CgroupReader.procsLimitBytes)
    {
      status.processCount = contents.bytes.count { $0 == UInt8(ascii: "\n") }
    }
    return status
  }

  private func readVersion2(
    _ status: inout CgroupStatus, _ directory: borrowing Directory, _ reading: CgroupReading
  ) throws(HostError) {
    status.limitBytes = try byteLimit("memory.max", in: directory)
    status.currentBytes = try bytes("memory.current", in: directory)
    status.peakBytes = try bytes("memory.peak", in: directory)
    if !reading.contains(.withoutEvents), let contents = try supported("memory.events", in: directory) {
      status.events = try .init(version2: contents)
    }
    if reading.contains(.parts), let contents = try supported("memory.stat", in: directory) {
      status.parts = try CgroupStatus.Parts(contents, version: 2)
    }
    if reading.contains(.settings) {
      status.highBytes = try byteLimit("memory.high", in: directory)
      status.lowBytes = try byteLimit("memory.low", in: directory)
      status.minBytes = try byteLimit("memory.min", in: directory)
      status.swapLimitBytes = try byteLimit("memory.swap.max", in: directory)
      status.swapCurrentBytes = try bytes("memory.swap.current", in: directory)
      status.isKilledAsOne = try bytes("memory.oom.group", in: directory).map { $0 != 0 }
    }
    if reading.contains(.pressure), let contents = try supported("memory.pressure", in: directory) {
      status.pressure = try PressureStall(contents)
    }
  }

  private func readVersion1(
    _ status: inout CgroupStatus, _ directory: borrowing Directory, _ reading: CgroupReading
  ) throws(HostError) {
    status.limitBytes = try byteLimit("memory.limit_in_bytes", in: directory)
    status.currentBytes = try bytes("memory.usage_in_bytes", in: directory)
    status.peakBytes = try bytes("memory.max_usage_in_bytes", in: directory)
    if let contents = try supported("memory.oom_control", in: directory) {
      status.isKillDisabled = try contents.number(after: "oom_kill_disable").map { $0 != 0 }
      if !reading.contains(.withoutEvents), let kills = try contents.number(after: "oom_kill") {
        status.events = CgroupStatus.Events()
        status.events?.oomKills = kills
      }
    }
    if reading.contains(.parts), let contents = try supported("memory.stat", in: directory) {
      status.parts = try CgroupStatus.Parts(contents, version: 1)
    }
    if reading.contains(.settings) { try readVersion1Settings(&status, directory) }
  }

  private func readVersion1Settings(
    _ status: inout CgroupStatus, _ directory: borrowing Directory
  ) throws(HostError) {
    // Unlimited is how a soft limit is off, and would read as everything protected.
    status.lowBytes = try byteLimit("memory.soft_limit_in_bytes", in: directory).flatMap { $0.bytes == nil ? nil : $0 }
    switch (try byteLimit("memory.memsw.limit_in_bytes", in: directory), status.limitBytes) {
    case (.unlimited?, _): status.swapLimitBytes = .unlimited
    case (.bytes(let both)?, .bytes(let alone)?): status.swapLimitBytes = .bytes(max(0, both - alone))
    default: break
    }
    if let both = try bytes("memory.memsw.usage_in_bytes", in: directory), let alone = status.currentBytes {
      status.swapCurrentBytes = max(0, both - alone)
    }
    let kernelBytes = try bytes("memory.kmem.usage_in_bytes", in: directory)
    let socketBytes = try bytes("memory.kmem.tcp.usage_in_bytes", in: directory)
    guard status.parts != nil || kernelBytes != nil || socketBytes != nil else { return }
    var parts = status.parts ?? CgroupStatus.Parts()
    (parts.kernelBytes, parts.socketBytes) = (kernelBytes, socketBytes)
    status.parts = parts
  }

  /// Version 1 counts a kill in the victim's own group alone. Kernel: include/linux/memcontrol.h, memcg_memory_event().
  private func killsBelow(_ directory: borrowing Directory, depth: Int) throws(HostError) -> Int64 {
    guard depth < CgroupReader.ancestorLimit else { return 0 }
    var kills: Int64 = 0
    for name in try directory.directoriesByInode() {
      guard let below = try directory.directory(name) else { continue }
      if let contents = try supported("memory.oom_control", in: below) {
        kills = kills &+ (try contents.number(after: "oom_kill") ?? 0)
      }
      if below.inode()?.mayHaveDirectories ?? true { kills = kills &+ (try killsBelow(below, depth: depth + 1)) }
    }
    return kills
  }

  // MARK: Files

  /// The file, or nil where it is gone or the kernel has it without what it would tell, as memory.pressure without PSI and
  /// cgroup.procs of a threaded group.
  private func supported(
    _ name: String, in directory: borrowing Directory, limitBytes: Int = FileReader.smallFileLimitBytes
  ) throws(HostError) -> FileContents? {
    do throws(HostError) {
      return try files.contents(KernelName(name), in: directory, limitBytes: limitBytes)
    } catch {
      if case .system(_, _, EOPNOTSUPP) = error { return nil }
      throw error
    }
  }

  private func bytes(_ name: String, in directory: borrowing Directory) throws(HostError) -> Int64? {
    guard let contents = try supported(name, in: directory) else { return nil }
    guard let bytes: Int64 = Decimal.unsigned(contents.withoutNewline) else {
      throw contents.malformed(line: 1, contents.withoutNewline)
    }
    return bytes
  }

  /// "max", and what version 1 prints for it, as no limit.
  ///
  /// Kernel: include/linux/page_counter.h, PAGE_COUNTER_MAX: LONG_MAX in pages, on 64-bit hosts.
  private func byteLimit(_ name: String, in directory: borrowing Directory) throws(HostError) -> ByteLimit? {
    guard let contents = try supported(name, in: directory) else { return nil }
    if contents.withoutNewline.isEqual(to: "max") { return .unlimited }
    guard let bytes: Int64 = Decimal.unsigned(contents.withoutNewline) else {
      throw contents.malformed(line: 1, contents.withoutNewline)
    }
    let page = Int64(pageSizeBytes)
    return bytes / page >= Int64.max / page ? .unlimited : .bytes(bytes)
  }
}

extension CgroupStatus.Events {
  /// File: memory.events.
  fileprivate init(version2 contents: FileContents) throws(HostError) {
    self.init()
    low = try contents.number(after: "low")
    high = try contents.number(after: "high")
    max = try contents.number(after: "max")
    oom = try contents.number(after: "oom")
    oomKills = try contents.number(after: "oom_kill")
    groupKills = try contents.number(after: "oom_group_kill")
  }
}

extension CgroupStatus.Parts {
  /// Nil where no line is of a part. File: memory.stat.
  fileprivate init?(_ contents: FileContents, version: Int) throws(HostError) {
    self.init()
    var isThere = false
    let malformed = contents.bytes.withUnsafeBufferPointer { text -> Int? in
      var scanner = TextScanner(text)
      while !scanner.isAtEnd {
        guard let part = version == 2 ? scanner.version2Part() : scanner.version1Part() else {
          scanner.leaveLine()
          continue
        }
        guard let bytes = scanner.number() else { return scanner.line }
        self[keyPath: part] = bytes
        isThere = true
        guard scanner.endLine() else { return scanner.line }
      }
      return nil
    }
    if let malformed { throw contents.malformed(line: malformed) }
    if !isThere { return nil }
  }
}

extension TextScanner {
  fileprivate typealias Part = WritableKeyPath<CgroupStatus.Parts, Int64?>

  /// Goes past the name of a line that is told, and the blank after it. Kernel: mm/memcontrol.c, memory_stats[].
  fileprivate mutating func version2Part() -> Part? {
    if skip("anon ") { return \.anonBytes }
    if skip("file ") { return \.fileBytes }
    if skip("kernel ") { return \.kernelBytes }
    if skip("sock ") { return \.socketBytes }
    if skip("shmem ") { return \.shmemBytes }
    if skip("file_dirty ") { return \.dirtyBytes }
    if skip("inactive_file ") { return \.inactiveFileBytes }
    if skip("slab_reclaimable ") { return \.slabReclaimableBytes }
    if skip("slab_unreclaimable ") { return \.slabUnreclaimableBytes }
    return nil
  }

  /// The `total_` lines hold what is below too. Kernel: mm/memcontrol-v1.c, memcg1_stat_format().
  fileprivate mutating func version1Part() -> Part? {
    guard skip("total_") else { return nil }
    if skip("rss ") { return \.anonBytes }
    if skip("cache ") { return \.fileBytes }
    if skip("shmem ") { return \.shmemBytes }
    if skip("dirty ") { return \.dirtyBytes }
    if skip("inactive_file ") { return \.inactiveFileBytes }
    return nil
  }
}
