// SPDX-License-Identifier: Apache-2.0

/// What bounds the delivery of lines.
package struct DeliverySettings: Hashable, Sendable {
  /// Twice the longest line, and more.
  package static let spoolBytesRange: ClosedRange<Int64> = 8 << 20...1 << 40

  /// Where lines are kept for destinations that lag; nil: in memory alone.
  package var spoolFolder: String?
  /// On disk at most; then the oldest are dropped.
  package var spoolBytesMax: Int64 = 64 << 20
  /// Of what every destination has, so much is kept on disk all the same: a daemon that starts again asks it what it told.
  package var keptBytes: Int64 = 16 << 20
  /// In memory at most: the latest lines, for destinations that keep up; with a full disk all that is kept.
  package var memoryBytesMax = 2 << 20
  /// Handed over and not yet taken by the delivery's thread.
  package var inboxBytesMax = 4 << 20

  package init(spoolFolder: String?) { self.spoolFolder = spoolFolder }
}
