// SPDX-License-Identifier: Apache-2.0

/// Where finished lines go. A sink never blocks its caller: what it cannot take at once it queues or drops, and counts.
package protocol Sink: AnyObject {
  /// Takes one line, `\n` included. False where the line was dropped; the sink counts it.
  func write(_ line: [UInt8]) -> Bool
  /// Lines dropped so far.
  var linesDropped: Int64 { get }
}
