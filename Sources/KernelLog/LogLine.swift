// SPDX-License-Identifier: Apache-2.0
import Events

/// One line of the kernel's log, whatever it was read from: /dev/kmsg, dmesg, syslog or the journal.
///
/// Shape: the bytes that the kernel printed, without level, time stamp, host name and caller, with escapes undone; they
/// may hold newlines and broken UTF-8. What the form does not tell is nil. Kernel: kernel/printk/printk.c, vprintk_store().
package struct LogLine: Hashable, Sendable {
  /// What was printed: without prefix, with escapes undone.
  package var text: [UInt8]
  /// The kernel's log clock, since boot: near CLOCK_MONOTONIC, and not the same.
  package var monotonicNanoseconds: Int64?
  /// Nanoseconds since 1970, where the log has a wall clock.
  package var wallNanoseconds: Int64?
  /// The kernel's number of the record: one more for each, so that a hole is a loss.
  package var sequence: UInt64?
  /// Who printed it, "T123" or "C1". Kernel: CONFIG_PRINTK_CALLER.
  package var caller: KernelName?
  /// True where it goes on with what another record began: pr_cont() did not fit or was interrupted.
  package var isContinuation: Bool
  /// False for what user space wrote to /dev/kmsg: such a line is never evidence.
  package var isFromKernel: Bool

  /// A line of any form; what it does not tell stays nil.
  package init(
    text: [UInt8], monotonicNanoseconds: Int64? = nil, wallNanoseconds: Int64? = nil, sequence: UInt64? = nil,
    caller: KernelName? = nil, isContinuation: Bool = false, isFromKernel: Bool = true
  ) {
    self.text = text
    self.monotonicNanoseconds = monotonicNanoseconds
    self.wallNanoseconds = wallNanoseconds
    self.sequence = sequence
    self.caller = caller
    self.isContinuation = isContinuation
    self.isFromKernel = isFromKernel
  }

  /// The line that a record of /dev/kmsg holds.
  ///
  /// Kernel: kernel/printk/printk.c, info_print_ext_header().
  package init(_ record: KmsgRecord) {
    let (nanoseconds, overflow) = record.microseconds.multipliedReportingOverflow(by: 1000)
    self.init(
      text: record.text, monotonicNanoseconds: overflow ? nil : nanoseconds, sequence: record.sequence,
      caller: record.caller, isContinuation: record.isContinuation, isFromKernel: record.facility == 0)
  }
}
