// SPDX-License-Identifier: Apache-2.0

/// The limit that was hit: of a cgroup, or what the whole domain has.
package struct BindingLimit: Hashable, Sendable {
  package struct Ancestor: Hashable, Sendable {
    package var path: KernelName
    package var limit: Limit?
    package var usagePages: Pages?

    package init(path: KernelName, limit: Limit?, usagePages: Pages?) {
      self.path = path
      self.limit = limit
      self.usagePages = usagePages
    }
  }
  package var cgroup: CgroupRef?
  package var limit: Limit?
  package var usagePages: Pages?
  package var swapLimit: Limit?
  package var swapUsagePages: Pages?
  /// Size of the domain in which badness was counted: oc->totalpages. Never the victim's pages.
  package var totalPages: Pages?
  /// True where the limit was concluded from counters and not seen in the kernel's own decision.
  package var inferred: Bool?
  /// From the parent of `cgroup` up to the root.
  package var ancestors: [Ancestor] = []

  package init() {}
}
