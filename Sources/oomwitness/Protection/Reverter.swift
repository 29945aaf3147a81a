// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Host

/// Takes changes back, the last first, and says which are left in the journal.
struct Reverter {
  /// The boot whose pids these are.
  var bootID: String?
  /// A line for each that was restored.
  private(set) var text = ""
  private(set) var restored = 0
  /// Ended, of another boot, or never come to the change.
  private(set) var moot = 0
  /// Left in the journal, each told.
  private(set) var failed = 0

  /// The lines that stay.
  mutating func takeBack(_ lines: [ArraySlice<UInt8>]) -> [[UInt8]] {
    var kept: [[UInt8]] = []
    for (index, line) in lines.enumerated().reversed() {
      guard let entry = JournalEntry(line: line) else {
        failed += 1
        Diagnostic.say("line \(index + 1) of the journal is none of ours, and was left there")
        kept.append(Array(line) + [0x0a])
        continue
      }
      if !takeBack(entry) {
        failed += 1
        kept.append(entry.line)
      }
    }
    return kept.reversed()
  }

  /// True where nothing is left to do for it.
  private mutating func takeBack(_ entry: JournalEntry) -> Bool {
    let name = "\(TerminalText.safe(entry.comm)) (pid \(entry.pid))"
    if let bootID, let theirs = entry.bootID, theirs != bootID {
      moot += 1
      return true
    }
    do throws(HostError) {
      guard let handle = try ProcessHandle.open(pid: entry.pid), let now = try handle.oomScoreAdj() else {
        moot += 1
        return true
      }
      guard handle.startTimeTicks == entry.startTimeTicks else {
        moot += 1
        text += "\(name) has ended; its pid is another process's, which was left alone\n"
        return true
      }
      if now == entry.adjBefore {
        moot += 1
        return true
      }
      guard now == entry.adjAfter else {
        Diagnostic.say("\(name) has \(now), not the \(entry.adjAfter) that was set: it was left as it is")
        return false
      }
      guard try handle.setOOMScoreAdj(entry.adjBefore), let after = try handle.oomScoreAdj() else {
        moot += 1
        return true
      }
      restored += 1
      text += "\(name): \(now) -> \(after)\n"
      return true
    } catch {
      let sentence = AdjSetter.sentence(error, lowersTo: entry.adjBefore, from: entry.adjAfter)
      Diagnostic.say("\(name): \(sentence)")
      return false
    }
  }

  var summary: String {
    "\(restored) taken back, \(moot) had nothing to take back\(failed > 0 ? ", \(failed) left in the journal" : "").\n"
  }
}
