// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import Host

/// A history that is written to, with a look at the host's memory now and then; says what keeps it from being written.
final class HistoryKeeper {
  let store: HistoryStore
  private let sampler: MemorySampler
  private let path: String
  private var said = HistoryStatus()

  init(_ settings: HistorySettings, table: ProcessTable) {
    store = HistoryStore(settings)
    sampler = MemorySampler(table: table)
    path = settings.path
  }

  /// What is due now.
  func step() {
    store.recorder.sample(clock: { SystemClock.monotonic }, read: sampler.read)
    store.tick()
    say()
  }

  /// How long nothing is due.
  var pauseMilliseconds: Int32 {
    let left = min(store.dueNanoseconds, store.recorder.dueNanoseconds) - SystemClock.monotonic
    return Int32(clamping: max(0, left) / 1_000_000 + 1)
  }

  /// Stores what waits, and gives the sums.
  func close() -> HistoryStatus {
    store.close()
    say()
    return store.status
  }

  private func say() {
    let status = store.status
    if status.failure != said.failure, let failure = status.failure { Diagnostic.say(Wording.sentence(failure)) }
    if status.filesSetAside > said.filesSetAside, let name = status.lastSetAside {
      Diagnostic.say("\(TerminalText.safe(path)) was damaged and is now \(TerminalText.safe(name))")
    }
    said = status
  }
}
