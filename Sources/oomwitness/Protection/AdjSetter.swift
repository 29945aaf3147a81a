// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Events
import Glibc
import Host
import Policy

/// Sets the oom_score_adj of one process: looks again, writes it down, writes it, reads it back.
final class AdjSetter {
  enum Outcome {
    /// With those that share its memory, which the kernel changed as well.
    case set(before: Int, after: Int, sharers: [(pid: Int32, comm: KernelName, before: Int)])
    /// It has the value already, or no rule is for it any more.
    case nothing
    case gone
    case failed(before: Int?, sentence: String)
  }

  private let protector: Protector
  private let journalPath: String
  /// Above this the journal is compacted: a watch writes a line for each process that starts.
  private var pruneAboveBytes = AdjSetter.pruneAboveBytesMin
  private static let pruneAboveBytesMin = 1024 * 1024

  init(protector: Protector, journalPath: String) {
    self.protector = protector
    self.journalPath = journalPath
  }

  /// Ends the command where there can be no journal: without one nothing is changed.
  func openJournal() throws { _ = try AdjSetter.journal(journalPath) }

  /// The journal, ours until it is let go. Ends the command where there can be none, and where the file is somebody
  /// else's: a wrong path must not cost its owner the file.
  static func journal(_ path: String) throws -> LineFile {
    let isOurs: Bool
    let file: LineFile
    do throws(HostError) {
      file = try LineFile(path: path)
      let lines = try file.lines()
      let isCut = lines.isEmpty ? try file.begins(with: JournalEntry.beginning) : false
      isOurs = isCut || lines.contains { JournalEntry(line: $0) != nil }
    } catch {
      throw refusal(error)
    }
    guard isOurs else {
      throw Diagnostic.fail(
        "\(TerminalText.safe(path)) is no journal: none of its lines is ours; nothing was changed "
          + "(name another file with --journal)")
    }
    return file
  }

  private static func refusal(_ error: HostError) -> ExitCode {
    let sentence = Wording.sentence(error)
    guard case .system(_, _, let number) = error, [EACCES, EPERM, EROFS].contains(number) else {
      return Diagnostic.fail("\(sentence); nothing was changed")
    }
    return Diagnostic.fail(
      "\(sentence); nothing was changed (needs root, or --journal with a file of one's own)", ExitStatus.notPossibleHere
    )
  }

  /// - Parameter sharers: processes of the same memory, as far as they are known.
  func set(pid: Int32, to rule: ProtectionRule, sharers: [Int32] = []) -> Outcome {
    do throws(HostError) {
      guard let handle = try ProcessHandle.open(pid: pid) else { return .gone }
      // What is read by pid while the handle is alive is of the handle's process.
      let found = protector.subject(pid: pid)
      guard handle.isThere else { return .gone }
      guard let found, case .set(let now) = protector.rules.verdict(on: found.subject, glob: Glob.matches),
        now.oomScoreAdj == rule.oomScoreAdj
      else { return .nothing }
      guard let value = try handle.oomScoreAdj() else { return .gone }
      guard value != rule.oomScoreAdj else { return .nothing }
      // Values are read while the journal is ours: else two commands at once would write down the same value before, in
      // another order than their changes, and there would be no way back.
      let journal = try LineFile(path: journalPath)
      guard let before = try handle.oomScoreAdj() else { return .gone }
      guard before != rule.oomScoreAdj else { return .nothing }
      var entries = [entry(handle, found.subject.comm, before, rule, sharing: nil)]
      var changed: [(pid: Int32, comm: KernelName, before: Int)] = []
      for sharer in sharers {
        guard let other = try ProcessHandle.open(pid: sharer), let adj = try other.oomScoreAdj(),
          adj != rule.oomScoreAdj
        else { continue }
        let comm = protector.subject(pid: sharer)?.subject.comm ?? found.subject.comm
        entries.append(entry(other, comm, adj, rule, sharing: pid))
        changed.append((sharer, comm, adj))
      }
      return try write(handle, rule, before, entries, changed, journal)
    } catch {
      return .failed(before: nil, sentence: AdjSetter.sentence(error))
    }
  }

  /// The entry is on disk before the kernel is told; where that refuses, the entry is taken back.
  private func write(
    _ handle: borrowing ProcessHandle, _ rule: ProtectionRule, _ before: Int, _ entries: [JournalEntry],
    _ changed: [(pid: Int32, comm: KernelName, before: Int)], _ journal: LineFile
  ) throws(HostError) -> Outcome {
    try prune(journal)
    let begin = try journal.append(entries.flatMap(\.line))
    do throws(HostError) {
      guard try handle.setOOMScoreAdj(rule.oomScoreAdj) else {
        try journal.takeBack(to: begin)
        return .gone
      }
    } catch {
      try journal.takeBack(to: begin)
      return .failed(before: before, sentence: AdjSetter.sentence(error, lowersTo: rule.oomScoreAdj, from: before))
    }
    guard let after = try handle.oomScoreAdj() else { return .gone }
    guard after == rule.oomScoreAdj else {
      return .failed(
        before: before, sentence: "\(rule.oomScoreAdj) was written, and it has \(after): somebody else set it")
    }
    return .set(before: before, after: after, sharers: changed.filter { AdjSetter.has(after, pid: $0.pid) })
  }

  /// A child in vfork(2) shares the memory and keeps its own value. Kernel: fs/proc/base.c, __set_oom_adj().
  private static func has(_ value: Int, pid: Int32) -> Bool {
    guard let handle = (try? ProcessHandle.open(pid: pid)) ?? nil else { return true }
    return ((try? handle.oomScoreAdj()) ?? nil).map { $0 == value } ?? true
  }

  /// At most half of the next limit stays, so that this is done ever more seldom.
  private func prune(_ journal: LineFile) throws(HostError) {
    guard try journal.size() > pruneAboveBytes else { return }
    let bootID = protector.table.identity.bootID
    let kept = JournalEntry.compacted(try journal.lines()) { entry in
      guard entry.bootID == bootID, let handle = (try? ProcessHandle.open(pid: entry.pid)) ?? nil else { return false }
      return handle.startTimeTicks == entry.startTimeTicks
    }
    try journal.replace(with: kept)
    pruneAboveBytes = max(AdjSetter.pruneAboveBytesMin, try journal.size() * 2)
  }

  private func entry(
    _ handle: borrowing ProcessHandle, _ comm: KernelName, _ before: Int, _ rule: ProtectionRule, sharing: Int32?
  ) -> JournalEntry {
    JournalEntry(
      time: RFC3339.text(wallNanoseconds: EventTime.now.wallNanoseconds ?? 0), bootID: protector.table.identity.bootID,
      pid: handle.pid, startTimeTicks: handle.startTimeTicks, comm: comm, adjBefore: before,
      adjAfter: rule.oomScoreAdj, rule: rule.name, sharesMemoryWith: sharing)
  }

  /// A refusal in words, with the way out. EACCES of the write itself is the kernel's floor, of the open a missing right.
  static func sentence(_ error: HostError, lowersTo value: Int = 0, from before: Int = 0) -> String {
    if case .system(.open, _, EACCES) = error {
      return "\(Wording.sentence(error)) (needs root, or the user whose process it is)"
    }
    guard case .system(.write, _, EACCES) = error, value < before else { return Wording.sentence(error) }
    return "the kernel refuses \(value): it is below the floor of the process (needs CAP_SYS_RESOURCE)"
  }
}

extension EventTime {
  /// Now, on both clocks.
  static var now: EventTime {
    EventTime(
      wallNanoseconds: SystemClock.nanoseconds(CLOCK_REALTIME), monotonicNanoseconds: SystemClock.monotonic)
  }
}
