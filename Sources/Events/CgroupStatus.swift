// SPDX-License-Identifier: Apache-2.0

/// What one control group may use, uses, and has gone through, in the same words for both versions. Sizes are bytes, as its
/// files have them. A nil field has no file there: the root of version 2, a kernel without swap, version 1 for most of `events`.
///
/// File: version 2 memory.*; version 1 memory.*_in_bytes, memory.stat, memory.oom_control.
package struct CgroupStatus: Hashable, Sendable {
  package var cgroup: CgroupRef
  /// Nil: none is written, or the root.
  package var limitBytes: ByteLimit?
  /// memory.high; version 1 has none.
  package var highBytes: ByteLimit?
  /// memory.low and memory.min; version 1: soft limit as `low`.
  package var lowBytes: ByteLimit?
  package var minBytes: ByteLimit?
  package var currentBytes: Int64?
  /// The most it ever used; since 5.19 in version 2.
  package var peakBytes: Int64?
  /// Of swap alone: version 1's memory and swap, less memory.
  package var swapLimitBytes: ByteLimit?
  package var swapCurrentBytes: Int64?
  package var parts: Parts?
  package var events: Events?
  package var pressure: PressureStall?
  /// memory.oom.group; nil in version 1.
  package var isKilledAsOne: Bool?
  /// memory.oom_control of version 1: its tasks wait in place of being killed.
  package var isKillDisabled: Bool?
  package var processCount: Int?

  package init(cgroup: CgroupRef) { self.cgroup = cgroup }

  /// What it used is made of, with all below it. File: memory.stat, version 1 by its `total_` lines.
  package struct Parts: Hashable, Sendable {
    package var anonBytes: Int64?
    package var fileBytes: Int64?
    package var shmemBytes: Int64?
    package var kernelBytes: Int64?
    package var slabReclaimableBytes: Int64?
    package var slabUnreclaimableBytes: Int64?
    package var socketBytes: Int64?
    package var dirtyBytes: Int64?
    package var inactiveFileBytes: Int64?

    package init() {}
  }

  /// How often something happened since it was made, with all below it. File: memory.events; version 1 has oomKills alone.
  package struct Events: Hashable, Sendable {
    package var low: Int64?
    package var high: Int64?
    package var max: Int64?
    package var oom: Int64?
    package var oomKills: Int64?
    package var groupKills: Int64?

    package init() {}
  }

  /// Usage without the page cache that was not used lately, as Kubernetes counts it. Source: cadvisor's container_memory_working_set_bytes.
  package var workingSetBytes: Int64? {
    guard let currentBytes else { return nil }
    return Swift.max(0, currentBytes - (parts?.inactiveFileBytes ?? 0))
  }
}

/// A limit in bytes, or none at all.
package enum ByteLimit: Hashable, Sendable {
  case unlimited
  case bytes(Int64)

  /// The limit, or nil where there is none.
  package var bytes: Int64? {
    if case .bytes(let bytes) = self { return bytes }
    return nil
  }
}
