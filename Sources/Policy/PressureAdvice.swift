// SPDX-License-Identifier: Apache-2.0
import Events

/// Whom to stop when memory is short, in the order in which the kernel would kill, and what each would give.
package enum PressureAdvice {
  package static let suggestionsMax = 3

  /// Never who the kernel would not take (pid 1, kernel threads, oom_score_adj -1000), never those of `sparing`, nor who
  /// would give back nothing.
  ///
  /// - Parameter sparing: pids that are not to be named: our own.
  package static func suggestions(
    _ standings: Standings, _ reading: PressureReading, _ thresholds: PressureThresholds, sparing: Set<Int32>
  ) -> [PressureEvent.Suggestion] {
    var found: [PressureEvent.Suggestion] = []
    for contender in standings.contenders where found.count < suggestionsMax {
      let process = standings.processes[contender.index]
      let parts = process.parts
      let (ramPages, swapPages) = (parts.anonPages + parts.pgtablePages, parts.swapPages)
      guard ramPages + swapPages > 0, process.pid > 1, !sparing.contains(process.pid) else { continue }
      let after = thresholds.level(of: reading.after(ramPages: ramPages, swapPages: swapPages)).level
      found.append(
        PressureEvent.Suggestion(
          pid: process.pid, comm: process.comm.name, freesPages: ramPages + swapPages, levelAfter: after))
    }
    return found
  }

  /// What the kernel is to take back so that memory falls below where medium is left; at that very place it is still held.
  ///
  /// - Returns: at least `least`, so that it is worth the asking.
  package static func missingPages(
    _ reading: PressureReading, below thresholds: PressureThresholds, least: Pages
  ) -> Pages {
    let aim = max(0, thresholds.memory.mediumHundredths - thresholds.fallHundredths)
    guard let used = reading.usedHundredths, used >= aim, reading.totalPages < 1 << 48 else { return least }
    return max(least, (used - aim + 1) * reading.totalPages / 10_000)
  }
}

extension PressureReading {
  /// As it would be with so much given back. How long tasks would stand still then nobody knows.
  fileprivate func after(ramPages: Pages, swapPages: Pages) -> PressureReading {
    var after = self
    after.availablePages = min(totalPages, availablePages + ramPages)
    after.swapFreePages = swapFreePages.map { min(swapTotalPages ?? $0, $0 + swapPages) }
    after.stall = nil
    return after
  }
}
