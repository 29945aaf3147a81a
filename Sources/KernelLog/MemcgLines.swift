// SPDX-License-Identifier: Apache-2.0
import Events

/// `memory: usage 32768kB, limit 32768kB, failcnt 64`: a counter of the cgroup whose limit was hit.
///
/// Kernel: mm/memcontrol.c, mem_cgroup_print_oom_meminfo().
struct UsageLine: Hashable {
  enum Counter: Hashable {
    case memory
    /// cgroup v2 alone has it.
    case swap
    /// cgroup v1 alone has it: both together.
    case memoryAndSwap
  }
  let counter: Counter
  let usageKilobytes: Int64
  let limitKilobytes: Int64

  init?(_ text: [UInt8]) {
    var scanner = ByteScanner(text)
    // With `kmem: ` beside it, which is a part of it.
    if scanner.skip("memory: ") {
      counter = .memory
    } else if scanner.skip("swap: ") {
      counter = .swap
    } else if scanner.skip("memory+swap: ") {
      counter = .memoryAndSwap
    } else {
      return nil
    }
    guard let usage: Int64 = scanner.number(after: "usage ", unit: "kB, "), ByteScanner.sane ~= usage, usage >= 0,
      let limit: Int64 = scanner.number(after: "limit ", unit: "kB, "), limit >= 0,
      let _: UInt64 = scanner.number(after: "failcnt "), scanner.isAtEnd
    else { return nil }
    (usageKilobytes, limitKilobytes) = (usage, limit)
  }
}

/// Lines that name one cgroup between words of the kernel's: the path is all that lies between.
enum CgroupLine {
  /// `Memory cgroup stats for PATH:`. Kernel: mm/memcontrol.c, mem_cgroup_print_oom_meminfo().
  static func statsPath(_ text: [UInt8]) -> KernelName? { path(text, "Memory cgroup stats for ", ":") }

  /// `Tasks in PATH are going to be killed due to memory.oom.group set`.
  ///
  /// Kernel: mm/memcontrol.c, mem_cgroup_print_oom_group().
  static func groupPath(_ text: [UInt8]) -> KernelName? {
    path(text, "Tasks in ", " are going to be killed due to memory.oom.group set")
  }

  /// `Task in PATH killed as a result of limit of PATH`, up to 4.20: the chosen task's, and that whose limit was hit.
  ///
  /// Nil also where a name holds these words, so that it could be divided in two ways. Kernel: mm/memcontrol.c,
  /// mem_cgroup_print_oom_info().
  static func limitPaths(_ text: [UInt8]) -> (task: KernelName, limit: KernelName)? {
    var scanner = ByteScanner(text)
    guard scanner.skip("Task in /") || scanner.skip("Tasks in /") else { return nil }
    let words: StaticString = " killed as a result of limit of /"
    let places = scanner.rest.places(of: words)
    guard places.count == 1, let place = places.first else { return nil }
    let task = text[(scanner.index - 1)..<place]
    let limit = text[(place + words.utf8CodeUnitCount - 1)...]
    return (KernelName(bytes: Array(task)), KernelName(bytes: Array(limit)))
  }

  private static func path(_ text: [UInt8], _ start: StaticString, _ end: StaticString) -> KernelName? {
    var scanner = ByteScanner(text)
    guard scanner.skip(start), scanner.rest.ends(with: end) else { return nil }
    let path = scanner.rest.dropLast(end.utf8CodeUnitCount)
    return path.first == UInt8(ascii: "/") ? KernelName(bytes: Array(path)) : nil
  }
}
