// SPDX-License-Identifier: Apache-2.0

import CLinux
import Events
import Glibc

/// Which host this is, and the units in which its kernel counts.
///
/// Source: uname(2), sysconf(3). File: /proc/sys/kernel/random/boot_id, /sys/devices/system/cpu/possible.
package struct HostIdentity: Hashable, Sendable {
  package var hostName: String
  /// Nil where the kernel was built without it.
  package var bootID: String?
  package var kernelRelease: String
  package var machine: String
  package var pageSizeBytes: Int
  package var clockTicksPerSecond: Int
  /// CPUs that could ever be there, which is what per-CPU maps are sized by; nil where sysfs is not mounted.
  package var possibleCPUs: Int?
  /// How many NUMA nodes have memory; 1 where the kernel knows no nodes.
  package var memoryNodes = 1

  /// Asks the kernel, and the two files under the roots.
  ///
  /// Source: uname(2), sysconf(3).
  package init(procRoot: String = "/proc", sysRoot: String = "/sys") throws(HostError) {
    var names = utsname()
    guard uname(&names) == 0 else { throw .system(operation: .uname, path: KernelName("uname"), errno: errno) }
    hostName = HostIdentity.text(names.nodename)
    kernelRelease = HostIdentity.text(names.release)
    machine = HostIdentity.text(names.machine)
    pageSizeBytes = HostIdentity.pageSizeBytes
    clockTicksPerSecond = max(1, sysconf(Int32(_SC_CLK_TCK)))
    let files = FileReader()
    if let boot = try files.contents(KernelName("sys/kernel/random/boot_id"), in: Directory(path: procRoot)) {
      guard boot.withoutNewline.count == 36, boot.withoutNewline.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
        throw boot.malformed(line: 1, boot.withoutNewline)
      }
      bootID = String(decoding: boot.withoutNewline, as: UTF8.self)
    }
    if let cpus = try files.contents(KernelName("devices/system/cpu/possible"), in: Directory(path: sysRoot)) {
      possibleCPUs = try HostIdentity.count(cpus)
    }
    if let nodes = try files.contents(KernelName("devices/system/node/has_memory"), in: Directory(path: sysRoot)) {
      memoryNodes = try HostIdentity.count(nodes)
    }
  }

  /// The kernel's page size in bytes.
  ///
  /// Source: sysconf(3), _SC_PAGESIZE.
  package static var pageSizeBytes: Int { max(1, sysconf(Int32(_SC_PAGESIZE))) }

  /// About how many threads there are: to make room for, not to tell (the kernel counts them in 16 bits here).
  ///
  /// Source: sysinfo(2).
  package static var threadsHint: Int {
    var host = sysinfo()
    return sysinfo(&host) == 0 ? Int(host.procs) : 0
  }

  /// A task's start on the boot clock as /proc/PID/stat counts it, so that the two can be compared.
  ///
  /// In the root time namespace alone. Kernel: kernel/time/time.c, nsec_to_clock_t().
  package func startTimeTicks(bootNanoseconds: UInt64) -> UInt64 {
    bootNanoseconds / (1_000_000_000 / UInt64(clockTicksPerSecond))
  }

  /// How many numbers a list like "0-3,8" holds.
  private static func count(_ contents: FileContents) throws(HostError) -> Int {
    var count = 0
    let text = contents.withoutNewline
    for range in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let ends = range.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
      guard (1...2).contains(ends.count), let first: UInt16 = Decimal.unsigned(ends[0]),
        let last: UInt16 = Decimal.unsigned(ends[ends.count - 1]), first <= last
      else { throw contents.malformed(line: 1, text) }
      count += Int(last - first) + 1
    }
    return count
  }

  /// The text of a C array of characters, which Swift sees as a tuple.
  private static func text<Characters>(_ characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
