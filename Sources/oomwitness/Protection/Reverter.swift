// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Host

/// Takes changes back, the last first, and says which are left in the journal.
struct Reverter {
  /// The boot whose pids these are.
  var bootID: String?
  /// A line for each process that was restored.
  private(set) var text = ""
  private(set) var restored = 0
  /// Ended, of another boot, or never come to the change.
  private(set) var moot = 0
  /// Left in the journal, each told.
  private(set) var failed = 0

  private struct Process: Hashable {
    var pid: Int32
    var startTimeTicks: UInt64
    var bootID: String?
  }

  /// The lines that stay, or nil where all do.
  mutating func takeBack(_ lines: [ArraySlice<UInt8>]) -> [[UInt8]]? {
    let entries = lines.map(JournalEntry.init(line:))
    var ofProcess: [Process: [Int]] = [:]
    for (index, entry) in entries.enumerated() {
      if let entry { ofProcess[Reverter.process(entry), default: []].append(index) }
    }
    var kept: Set<Int> = []
    for (index, entry) in entries.enumerated().reversed() {
      guard let entry else {
        Diagnostic.say("line \(index + 1) of the journal is none of ours, and was left there")
        kept.insert(index)
        continue
      }
      // All of one process at once, when its last change comes.
      guard let indices = ofProcess.removeValue(forKey: Reverter.process(entry)) else { continue }
      let stay = takeBack(indices.compactMap { entries[$0] })
      kept.formUnion(indices.prefix(stay))
    }
    failed = kept.count
    guard kept.count < lines.count else { return nil }
    return kept.sorted().map { Array(lines[$0]) + [0x0a] }
  }

  private static func process(_ entry: JournalEntry) -> Process {
    Process(pid: entry.pid, startTimeTicks: entry.startTimeTicks, bootID: entry.bootID)
  }

  /// All changes of one process, in the order in which they were made; how many of the first ones are left to do.
  private mutating func takeBack(_ entries: [JournalEntry]) -> Int {
    let last = entries[entries.count - 1]
    let name = "\(TerminalText.safe(last.comm)) (pid \(last.pid))"
    if let bootID, let theirs = last.bootID, theirs != bootID { return nothing() }
    var (now, target) = (last.adjAfter, entries[0].adjBefore)
    do throws(HostError) {
      guard let handle = try ProcessHandle.open(pid: last.pid), let value = try handle.oomScoreAdj() else {
        return nothing()
      }
      guard handle.startTimeTicks == last.startTimeTicks else {
        text += "\(name) has ended; its pid is another process's, which was left alone\n"
        return nothing()
      }
      let way = JournalEntry.wayBack(entries, from: value)
      (now, target) = (value, way.value)
      if target != now {
        guard try handle.setOOMScoreAdj(target), try handle.oomScoreAdj() != nil else { return nothing() }
        restored += 1
        text += "\(name): \(now) -> \(target)\n"
      } else if way.left == 0 {
        return nothing()
      }
      if way.left > 0 {
        let (set, before) = (entries[way.left - 1].adjAfter, entries[0].adjBefore)
        Diagnostic.say(
          "\(name) has \(target), not the \(set) that was set: it was left as it is "
            + "(`echo \(before) > /proc/\(last.pid)/oom_score_adj` brings back what it had first)")
      }
      return way.left
    } catch {
      let sentence = AdjSetter.sentence(error, lowersTo: target, from: now)
      Diagnostic.say("\(name): \(sentence)")
      return entries.count
    }
  }

  private mutating func nothing() -> Int {
    moot += 1
    return 0
  }

  var summary: String {
    "\(restored) taken back, \(moot) had nothing to take back\(failed > 0 ? ", \(failed) left in the journal" : "").\n"
  }
}
