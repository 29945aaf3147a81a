// SPDX-License-Identifier: Apache-2.0
import Events

/// Why delivery cannot begin, or a program cannot be run; the command words it.
package enum SinkError: Error, Hashable, Sendable {
  /// Another process has this spool.
  case spoolBusy(path: String)
  /// A system call failed: what was tried, on what.
  case system(operation: String, path: KernelName, errno: Int32)
  /// A destination that cannot be, by its name.
  case settings(name: String, DestinationSettings.Problem)
}
