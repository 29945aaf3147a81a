// SPDX-License-Identifier: Apache-2.0

/// An eligible process in one choice of the kernel's: the rule by which it takes one and not another, written once.
///
/// Kernel: mm/oom_kill.c, oom_evaluate_task(): most points first; among equals the later one replaces the earlier.
package struct Contender: Hashable, Sendable {
  /// Where it stands in the kernel's order.
  package var index: Int
  package var points: Pages
  /// It had to be taken whatever it held. Kernel: include/linux/oom.h, oom_task_origin().
  package var isOrigin = false
  /// It was taken, though its points were computed after the choice: it is first, whatever a counter says since.
  package var isFirst = false

  package init(index: Int, points: Pages, isOrigin: Bool = false, isFirst: Bool = false) {
    self.index = index
    self.points = points
    self.isOrigin = isOrigin
    self.isFirst = isFirst
  }

  /// Whether the kernel would rather take this one.
  package func beats(_ other: Contender) -> Bool {
    if isOrigin != other.isOrigin { return isOrigin }
    if isFirst != other.isFirst { return isFirst }
    return points != other.points ? points > other.points : index > other.index
  }
}
