// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import Synchronization
import TestSupport

/// A history in a folder of its own, which goes with it.
final class Kept {
  let folder: String
  var path: String { folder + "/history.db" }
  private static let made = Atomic(0)

  init() {
    folder = "/tmp/oomwitness-test-history-\(getpid())-\(Kept.made.add(1, ordering: .relaxed).newValue)"
    _ = Program.run("/bin/rm", ["-rf", folder])
  }

  deinit { _ = Program.run("/bin/rm", ["-rf", folder]) }

  func store(_ change: (inout HistorySettings) -> Void = { _ in }) -> HistoryStore {
    var settings = HistorySettings(path: path)
    change(&settings)
    return HistoryStore(settings)
  }

  func reader() throws -> HistoryReader { try HistoryReader(path: path) }

  /// All rows, as they were stored.
  func rows(_ filter: HistoryFilter = HistoryFilter()) throws -> [HistoryRow] {
    var rows: [HistoryRow] = []
    try reader().all(filter) {
      rows.append($0)
      return true
    }
    return rows
  }

  /// What SQLite's own program answers.
  func sqlite(_ sql: String) -> String {
    Program.run("/usr/bin/sqlite3", [path, sql]).output.split(separator: "\n").joined(separator: "\n")
  }

  /// Lines of real kills: what the tracer told in guests.
  static let realLines: [String] =
    Repository.files(below: "Tests/VM/Fixtures", ending: ["trace.ndjson"])
    .flatMap { (Files.text(Repository.root + "/" + $0) ?? "").split(separator: "\n").map(String.init) }

  static let bootID = "7db7ddf7-32e0-41fc-9727-0f43a0f95d5a"

  /// A kill of our own making, a second after the one before.
  static func line(
    _ number: Int, comm: String = "hog", host: String = "node-1", boot: String? = bootID,
    change: (inout OOMKill) -> Void = { _ in }
  ) -> [UInt8] {
    var made = MadeKill()
    made.comm = comm
    made.decision = UInt64(number)
    var kill = made.kill
    kill.victim.pid = Int32(1000 + number)
    kill.source = .tracepoint
    change(&kill)
    return line(.oomKill(kill), number, host: host, boot: boot)
  }

  static func line(_ event: Event, _ number: Int, host: String = "node-1", boot: String? = bootID) -> [UInt8] {
    var encoder = NDJSONEncoder(host: host, bootID: boot, pageSizeBytes: 4096)
    let line = String(decoding: encoder.line(event, at: now(number)), as: UTF8.self)
    return Array(line.replacing("\"seq\":1,", with: "\"seq\":\(number),", maxReplacements: 1).utf8)
  }

  static func now(_ number: Int) -> EventTime {
    let second: Int64 = 1_000_000_000
    return EventTime(
      wallNanoseconds: MadeKill.day + Int64(number) * second,
      monotonicNanoseconds: 5000 * second + Int64(number) * second)
  }
}
