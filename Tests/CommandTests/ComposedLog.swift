// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport

/// A syslog file made of reports that real kernels wrote (Tests/KernelLogTests/Fixtures), at times, of hosts, and with words
/// of our choice.
struct ComposedLog {
  static let fixtures = Repository.root + "/Tests/KernelLogTests/Fixtures/"
  /// 2026-11-20 03:00:00 UTC.
  static let start = 1_795_143_600

  private(set) var text = ""

  /// Adds all kernel lines of a fixture, each with its words replaced.
  mutating func add(
    _ fixture: String, host: String = "db-1", after seconds: Int = 0, replacing words: [(String, String)] = []
  ) {
    let content = Files.text(ComposedLog.fixtures + fixture) ?? ""
    for record in content.split(separator: "\n") where !record.hasPrefix("#") && !record.hasPrefix(" ") {
      guard let semicolon = record.firstIndex(of: ";") else { continue }
      let head = record[..<semicolon].split(separator: ",")
      guard let level = Int(head[0]), level < 8, let stamp = Int(head[2]) else { continue }
      var line = String(record[record.index(after: semicolon)...])
      for (word, other) in words { line = line.replacingOccurrences(of: word, with: other) }
      for part in line.components(separatedBy: "\\x0a") {
        text += "\(ComposedLog.time(ComposedLog.start + seconds)) \(host) kernel: "
        text += String(format: "[%5d.%06d] ", stamp / 1_000_000, stamp % 1_000_000) + part + "\n"
      }
    }
  }

  static func time(_ seconds: Int) -> String {
    var moment = time_t(seconds)
    var parts = tm()
    gmtime_r(&moment, &parts)
    return String(
      format: "%04d-%02d-%02dT%02d:%02d:%02d+00:00", Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1,
      Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
  }

  /// The victim of 6.12-system.kmsg with so many resident anonymous pages, in a unit.
  static func grown(pages: Int, unit: String) -> [(String, String)] {
    [
      ("[    162]     0   162    51689    51491    51328", "[    162]     0   162    51689 \(pages + 163) \(pages)"),
      ("anon-rss:205312kB", "anon-rss:\(pages * 4)kB"), ("task_memcg=/,", "task_memcg=/system.slice/\(unit),"),
    ]
  }

  /// The limit of 6.12-memcg.kmsg at another cgroup; its victim is below it.
  static func moved(to path: String) -> [(String, String)] {
    [
      ("oom_memcg=/par", "oom_memcg=\(path)"), ("task_memcg=/par", "task_memcg=\(path)"),
      ("stats for /par", "stats for \(path)"),
    ]
  }

  /// Writes it below /tmp; the caller removes it.
  func write() -> String { Python.temporaryFile(text) }
}
