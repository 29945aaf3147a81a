// SPDX-License-Identifier: Apache-2.0
import Events

/// Reads how short of memory the system is, or a control group below its limit. Not for two threads at once.
///
/// File: /proc/meminfo, /proc/pressure/memory; a group's limit, usage, memory.stat and memory.pressure.
package final class PressureReader {
  /// What a look at a group gave.
  package enum Group: Hashable, Sendable {
    case reading(PressureReading)
    /// It has no limit of its own, so it cannot run out by itself.
    case unlimited
    case gone
  }

  private let memory: MemoryReader
  private let cgroups: CgroupReader

  package init(memory: MemoryReader, cgroups: CgroupReader) {
    self.memory = memory
    self.cgroups = cgroups
  }

  /// The whole system; nil where /proc/meminfo does not say what is there and what can be had (before 3.14).
  ///
  /// File: /proc/meminfo, MemAvailable; /proc/pressure/memory.
  package func system() throws(HostError) -> PressureReading? {
    guard let state = try memory.state(), let total = state.totalPages, let available = state.availablePages else {
      return nil
    }
    var reading = PressureReading(totalPages: total, availablePages: available)
    if let swap = state.swapTotalPages, swap > 0 {
      (reading.swapTotalPages, reading.swapFreePages) = (swap, state.swapFreePages)
    }
    reading.stall = try memory.pressure()
    return reading
  }

  /// A group, by its path from the root of the hierarchy.
  ///
  /// - Parameter system: the system's reading, for the swap that a group may use.
  package func group(_ path: KernelName, system: PressureReading?) throws(HostError) -> Group {
    guard let status = try cgroups.status(ofGroupAlone: path, [.parts, .settings, .pressure]) else { return .gone }
    guard let limitBytes = status.limitBytes?.bytes else { return .unlimited }
    guard let usedBytes = status.workingSetBytes else { return .gone }
    let pageSizeBytes = Int64(cgroups.pageSizeBytes)
    var reading = PressureReading(
      cgroup: CgroupRef(path: path, version: cgroups.hierarchy?.version), totalPages: limitBytes / pageSizeBytes,
      availablePages: limitBytes / pageSizeBytes - usedBytes / pageSizeBytes)
    if let total = system?.swapTotalPages, let free = system?.swapFreePages {
      let most = min(total, status.swapLimitBytes?.bytes.map { $0 / pageSizeBytes } ?? total)
      if most > 0 {
        reading.swapTotalPages = most
        reading.swapFreePages = min(free, max(0, most - (status.swapCurrentBytes ?? 0) / pageSizeBytes))
      }
    }
    reading.stall = status.pressure
    return .reading(reading)
  }
}

extension CgroupReader {
  /// As `status(path:)`, without what it costs to count version 1's kills below; nil where it is gone.
  func status(ofGroupAlone path: KernelName, _ reading: CgroupReading) throws(HostError) -> CgroupStatus? {
    guard let hierarchy, let directory = try directory(path) else { return nil }
    let status = try status(of: directory, path, reading, hierarchy, id: nil)
    // The files of a group go all at once; the root of version 2 has none.
    if status.limitBytes == nil, status.currentBytes == nil, try self.directory(path) == nil { return nil }
    return status
  }

  /// A file of a group as a whole path, for who opens it by himself; nil where there is none.
  package func file(_ name: String, ofGroup path: KernelName) throws(HostError) -> KernelName? {
    guard let directory = try directory(path), try directory.has(KernelName(name)) else { return nil }
    return directory.path.appending(KernelName(name))
  }
}
