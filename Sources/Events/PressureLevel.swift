// SPDX-License-Identifier: Apache-2.0

/// How short of memory a host or a control group is.
package enum PressureLevel: Int, CaseIterable, Comparable, Sendable {
  case normal, low, medium, critical

  /// The level of that name; nil where it is none.
  package init?(name: String) {
    guard let level = PressureLevel.allCases.first(where: { $0.name == name }) else { return nil }
    self = level
  }

  package static func < (left: PressureLevel, right: PressureLevel) -> Bool { left.rawValue < right.rawValue }

  /// As events and options have it.
  package var name: String {
    switch self {
    case .normal: "normal"
    case .low: "low"
    case .medium: "medium"
    case .critical: "critical"
    }
  }
}

/// What of a reading made a level.
package enum PressureCause: String, CaseIterable, Sendable {
  /// Memory that is used, of what there is.
  case memory
  /// Swap that is used, while memory is short too.
  case swap
  /// Tasks that stood still for memory: some of them, or all at once.
  case stallSome = "stall_some"
  case stallFull = "stall_full"
}

/// The memory of a host, or of a control group below its limit, at one moment, in pages.
///
/// File: /proc/meminfo and /proc/pressure/memory; memory.max, memory.current, memory.stat and memory.pressure of a group.
package struct PressureReading: Hashable, Sendable {
  /// Nil: the whole system.
  package var cgroup: CgroupRef?
  /// All memory, or the limit.
  package var totalPages: Pages
  /// What can be had without swapping: MemAvailable; of a group its limit less its working set.
  package var availablePages: Pages
  package var swapTotalPages: Pages?
  package var swapFreePages: Pages?
  /// Nil where the kernel does not measure it.
  package var stall: PressureStall?

  package init(cgroup: CgroupRef? = nil, totalPages: Pages, availablePages: Pages) {
    self.cgroup = cgroup
    self.totalPages = totalPages
    self.availablePages = availablePages
  }

  /// What is used of all memory, in hundredths of a percent; nil where there is none.
  package var usedHundredths: Int64? {
    PressureReading.hundredths(of: totalPages, free: availablePages)
  }

  /// The same of swap; nil where there is none.
  package var swapUsedHundredths: Int64? {
    guard let swapTotalPages, let swapFreePages else { return nil }
    return PressureReading.hundredths(of: swapTotalPages, free: swapFreePages)
  }

  private static func hundredths(of total: Pages, free: Pages) -> Int64? {
    guard total > 0, total < 1 << 48 else { return nil }
    return (total - min(max(0, free), total)) * 10_000 / total
  }
}

/// A level of memory pressure was reached or left.
///
/// Shape: docs/schema/oomwitness.v1.schema.json, `pressure`.
package struct PressureEvent: Hashable, Sendable {
  /// A process that holds much, or takes more.
  package struct Process: Hashable, Sendable {
    package var row: ScoreRow
    /// Pages that it took each second since it was last looked at; nil where it was not.
    package var pagesPerSecond: Int64?

    package init(row: ScoreRow, pagesPerSecond: Int64? = nil) {
      self.row = row
      self.pagesPerSecond = pagesPerSecond
    }
  }

  /// Whom to stop, and what that would give.
  package struct Suggestion: Hashable, Sendable {
    package var pid: Int32
    package var comm: KernelName
    /// What surely comes back by its end: its anonymous memory, in RAM and in swap, and its page tables. What it maps of
    /// files or shares with others may stay.
    package var freesPages: Pages
    /// The level that memory and swap alone would have then.
    package var levelAfter: PressureLevel

    package init(pid: Int32, comm: KernelName, freesPages: Pages, levelAfter: PressureLevel) {
      self.pid = pid
      self.comm = comm
      self.freesPages = freesPages
      self.levelAfter = levelAfter
    }
  }

  /// What was done to have memory back, measured.
  package struct Cleanup: Hashable, Sendable {
    package enum Action: String, CaseIterable, Sendable {
      /// Clean page cache, all of it. File: /proc/sys/vm/drop_caches.
      case dropCaches = "drop_caches"
      /// File: memory.reclaim of a control group.
      case reclaim
    }

    package var action: Action
    /// Whose memory; nil for the whole system's page cache.
    package var cgroup: CgroupRef?
    /// What the kernel was asked for; nil where it takes no number.
    package var wantedPages: Pages?
    /// What can be had, as the event's reading has it, right before and after.
    package var availableBeforePages: Pages
    package var availableAfterPages: Pages
    package var milliseconds: Int64
    /// Why it failed, in words; nil where the kernel did it.
    package var error: String?

    package init(action: Action, availableBeforePages: Pages, availableAfterPages: Pages, milliseconds: Int64) {
      self.action = action
      self.availableBeforePages = availableBeforePages
      self.availableAfterPages = availableAfterPages
      self.milliseconds = milliseconds
    }
  }

  package var level: PressureLevel
  package var previous: PressureLevel
  /// What has reached the level; none where it is normal.
  package var causes: [PressureCause]
  package var reading: PressureReading
  /// How memory and swap together change each second, negative where they run out; nil where too little was seen.
  package var availablePagesPerSecond: Int64?
  /// Until they are gone at this rate; nil where they are not running out.
  package var secondsLeft: Int64?
  /// The five biggest, by what the kernel would count.
  package var biggest: [Process]
  /// Those that took most since they were last looked at, five at most.
  package var growing: [Process]
  package var suggestions: [Suggestion]
  /// In an event of its own, whose two levels are the same.
  package var cleanup: Cleanup?

  package init(level: PressureLevel, previous: PressureLevel, causes: [PressureCause], reading: PressureReading) {
    self.level = level
    self.previous = previous
    self.causes = causes
    self.reading = reading
    biggest = []
    growing = []
    suggestions = []
  }
}
