// SPDX-License-Identifier: Apache-2.0
import Events

/// Who is in a control group, and who dies with whom.
extension CgroupReader {
  /// Whether all of a group is killed with one of it; false where it is gone, and in version 1, which never does.
  ///
  /// File: memory.oom.group. Kernel: mm/memcontrol.c, mem_cgroup_get_oom_group().
  package func isKilledAsOne(path: KernelName) throws(HostError) -> Bool {
    guard hierarchy?.version == 2, let directory = try directory(path),
      let contents = try files.contents(KernelName("memory.oom.group"), in: directory)
    else { return false }
    let value: Int = try contents.number()
    return value != 0
  }

  /// The processes of a group and those below, in the order in which the kernel looks at them: by groups as they were
  /// made, a parent before its children, and in each as cgroup.procs has them.
  ///
  /// File: cgroup.procs. Kernel: mm/memcontrol.c, mem_cgroup_scan_tasks().
  package func processes(below path: KernelName) throws(HostError) -> [Int32] {
    guard let directory = try directory(path) else { return [] }
    return try CgroupReader.processes(in: directory, files, depth: 0)
  }

  private static func processes(
    in directory: borrowing Directory, _ files: FileReader, depth: Int
  ) throws(HostError) -> [Int32] {
    var pids: [Int32] = []
    if let contents = try files.contents(KernelName("cgroup.procs"), in: directory, limitBytes: procsLimitBytes) {
      pids = contents.lines.compactMap { Decimal.unsigned($0) }
    }
    guard depth < ancestorLimit else { return pids }
    for child in try directory.directoriesByInode() {
      guard let below = try directory.directory(child) else { continue }
      pids += try processes(in: below, files, depth: depth + 1)
    }
    return pids
  }

  /// Four million processes of seven digits.
  static let procsLimitBytes = 32 * 1024 * 1024
}
