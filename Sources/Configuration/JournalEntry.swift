// SPDX-License-Identifier: Apache-2.0
import Events

/// One change of an oom_score_adj as the journal keeps it: enough to find the same process again, and to take it back.
///
/// It is a line of JSON, which is YAML too, so it is read by the parser that rules are read by. Shape: docs/protect.md.
package struct JournalEntry: Hashable, Sendable {
  /// RFC 3339.
  package var time: String
  /// pids and ticks are of one boot.
  package var bootID: String?
  package var pid: Int32
  /// When the process began: /proc/PID/stat, field 22. With the pid its identity.
  package var startTimeTicks: UInt64
  package var comm: KernelName
  package var adjBefore: Int
  package var adjAfter: Int
  package var rule: String
  /// It was changed with this process, whose memory it shares.
  package var sharesMemoryWith: Int32?

  package init(
    time: String, bootID: String?, pid: Int32, startTimeTicks: UInt64, comm: KernelName, adjBefore: Int, adjAfter: Int,
    rule: String, sharesMemoryWith: Int32? = nil
  ) {
    self.time = time
    self.bootID = bootID
    self.pid = pid
    self.startTimeTicks = startTimeTicks
    self.comm = comm
    self.adjBefore = adjBefore
    self.adjAfter = adjAfter
    self.rule = rule
    self.sharesMemoryWith = sharesMemoryWith
  }

  /// What each line begins with, so that a file of others is told from a journal whose only line was cut.
  package static let beginning = Array("{\"time\":\"".utf8)

  /// As one line, `\n` included.
  package var line: [UInt8] {
    var json = JSONWriter(reserving: 256)
    json.object {
      $0.field("time", JournalEntry.readable(time))
      $0.field("boot_id", bootID.map(JournalEntry.readable))
      $0.field("pid", pid)
      $0.field("start_time_ticks", startTimeTicks)
      $0.field("comm", JournalEntry.readable(comm.text))
      // All bytes of it, where the text cannot have them.
      if KernelName(JournalEntry.readable(comm.text)) != comm { $0.field("comm_hex", comm.hex) }
      $0.field("oom_score_adj_before", adjBefore)
      $0.field("oom_score_adj_after", adjAfter)
      $0.field("rule", JournalEntry.readable(rule))
      $0.field("shares_memory_with", sharesMemoryWith)
    }
    json.appendRaw(0x0a)
    return json.bytes
  }

  /// Without the characters that YAML does not take even within quotes, where JSON does: U+FEFF, U+FFFE, U+FFFF; and without
  /// NUL, which the reader refuses. libyaml takes U+FEFF as it is, and not as it was written by us.
  private static func readable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map {
          (0xfffe...0xffff).contains($0.value) || $0.value == 0xfeff || $0.value == 0 ? "\u{fffd}" : $0
        }))
  }

  /// A line of the journal; nil where it is none of ours, as one that was cut.
  package init?(line: some Collection<UInt8>) {
    guard let root = try? YAMLParser.document(Array(line), file: ""), case .mapping(let pairs) = root.value else {
      return nil
    }
    var fields: [String: String] = [:]
    for (key, value) in pairs {
      guard case .scalar(let name, _) = key.value, case .scalar(let text, _) = value.value else { return nil }
      fields[name] = text
    }
    guard let time = fields["time"], let pid = fields["pid"].flatMap(Int32.init), pid > 1,
      let ticks = fields["start_time_ticks"].flatMap(UInt64.init), let comm = fields["comm"],
      let before = fields["oom_score_adj_before"].flatMap(Int.init), (-1000...1000).contains(before),
      let after = fields["oom_score_adj_after"].flatMap(Int.init), (-1000...1000).contains(after),
      let rule = fields["rule"]
    else { return nil }
    self.init(
      time: JournalEntry.readable(time), bootID: fields["boot_id"].map(JournalEntry.readable), pid: pid,
      startTimeTicks: ticks,
      comm: fields["comm_hex"].flatMap(KernelName.init(hex:)) ?? KernelName(comm), adjBefore: before, adjAfter: after,
      rule: JournalEntry.readable(rule), sharesMemoryWith: fields["shares_memory_with"].flatMap(Int32.init))
  }

  /// Where the changes of one process lead back to, from the value that it has now.
  ///
  /// The last is taken back first, then the one before it, as long as each finds the value that it has set. A process that
  /// is at an earlier point of its way was taken back that far before, by a command that did not come to its end. A value
  /// that none of them has set is somebody else's, and stays.
  ///
  /// - Parameter entries: in the order in which they were made.
  /// - Returns: the value to set, and how many of the first entries are not taken back by it.
  package static func wayBack(_ entries: [JournalEntry], from now: Int) -> (value: Int, left: Int) {
    // Back over what the last ones have set, each where the next begins.
    var begin = entries.count
    for index in entries.indices.reversed() {
      if index + 1 < entries.count, entries[index].adjAfter != entries[index + 1].adjBefore { break }
      begin = index
      if entries[index].adjAfter == now || entries[index].adjBefore == now { break }
    }
    guard begin < entries.count, entries[begin].adjAfter == now || entries[begin].adjBefore == now else {
      // What everybody agrees on: it has what it had first.
      return now == entries.first?.adjBefore ? (now, 0) : (now, entries.count)
    }
    var (value, left) = entries[begin].adjAfter == now ? (entries[begin].adjBefore, begin) : (now, begin)
    while left > 0, entries[left - 1].adjAfter == value {
      left -= 1
      value = entries[left].adjBefore
    }
    return value == entries[0].adjBefore ? (value, 0) : (value, left)
  }

  /// The lines of a journal with one for each process that is still there: from what it had first to what it has now.
  ///
  /// Lines that are none of ours stay, before all others.
  package static func compacted(
    _ lines: [ArraySlice<UInt8>], isThere: (JournalEntry) -> Bool
  ) -> [[UInt8]] {
    struct Process: Hashable {
      var bootID: String?
      var pid: Int32
      var startTimeTicks: UInt64
    }
    var foreign: [[UInt8]] = []
    var order: [Process] = []
    var merged: [Process: JournalEntry] = [:]
    for line in lines {
      guard let entry = JournalEntry(line: line) else {
        foreign.append(Array(line) + [0x0a])
        continue
      }
      let process = Process(bootID: entry.bootID, pid: entry.pid, startTimeTicks: entry.startTimeTicks)
      if var first = merged[process] {
        (first.adjAfter, first.rule, first.time) = (entry.adjAfter, entry.rule, entry.time)
        merged[process] = first
      } else if isThere(entry) {
        order.append(process)
        merged[process] = entry
      }
    }
    return foreign + order.compactMap { merged[$0]?.line }
  }
}
