// SPDX-License-Identifier: Apache-2.0

/// Whether points came from the kernel or from our own arithmetic over its counters.
package enum PointsSource: String, CaseIterable, Sendable { case kernel, computed }

/// The victim's score, and whether its parts add up to it.
package struct VictimBadness: Hashable, Sendable {
  package var points: Pages?
  package var pointsSource: PointsSource?
  /// Size of the domain in pages: oc->totalpages.
  package var domainPages: Pages?
  /// What /proc/PID/oom_score showed last, on its own scale of 0 to 2000, always of the whole system.
  package var procOOMScore: Int?
  package var parts: BadnessParts
  package var adjPoints: Pages?

  package init(parts: BadnessParts) { self.parts = parts }

  /// What the parts leave unexplained of the kernel's own points; nil where the kernel gave none.
  package var residuePages: Pages? {
    guard pointsSource == .kernel, let points, let adjPoints else { return nil }
    return points - parts.totalPages - adjPoints
  }
}
