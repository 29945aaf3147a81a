// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Names whom a cgroup belongs to: what its path says, and what the runtimes' own files add to it. No runtime is asked, over
/// no socket and with no credential.
///
/// It is asked about the dead: an answer stands for some minutes after the container is gone, while there is room. What is
/// not known is asked again soon, since a container that has just been made has no file yet. Not for two threads at once.
package final class ContainerResolver {
  /// Answers that are kept; the longest not asked for go first.
  package static let entriesMax = 4096
  /// A container may be renamed: its files are read again after so long.
  package static let freshNanoseconds: Int64 = 600_000_000_000
  /// How long the answer about a container whose files are gone is kept beyond that.
  package static let keptNanoseconds: Int64 = 600_000_000_000
  /// So long nobody looks again for what was not found.
  package static let negativeNanoseconds: Int64 = 2_000_000_000
  /// A search for engines looks at each process of the host: on average no more often than this, nor than so many
  /// times what that took.
  package static let searchGapNanoseconds: Int64 = 250_000_000
  static let searchShare: Int64 = 50
  /// What was not used of that, up to so long, is there for several at once: containers die together.
  static let searchBurstNanoseconds: Int64 = 2_000_000_000

  /// Files of runtimes that were there and could not be used, and the last of them: no right to read it, half written, too
  /// large, no regular file.
  package var filesRefused: Int { files.refused }
  package var lastFileRefused: KernelName? { files.lastRefused }
  /// How many answers are kept, and how many had to go for others.
  package var count: Int { entries.count }
  package private(set) var entriesDropped = 0

  private struct Entry {
    var owner: CgroupOwner?
    var isComplete: Bool
    /// The processes were searched for its engine.
    var isSearched: Bool
    var readAt: Int64
    var usedAt: Int64
  }

  private let files: StateFiles
  private let processes: ProcReader?
  private let now: () -> Int64
  private var lookup: ContainerLookup
  private var entries: [KernelName: Entry] = [:]
  private var nextSearchAt: Int64 = .min

  /// - Parameters:
  ///   - root: goes before each path that is read, `/proc` among them; empty is this host.
  ///   - readsHomes: whether containers of users' own engines are looked up in their homes. A home may be on a file system
  ///     that its user or a server holds up for ever, so that what must never wait does not look there.
  ///   - now: a clock in nanoseconds that never goes back.
  package init(
    root: String = "", readsHomes: Bool = true, now: @escaping () -> Int64 = { SystemClock.monotonic }
  ) {
    files = StateFiles(root: root)
    lookup = ContainerLookup(files: files, root: root, readsHomes: readsHomes)
    processes = try? ProcReader(root: root + "/proc")
    self.now = now
  }

  private static var processorNanoseconds: Int64 { SystemClock.nanoseconds(CLOCK_THREAD_CPUTIME_ID) }

  /// Whom the group belongs to; nil where nothing names an owner. The path is from the root of the hierarchy.
  ///
  /// What is kept costs a look; else a few small files are read. Where a container has none that is known, the processes are
  /// searched for engines that keep theirs elsewhere: once for each group, and for no more than a fiftieth of the time.
  package func owner(ofCgroup path: KernelName) -> CgroupOwner? {
    let now = now()
    if var entry = entries[path] {
      let age = now - entry.readAt
      if age < (entry.isComplete ? ContainerResolver.freshNanoseconds : ContainerResolver.negativeNanoseconds) {
        entry.usedAt = now
        entries[path] = entry
        return entry.owner
      }
      return read(path, now, before: entry)
    }
    return read(path, now, before: nil)
  }

  /// Searches for engines if that was never done, so that the first kill need not.
  package func prepare() { if nextSearchAt == .min { _ = search(now()) } }

  /// Whom the process's group belongs to; nil where it is gone, or nothing names an owner.
  ///
  /// File: /proc/PID/cgroup.
  package func owner(ofPID pid: Int32) -> CgroupOwner? {
    guard let reference = (try? processes?.cgroup(pid: pid)) ?? nil, let path = reference.path else { return nil }
    return owner(ofCgroup: path)
  }

  private func read(_ path: KernelName, _ now: Int64, before: Entry?) -> CgroupOwner? {
    var answer = lookup.answer(path)
    var isSearched = before?.isSearched ?? false
    if !answer.isComplete, !isSearched, search(now) {
      isSearched = true
      answer = lookup.answer(path)
    }
    // Its files are gone: what they said was true while it lived.
    if !answer.isComplete, let before, before.isComplete,
      now - before.readAt < ContainerResolver.freshNanoseconds + ContainerResolver.keptNanoseconds
    {
      entries[path]?.usedAt = now
      return before.owner
    }
    if entries[path] == nil, entries.count >= ContainerResolver.entriesMax { makeRoom() }
    entries[path] = Entry(
      owner: answer.owner, isComplete: answer.isComplete, isSearched: isSearched, readAt: now, usedAt: now)
    return answer.owner
  }

  /// False where that was done a moment ago.
  private func search(_ now: Int64) -> Bool {
    guard let processes, now >= nextSearchAt else { return false }
    let before = ContainerResolver.processorNanoseconds
    lookup.search(processes: processes)
    // Of a processor, not of the clock: on a host that is busy a search lasts long and costs no more.
    let spent = ContainerResolver.processorNanoseconds - before
    let cost = max(ContainerResolver.searchGapNanoseconds, spent * ContainerResolver.searchShare)
    nextSearchAt = max(nextSearchAt, self.now() - ContainerResolver.searchBurstNanoseconds) + cost
    return true
  }

  /// A quarter goes at once, so that it is not sorted for each.
  private func makeRoom() {
    let oldest = entries.sorted { $0.value.usedAt < $1.value.usedAt }.prefix(ContainerResolver.entriesMax / 4)
    for entry in oldest { entries[entry.key] = nil }
    entriesDropped += oldest.count
  }
}
