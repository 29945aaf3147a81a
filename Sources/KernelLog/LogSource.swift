// SPDX-License-Identifier: Apache-2.0
import Events

/// What the reader of a log must be told, since the log does not say it.
///
/// Source: the caller: sysconf(3), /proc/meminfo and /proc/sys/vm/swappiness for the host's own log, options for another's.
package struct LogSource: Sendable {
  /// `.kmsg` or `.log`.
  package var source: Source
  /// Of the host that printed the log: its kilobytes were pages. sysconf(3), _SC_PAGESIZE.
  package var pageSizeBytes: Int
  /// Size of swap on the host; nil where it is not known.
  package var swapTotalPages: Pages?
  /// vm.swappiness; cgroup v2 knows no other.
  package var swappiness: Int?
  /// False where no memory cgroup of version 2 exists: then nothing has to wait for a group's other lines.
  package var hasGroupKills: Bool

  /// `pageSizeBytes` is above 0; the rest may stay unknown.
  package init(
    source: Source, pageSizeBytes: Int, swapTotalPages: Pages? = nil, swappiness: Int? = nil, hasGroupKills: Bool = true
  ) {
    precondition(pageSizeBytes > 0)
    self.source = source
    self.pageSizeBytes = pageSizeBytes
    self.swapTotalPages = swapTotalPages
    self.swappiness = swappiness
    self.hasGroupKills = hasGroupKills
  }

  var units: LogUnits { LogUnits(pageSizeBytes: Int64(pageSizeBytes)) }
}

/// An event, and when the kernel printed the line that it tells of.
///
/// Kernel: kernel/printk/printk.c, the record's ts_nsec.
package struct LoggedEvent: Sendable {
  /// A kill, none, or what the reaper did.
  package var event: Event
  /// The kernel's log clock; nil where the log had none.
  package var monotonicNanoseconds: Int64?
  /// Nil where the log had no wall clock, /dev/kmsg among them.
  package var wallNanoseconds: Int64?
  /// The record's number.
  package var sequence: UInt64?

  init(_ event: Event, at line: LogLine) {
    self.event = event
    monotonicNanoseconds = line.monotonicNanoseconds
    wallNanoseconds = line.wallNanoseconds
    sequence = line.sequence
  }
}
