// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import Host
import Policy

/// Reads the host's memory and its biggest processes, for the record of the minutes before a kill.
///
/// The kernel ranks them where it may (6.2), by what they hold and whatever their oom_score_adj; those that it never takes
/// (-1000) are then not among them.
final class MemorySampler {
  /// Ranked against a domain of nothing, oom_score_adj adds nothing.
  private static let noDomain = OOMDomain.system(ramPages: 0, swapPages: 0)

  private let table: ProcessTable
  private let pressure: PressureReader

  init(table: ProcessTable) {
    self.table = table
    pressure = PressureReader(memory: table.memory, cgroups: table.cgroups)
  }

  /// Nil where the host's memory cannot be read.
  func read() -> MemoryReading? {
    guard let host = (try? pressure.system()) ?? nil else { return nil }
    let found =
      table.first(MemoryRecorder.processesMax, of: MemorySampler.noDomain)
      ?? (try? table.processes(groups: false)) ?? []
    return MemoryReading(host: host, processes: found.map { MemoryReading.Process($0) })
  }
}
