// SPDX-License-Identifier: Apache-2.0

import Events

/// The control group of the memory hierarchy in /proc/PID/cgroup.
///
/// Each line is `hierarchy:controllers:path`, and the path's bytes are as mkdir(2) took them: a newline is the one that the
/// kernel refuses in a name. Kernel: kernel/cgroup/cgroup.c, proc_cgroup_show().
enum ProcCgroup {
  /// The line that names the controller `memory` (version 1), else the one of hierarchy 0 (version 2), else nil.
  static func memory(in contents: FileContents) throws(HostError) -> CgroupRef? {
    var unified: CgroupRef?
    for (index, line) in contents.lines.enumerated() {
      let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, let hierarchy: Int32 = Decimal.unsigned(parts[0]), parts[2].first == UInt8(ascii: "/")
      else { throw contents.malformed(line: index + 1, line) }
      if hierarchy == 0, parts[1].isEmpty {
        unified = CgroupRef(path: KernelName(bytes: Array(parts[2].droppingDeletedMark)), version: 2)
      } else if parts[1].split(separator: UInt8(ascii: ",")).contains(where: { $0.isEqual(to: "memory") }) {
        return CgroupRef(path: KernelName(bytes: Array(parts[2])), version: 1)
      }
    }
    return unified
  }

  /// A dozen hierarchies, each with a path of up to PATH_MAX bytes.
  static let limitBytes = 128 * 1024
}

extension ArraySlice<UInt8> {
  /// The bytes without the mark that the kernel puts after the path of a removed directory.
  var droppingDeletedMark: ArraySlice<UInt8> {
    let mark = Array(" (deleted)".utf8)
    return count > mark.count && suffix(mark.count).elementsEqual(mark) ? dropLast(mark.count) : self
  }
}
