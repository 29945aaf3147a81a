// SPDX-License-Identifier: Apache-2.0
import Events

/// What a line of the kernel's log is to an OOM report.
///
/// Each is known by the words with which the kernel begins it; names come later in the line, or before words that a name
/// is too short to hold. Kernel: mm/oom_kill.c and mm/memcontrol.c.
enum ReportLine: Hashable {
  case header(HeaderLine)
  case constraint(ConstraintLine)
  case sacrifice(SacrificeLine)
  case killed(KilledLine)
  case group(KernelName)
  case exiting(ExitingLine)
  case noKillable
  case reaper(ReaperLine)
  /// A line that may belong to the body of a report.
  case other

  init(_ text: [UInt8]) {
    let bytes = text[...]
    switch text.first {
    case UInt8(ascii: "O") where bytes.begins(with: "Out of memory and no killable processes..."):
      self = .noKillable
      return
    case UInt8(ascii: "O") where bytes.begins(with: "Out of memory"),
      UInt8(ascii: "M") where bytes.begins(with: "Memory cgroup out of memory: "):
      if let line = KilledLine(text) {
        self = .killed(line)
        return
      }
      if let line = SacrificeLine(text) {
        self = .sacrifice(line)
        return
      }
      if let line = ExitingLine(text) {
        self = .exiting(line)
        return
      }
    case UInt8(ascii: "K"):
      if let line = KilledLine(text) {
        self = .killed(line)
        return
      }
    case UInt8(ascii: "T"):
      if let path = CgroupLine.groupPath(text) {
        self = .group(path)
        return
      }
    case UInt8(ascii: "o"):
      if let line = ConstraintLine(text) {
        self = .constraint(line)
        return
      }
      if let line = ReaperLine(text) {
        self = .reaper(line)
        return
      }
    default: break
    }
    self = HeaderLine(text).map(ReportLine.header) ?? .other
  }
}
