// SPDX-License-Identifier: Apache-2.0

import Events

/// Holds what /proc told of the biggest processes, for the one among them that the kernel kills next.
///
/// A victim's command line is gone within milliseconds of the kill: it must have been read before. Entries that fall out of
/// the biggest stay while there is room, and so do those whose process is gone. File: /proc/PID.
package final class ProcessCache {
  /// A process and its size, as BPF's task iterator or `biggest(limit:)` tells it.
  package struct Sized: Hashable, Sendable {
    package var pid: Int32
    package var residentPages: Pages

    package init(pid: Int32, residentPages: Pages) {
      self.pid = pid
      self.residentPages = residentPages
    }
  }

  /// What one refresh did.
  package struct Refresh: Hashable, Sendable {
    /// Read anew, all files.
    package var read = 0
    /// Known already: one file was read, to be sure that it is the same process and program.
    package var kept = 0
    /// Gone before they could be read.
    package var gone = 0
    /// Could not be read; the first error stands for all.
    package var failed = 0
    package var firstError: HostError?

    package init(read: Int = 0, kept: Int = 0, gone: Int = 0, failed: Int = 0, firstError: HostError? = nil) {
      self.read = read
      self.kept = kept
      self.gone = gone
      self.failed = failed
      self.firstError = firstError
    }
  }

  private struct Entry {
    var facts: ProcessFacts
    /// As it was when the facts were read, but for what may change without a new program.
    var image: Image
    /// Count of the refresh that had it among the biggest last.
    var refresh: UInt64
  }

  /// What tells one program in a process from the next: exec(2) keeps pid and start time.
  private struct Image: Equatable {
    var startTimeTicks: UInt64
    var comm: KernelName
    var startStack: UInt64
    var argumentStart: UInt64

    init(_ stat: ProcStat) {
      startTimeTicks = stat.startTimeTicks
      comm = stat.comm
      startStack = stat.startStack
      argumentStart = stat.argumentStart
    }
  }

  /// The most entries that are ever held.
  package let capacity: Int
  /// How many are held.
  package var count: Int { entries.count }

  private let reader: ProcReader
  private var entries: [Int32: Entry] = [:]
  private var refreshes: UInt64 = 0

  package init(reader: ProcReader, capacity: Int = 128) {
    self.reader = reader
    self.capacity = max(0, capacity)
    entries.reserveCapacity(self.capacity)
  }

  /// Brings the entries of these processes up to date, reading in full only those that are new or run another program.
  ///
  /// Of more than `capacity` the biggest count. One that cannot be read does not keep the others from being read.
  /// File: /proc/PID/stat, and all that `ProcReader.process(pid:)` reads.
  package func refresh(biggest: [Sized]) -> Refresh {
    refreshes += 1
    var report = Refresh()
    for process in ProcessCache.biggestFirst(biggest).prefix(capacity) {
      do throws(HostError) {
        try refresh(process, &report)
      } catch {
        report.failed += 1
        report.firstError = report.firstError ?? error
      }
    }
    return report
  }

  /// What was read of this very process, or nil where it was not held.
  ///
  /// Without a start time, which a kernel log does not have, it is the last process that was seen with this pid.
  /// Source: the last refresh that had it.
  package func facts(pid: Int32, startTimeTicks: UInt64?) -> ProcessFacts? {
    guard let facts = entries[pid]?.facts else { return nil }
    return startTimeTicks.map { $0 == facts.startTimeTicks } ?? true ? facts : nil
  }

  /// The groups that they are in, as often as there are processes in them.
  package var cgroups: [KernelName] { entries.values.compactMap { $0.facts.cgroup?.path } }

  /// The biggest processes by resident pages, for hosts that refuse BPF's task iterator: one file a process.
  ///
  /// Those without memory, kernel threads among them, are left out. File: /proc/PID/statm.
  package func biggest(limit: Int) throws(HostError) -> [Sized] {
    var processes: [Sized] = []
    for pid in try reader.pids() {
      guard let pages = try reader.residentPages(pid: pid), pages > 0 else { continue }
      processes.append(Sized(pid: pid, residentPages: pages))
    }
    return Array(ProcessCache.biggestFirst(processes).prefix(max(0, limit)))
  }

  private func refresh(_ process: Sized, _ report: inout Refresh) throws(HostError) {
    guard let stat = try reader.stat(pid: process.pid) else {
      report.gone += 1
      return
    }
    if var entry = entries[process.pid], entry.image == Image(stat) {
      entry.refresh = refreshes
      entry.facts.ppid = stat.ppid
      entry.facts.threads = stat.threads
      entry.facts.totalVMPages = stat.totalVMPages
      entry.facts.residentPages = process.residentPages
      entries[process.pid] = entry
      report.kept += 1
      return
    }
    guard var facts = try reader.process(pid: process.pid) else {
      report.gone += 1
      return
    }
    facts.residentPages = process.residentPages
    if entries[process.pid] == nil, entries.count >= capacity { evict() }
    entries[process.pid] = Entry(facts: facts, image: Image(stat), refresh: refreshes)
    report.read += 1
  }

  /// Drops the entry that was longest not among the biggest; of equals the smallest.
  private func evict() {
    let least = entries.min {
      ($0.value.refresh, $0.value.facts.residentPages) < ($1.value.refresh, $1.value.facts.residentPages)
    }
    if let least { entries[least.key] = nil }
  }

  private static func biggestFirst(_ processes: [Sized]) -> [Sized] {
    processes.sorted { ($1.residentPages, $0.pid) < ($0.residentPages, $1.pid) }
  }
}
