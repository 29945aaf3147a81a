// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// How much memory the host or a control group has left, read again and again by descriptors that are held.
///
/// Of a group that is its limit less what it uses, with what can be given back of its page cache, as MemAvailable has it
/// for the host: a cache that fills a limit is no reason to kill. Asks for no memory once it is made.
/// File: /proc/meminfo, /proc/pressure/memory; memory.* of a group. Kernel: mm/show_mem.c, si_mem_available().
package final class GuardMeter {
  private enum Place {
    case system
    case group(version: Int)
  }

  private let place: Place
  private let pageSizeBytes: Int64
  private let text: UnsafeMutableRawBufferPointer
  private let meminfo: Int32
  private let pressure: Int32
  /// Usage, limit, statistics, and usage and limit of swap; -1 where there is no such file.
  private var group: (usage: Int32, limit: Int32, stat: Int32, swapUsage: Int32, swapLimit: Int32) =
    (-1, -1, -1, -1, -1)

  private static let textBytes = 16 * 1024

  /// - Parameter cgroup: an open directory of a control group, which stays the caller's, and its version; nil: the host.
  package init(
    procRoot: String = "/proc", cgroup: (descriptor: Int32, version: Int)? = nil, watchesPressure: Bool,
    pageSizeBytes: Int = HostIdentity.pageSizeBytes
  ) throws(HostError) {
    self.pageSizeBytes = Int64(pageSizeBytes)
    meminfo = Glibc.open(procRoot + "/meminfo", O_RDONLY | O_CLOEXEC)
    guard meminfo >= 0 else { throw .system(operation: .open, path: KernelName(procRoot + "/meminfo"), errno: errno) }
    func open(_ name: String) -> Int32 { openat(cgroup?.descriptor ?? -1, name, O_RDONLY | O_CLOEXEC) }
    if let cgroup {
      place = .group(version: cgroup.version)
      group =
        cgroup.version == 2
        ? (
          open("memory.current"), open("memory.max"), open("memory.stat"), open("memory.swap.current"),
          open("memory.swap.max")
        )
        : (
          open("memory.usage_in_bytes"), open("memory.limit_in_bytes"), open("memory.stat"),
          open("memory.memsw.usage_in_bytes"), open("memory.memsw.limit_in_bytes")
        )
      pressure = watchesPressure ? open("memory.pressure") : -1
    } else {
      place = .system
      pressure = watchesPressure ? Glibc.open(procRoot + "/pressure/memory", O_RDONLY | O_CLOEXEC) : -1
    }
    text = .allocate(byteCount: GuardMeter.textBytes, alignment: 16)
    text.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    for descriptor in [
      meminfo, pressure, group.usage, group.limit, group.stat, group.swapUsage, group.swapLimit,
    ] where descriptor >= 0 { close(descriptor) }
    text.deallocate()
  }

  /// Whether stalls can be read here.
  package var hasPressure: Bool { pressure >= 0 && read(pressure) != nil }
  /// Whether the group has a limit of its own; true for the host.
  package var hasLimit: Bool {
    guard case .group = place else { return true }
    guard let bytes = number(group.limit) else { return false }
    return bytes / pageSizeBytes < Int64.max / pageSizeBytes
  }

  /// Nil where it cannot be read: the group is gone.
  package func reading() -> GuardReading? {
    guard let host = read(meminfo), let total = kibibytes("MemTotal:", host),
      let available = kibibytes("MemAvailable:", host)
    else { return nil }
    var reading = GuardReading(
      totalPages: total, availablePages: available, swapTotalPages: kibibytes("SwapTotal:", host) ?? 0,
      swapFreePages: kibibytes("SwapFree:", host) ?? 0)
    if case .group(let version) = place {
      guard takeGroup(version, &reading) else { return nil }
    }
    if pressure >= 0, let stalls = read(pressure) {
      reading.someHundredths = GuardFiles.average10("some ", in: stalls)
      reading.fullHundredths = GuardFiles.average10("full ", in: stalls)
    }
    return reading
  }

  /// Puts the group's numbers in place of the host's.
  private func takeGroup(_ version: Int, _ reading: inout GuardReading) -> Bool {
    guard let usage = number(group.usage), let stat = read(group.stat) else { return false }
    let cache = version == 2 ? GuardMeter.cache2(stat) : GuardMeter.cache1(stat)
    let limit = min((number(group.limit) ?? Int64.max) / pageSizeBytes, reading.totalPages)
    let cachePages = cache / pageSizeBytes
    // What is used all the time stays: the kernel leaves a watermark of it out of MemAvailable.
    let reclaimable = max(0, cachePages - min(cachePages / 2, limit / 64))
    let free = limit - usage / pageSizeBytes
    // A group in a host that has less is as poor as the host.
    reading.availablePages = min(max(0, free + reclaimable), limit, reading.availablePages)
    reading.totalPages = limit
    var (swapTotal, swapFree) = (reading.swapTotalPages, reading.swapFreePages)
    if let swapLimit = number(group.swapLimit), let swapUsage = number(group.swapUsage) {
      // Version 1 counts memory and swap together.
      let (most, used) =
        version == 2
        ? (swapLimit / pageSizeBytes, swapUsage / pageSizeBytes)
        : (swapLimit / pageSizeBytes - limit, max(0, swapUsage - usage) / pageSizeBytes)
      swapTotal = min(swapTotal, max(0, most))
      swapFree = min(swapFree, max(0, swapTotal - used))
    }
    (reading.swapTotalPages, reading.swapFreePages) = (swapTotal, swapFree)
    return true
  }

  /// What is on the lists of files, in bytes; dirty pages too, as in MemAvailable: a copy that writes is no reason to kill.
  /// File: memory.stat.
  private static func cache2(_ stat: UnsafeRawBufferPointer) -> Int64 {
    (GuardFiles.value("inactive_file ", in: stat) ?? 0) + (GuardFiles.value("active_file ", in: stat) ?? 0)
      + (GuardFiles.value("slab_reclaimable ", in: stat) ?? 0)
  }

  private static func cache1(_ stat: UnsafeRawBufferPointer) -> Int64 {
    (GuardFiles.value("total_inactive_file ", in: stat) ?? 0) + (GuardFiles.value("total_active_file ", in: stat) ?? 0)
  }

  private func kibibytes(_ key: StaticString, _ text: UnsafeRawBufferPointer) -> Pages? {
    guard let value = GuardFiles.value(key, in: text), value < 1 << 50 else { return nil }
    return value * 1024 / pageSizeBytes
  }

  /// A file that is one number; `max` is the largest.
  private func number(_ descriptor: Int32) -> Int64? {
    guard descriptor >= 0, let text = read(descriptor) else { return nil }
    if GuardFiles.begins(text, "max") { return .max }
    return GuardFiles.number(text)
  }

  private func read(_ descriptor: Int32) -> UnsafeRawBufferPointer? {
    while true {
      let count = pread(descriptor, text.baseAddress, text.count, 0)
      if count > 0 { return UnsafeRawBufferPointer(rebasing: text[..<count]) }
      if count == 0 || errno != EINTR { return nil }
    }
  }
}
