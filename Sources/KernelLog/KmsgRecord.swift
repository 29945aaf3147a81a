// SPDX-License-Identifier: Apache-2.0
import Events

/// One record as read(2) gives it from /dev/kmsg: `priority,sequence,microseconds,flags[,caller=T1];text\n KEY=value\n`.
///
/// Other fields may come before the semicolon and are skipped, as the kernel's documentation asks. The dictionary lines
/// are left out: nothing of an OOM report is in them. Kernel: Documentation/ABI/testing/dev-kmsg.
package struct KmsgRecord: Hashable, Sendable {
  /// 0 (emergency) to 7 (debug).
  package var level: Int
  /// 0 is the kernel; user space cannot write with that one.
  package var facility: Int
  /// One more for each record since boot.
  package var sequence: UInt64
  /// The kernel's log clock, since boot.
  package var microseconds: Int64
  /// The flag `c`: a fragment that belongs to an earlier record.
  package var isContinuation: Bool
  /// Thread "T1" or CPU "C1" that printed it; nil without CONFIG_PRINTK_CALLER.
  package var caller: KernelName?
  /// What was printed, with the `\xHH` escapes undone.
  package var text: [UInt8]

  /// Nil where the bytes are no record.
  ///
  /// Kernel: kernel/printk/printk.c, info_print_ext_header() and msg_add_ext_text().
  package init?(_ bytes: ArraySlice<UInt8>) {
    var scanner = ByteScanner(bytes)
    guard let priority = scanner.number(UInt32.self), let sequence: UInt64 = scanner.number(after: ","),
      let microseconds: Int64 = scanner.number(after: ","), microseconds >= 0, scanner.skip(",")
    else { return nil }
    let flags = scanner.take { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "\n") }
    guard !flags.isEmpty else { return nil }
    var caller: KernelName?
    while scanner.skip(",") {
      let isCaller = scanner.skip("caller=")
      let value = scanner.take { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "\n") }
      if isCaller { caller = KernelName(bytes: Array(value)) }
    }
    guard scanner.skip(";") else { return nil }
    level = Int(priority & 7)
    facility = Int(priority >> 3)
    self.sequence = sequence
    self.microseconds = microseconds
    isContinuation = flags.contains(UInt8(ascii: "c"))
    self.caller = caller
    text = KmsgRecord.unescaped(scanner.take { $0 != UInt8(ascii: "\n") })
  }

  /// The same from an array. Kernel: kernel/printk/printk.c, devkmsg_read().
  package init?(_ bytes: [UInt8]) { self.init(bytes[...]) }

  /// Undoes `\xHH`, which stands for control characters, bytes from 127 on, and the backslash itself.
  private static func unescaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    guard bytes.contains(UInt8(ascii: "\\")) else { return Array(bytes) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index...].begins(with: "\\x"), index + 3 < bytes.endIndex,
        let high = bytes[index + 2].hexDigitValue, let low = bytes[index + 3].hexDigitValue
      {
        result.append(high << 4 | low)
        index += 4
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }
}
