// SPDX-License-Identifier: Apache-2.0

/// Counts decisions over all hosts and boots of one reading, so that no two have one number.
package final class DecisionNumbers {
  /// Decisions told so far; the next has one more.
  package private(set) var last: UInt64 = 0

  package init() {}

  func next() -> UInt64 {
    last += 1
    return last
  }
}
