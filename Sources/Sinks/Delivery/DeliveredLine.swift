// SPDX-License-Identifier: Apache-2.0
import Events

/// A line on its way, with its number in the spool, which goes on from run to run.
package final class DeliveredLine {
  package let number: UInt64
  /// `\n` included.
  package let bytes: [UInt8]
  /// What it tells; read once, and only where somebody asks.
  package private(set) lazy var facts = LineFacts(bytes)

  package init(number: UInt64, bytes: [UInt8]) {
    self.number = number
    self.bytes = bytes
  }
}
