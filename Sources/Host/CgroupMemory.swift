// SPDX-License-Identifier: Apache-2.0

import Events

/// Limits and usage of one control group. A nil field has no file there: the root of version 2, a kernel without swap.
///
/// File: version 2 memory.max, memory.current, memory.swap.max, memory.swap.current; version 1 memory.limit_in_bytes,
/// memory.usage_in_bytes, and memory.memsw.* less those.
package struct CgroupMemory: Hashable, Sendable {
  package var limit: Limit?
  package var usagePages: Pages?
  package var swapLimit: Limit?
  package var swapUsagePages: Pages?

  package init(
    limit: Limit? = nil, usagePages: Pages? = nil, swapLimit: Limit? = nil, swapUsagePages: Pages? = nil
  ) {
    self.limit = limit
    self.usagePages = usagePages
    self.swapLimit = swapLimit
    self.swapUsagePages = swapUsagePages
  }
}
