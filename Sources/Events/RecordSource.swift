// SPDX-License-Identifier: Apache-2.0

/// Where KernelRecords come from: the ring in the kernel, or a recording of one.
package protocol RecordSource: AnyObject {
  /// Readable when records wait; -1 where they are all there already.
  var descriptor: Int32 { get }
  /// Hands over all records that wait now, in the kernel's order.
  func drain(_ body: (KernelRecord) -> Void)
  /// Stops new records; those that wait can still be drained.
  func detach()
  /// What could not be sent so far.
  var losses: LossCounters { get }
}
