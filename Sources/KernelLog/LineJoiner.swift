// SPDX-License-Identifier: Apache-2.0

/// Puts together again what the kernel printed as one line and stored as several records.
///
/// The lines with cgroup paths are printed piece by piece; a record holds about 1000 bytes, and another CPU's line may
/// come between two pieces. Kernel: kernel/printk/printk.c, vprintk_store(), LOG_CONT; seen on 6.18 with deep paths.
struct LineJoiner: Sendable {
  /// A piece of this length may have been cut: 1024 less the longest prefix that any kernel takes from it.
  static let cutBytes = 960
  /// Bytes of a joined line: three paths of 4096 and the words between.
  static let joinedBytesMax = 16 * 1024

  /// A whole line, and whether a name in it may lack its end.
  struct Joined {
    var line: LogLine
    var isCut: Bool
  }

  enum Result {
    case whole(Joined)
    /// More of it is to come.
    case partial
  }

  private var pending: Joined?

  /// Takes a line; a piece of one that is not complete is kept until it is.
  mutating func take(_ line: LogLine) -> Result {
    if line.isContinuation || LineJoiner.isPiece(line.text) {
      guard var joined = pending, joined.line.caller == line.caller else {
        return .whole(Joined(line: line, isCut: false))
      }
      joined.line.text += line.text
      joined.line.sequence = line.sequence
      joined.isCut = joined.isCut || line.text.count >= LineJoiner.cutBytes
      guard joined.line.text.count <= LineJoiner.joinedBytesMax else {
        pending = nil
        return .partial
      }
      let isOpen = LineJoiner.isOpen(joined.line.text)
      pending = isOpen ? joined : nil
      return isOpen ? .partial : .whole(joined)
    }
    let joined = Joined(line: line, isCut: false)
    guard LineJoiner.isOpen(line.text) else { return .whole(joined) }
    pending = joined
    return .partial
  }

  /// More of a line is to come.
  var isOpen: Bool { pending != nil }

  /// Forgets an unfinished line.
  mutating func reset() { pending = nil }

  /// Whether the line begins as one of those with paths, and lacks its end.
  private static func isOpen(_ text: [UInt8]) -> Bool {
    if text[...].begins(with: "oom-kill:constraint=") { return !ConstraintLine.isComplete(text) }
    if text[...].begins(with: "Memory cgroup stats for") { return text.last != UInt8(ascii: ":") }
    if text[...].begins(with: "Tasks in ") { return CgroupLine.groupPath(text) == nil }
    return false
  }

  /// A log of text lines has no mark on pieces: but no line of its own begins with these.
  private static func isPiece(_ text: [UInt8]) -> Bool {
    guard text.first == UInt8(ascii: ",") else { return false }
    let labels: [StaticString] = [",cpuset=", ",mems_allowed=", ",oom_memcg=", ",global_oom", ",task_memcg=", ",task="]
    return labels.contains { text[...].begins(with: $0) }
  }
}
