// SPDX-License-Identifier: Apache-2.0
import Events

/// The memory of the host at one moment, and the processes that hold most of it.
///
/// File: /proc/meminfo, /proc/pressure/memory. Source: BPF's task iterator, or /proc/PID.
package struct MemoryReading: Sendable {
  /// What one process held.
  package struct Process: Hashable, Sendable {
    package var pid: Int32
    /// With the pid, the identity of a process; nil where it was not read.
    package var startBootNanoseconds: Int64?
    package var comm: Comm
    package var residentPages: Pages
    package var swapPages: Pages

    package init(pid: Int32, startBootNanoseconds: Int64?, comm: Comm, residentPages: Pages, swapPages: Pages) {
      self.pid = pid
      self.startBootNanoseconds = startBootNanoseconds
      self.comm = comm
      self.residentPages = residentPages
      self.swapPages = swapPages
    }

    package init(_ snapshot: ProcessSnapshot) {
      self.init(
        pid: snapshot.pid, startBootNanoseconds: snapshot.startBootNanoseconds, comm: snapshot.comm,
        residentPages: snapshot.parts.residentPages, swapPages: snapshot.parts.swapPages)
    }

    /// What it holds, wherever that lies.
    var heldPages: Pages { residentPages + swapPages }
  }

  package var host: PressureReading
  /// In any order; the biggest are kept.
  package var processes: [Process]

  package init(host: PressureReading, processes: [Process]) {
    self.host = host
    self.processes = processes
  }
}
