// SPDX-License-Identifier: Apache-2.0

/// Counts decisions over all hosts and boots of one reading, so that no two have one number.
package final class DecisionNumbers {
  /// Where the log stands beside probes, which number from 1: no host lives that long, and every reader of JSON holds it.
  package static let besideProbes: UInt64 = 1 << 40

  /// Decisions told so far; the next has one more.
  package private(set) var last: UInt64

  /// - Parameter last: a number below the first.
  package init(after last: UInt64 = 0) { self.last = last }

  func next() -> UInt64 {
    last += 1
    return last
  }
}
