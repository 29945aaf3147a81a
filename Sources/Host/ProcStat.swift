// SPDX-License-Identifier: Apache-2.0

import Events

/// The fields of /proc/PID/stat that we use.
///
/// The name may hold parentheses, blanks and newlines, and the kernel escapes none of them here: it ends at the last ')'.
/// Kernel: fs/proc/array.c, do_task_stat().
struct ProcStat: Hashable {
  var comm: KernelName
  var ppid: Int32
  var isKernelThread: Bool
  var threads: Int
  var startTimeTicks: UInt64
  var totalVMPages: Pages
  var residentPages: Pages
  /// Where the image's stack and arguments begin: random for each exec(2), 0 without the right to know.
  var startStack: UInt64
  var argumentStart: UInt64

  init(_ contents: FileContents, pageSizeBytes: Int) throws(HostError) {
    let bytes = contents.bytes
    guard let open = bytes.firstIndex(of: UInt8(ascii: "(")), let close = bytes.lastIndex(of: UInt8(ascii: ")")),
      open < close
    else { throw contents.malformed(line: 1, bytes) }
    let fields = contents.withoutNewline[(close + 1)...].words
    /// Numbered as in proc(5), where the state after the name is field 3.
    func number<Number: FixedWidthInteger>(_ field: Int) throws(HostError) -> Number {
      guard fields.indices.contains(field - 3), let number: Number = Decimal.signed(fields[field - 3]) else {
        throw contents.malformed(line: 1, bytes)
      }
      return number
    }
    let flags: UInt32 = try number(9)
    let totalVMBytes: UInt64 = try number(23)
    comm = KernelName(bytes: Array(bytes[(open + 1)..<close]))
    ppid = try number(4)
    isKernelThread = flags & ProcStat.kernelThreadFlag != 0
    threads = try number(20)
    startTimeTicks = try number(22)
    totalVMPages = Pages(clamping: totalVMBytes / UInt64(pageSizeBytes))
    residentPages = try number(24)
    startStack = try number(28)
    argumentStart = try number(48)
  }

  /// PF_KTHREAD. Kernel: include/linux/sched.h.
  private static let kernelThreadFlag: UInt32 = 0x0020_0000
}
