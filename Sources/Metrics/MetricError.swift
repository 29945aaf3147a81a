// SPDX-License-Identifier: Apache-2.0

/// Why metrics cannot be offered, as facts that the command words.
package enum MetricError: Error, Hashable, Sendable {
  package enum Operation: String, Sendable {
    case listen = "listen at"
    case write
  }
  /// A call of the kernel's failed.
  case system(Operation, String, errno: Int32)
  /// There is a file of that name that is no socket.
  case notASocket(String)
}
