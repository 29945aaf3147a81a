// SPDX-License-Identifier: Apache-2.0

/// The account of kills against the kernel's own count, as of the last look at it. File: /proc/vmstat, oom_kill.
package struct MetricBooks: Hashable, Sendable {
  /// Kernel counts of kills that were told or filtered, since the start.
  package var told: Int64
  /// Kernel counts that were told as lost, since the start.
  package var lost: Int64
  /// Growth of the kernel's own count; nil where it could not be read.
  package var growth: Int64?
  /// By how much they differed before the difference was told as lost.
  package var difference: Int64

  package init(told: Int64, lost: Int64, growth: Int64?, difference: Int64) {
    (self.told, self.lost, self.growth, self.difference) = (told, lost, growth, difference)
  }
}
