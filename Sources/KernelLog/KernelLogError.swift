// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with the kernel's log: the path, the call, and the errno that it left.
///
/// Kernel: kernel/printk/printk.c, devkmsg_open(), devkmsg_llseek(), devkmsg_read().
package enum KernelLogError: Error, Hashable, Sendable {
  /// EPERM or EACCES: no right to (kernel.dmesg_restrict, or the file's mode); ENOENT: a container without the device.
  case openFailed(path: String, errno: Int32)
  case seekFailed(path: String, errno: Int32)
  case readFailed(path: String, errno: Int32)
}
