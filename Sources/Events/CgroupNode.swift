// SPDX-License-Identifier: Apache-2.0

/// A control group with those below it, as a tree.
package struct CgroupNode: Hashable, Sendable {
  package var status: CgroupStatus
  /// In the order in which they were made.
  package var children: [CgroupNode] = []
  /// Groups right below that were not looked at, because there were too many or they lie too deep.
  package var omittedChildren = 0

  package init(status: CgroupStatus) { self.status = status }

  /// Groups that were not looked at, here and below; those below them are not known.
  package var omitted: Int { children.reduce(omittedChildren) { $0 + $1.omitted } }

  /// All statuses, each before those below it.
  package func forEach(depth: Int = 0, _ body: (CgroupStatus, Int) -> Void) {
    body(status, depth)
    for child in children { child.forEach(depth: depth + 1, body) }
  }
}
