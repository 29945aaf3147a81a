// SPDX-License-Identifier: Apache-2.0

import Events

/// What the host refused, or said in a way that cannot be understood: facts alone, the command words them.
///
/// A process or a control group that is gone is never an error: readers return nil for it.
/// Source: errno(3), proc(5).
package enum HostError: Error, Hashable, Sendable {
  package enum Operation: String, Sendable {
    case open, read, write, readlink, list, poll, stat, uname, lock, make, run
    case openByHandle = "open_by_handle_at"
    case thread = "start a thread for"
  }
  /// A system call failed, for another reason than that its object is gone.
  case system(operation: Operation, path: KernelName, errno: Int32)
  /// A line that is not what the kernel writes: its number from 1, and its first bytes.
  case malformed(path: KernelName, line: Int, text: KernelName)
  /// A program that reads a file for us gave up on it: its exit status, or 128 and the signal that ended it.
  case programFailed(program: String, path: KernelName, status: Int32)
  /// A file with more bytes than the reader's named limit.
  case tooLarge(path: KernelName, limitBytes: Int)
}
