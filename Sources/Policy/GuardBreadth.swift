// SPDX-License-Identifier: Apache-2.0
import Events

/// How many a choice ends at least: one, and twice as many as before where those did not help.
///
/// What a process seems to hold may be shared with others, or others take what it gives back as fast: many small ones that are
/// started one after another are not stopped one by one.
package struct GuardBreadth: Hashable, Sendable {
  /// Victims of one choice.
  package static let victimsMax = 16
  /// Memory that is short again this soon was never back.
  private static let againNanoseconds: Int64 = 500_000_000

  package private(set) var fewest = 1
  private var availablePages: Pages = 0
  private var heldPages: Pages = 0
  private var endedNanoseconds = Int64.min / 2

  package init() {}

  /// Memory is short, and somebody is about to be chosen. All moments are CLOCK_MONOTONIC.
  package mutating func choose(availablePages: Pages, now: Int64) {
    let isAgain = heldPages > 0 && now - endedNanoseconds < GuardBreadth.againNanoseconds
    let didNotHelp = availablePages - self.availablePages < heldPages / 2
    fewest = isAgain && didNotHelp ? min(fewest * 2, GuardBreadth.victimsMax) : 1
    (self.availablePages, heldPages) = (availablePages, 0)
  }

  /// Those who were chosen are gone; what they held of their own, as it seemed.
  package mutating func end(heldPages: Pages, now: Int64) { (self.heldPages, endedNanoseconds) = (heldPages, now) }
}
