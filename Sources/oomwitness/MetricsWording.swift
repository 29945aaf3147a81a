// SPDX-License-Identifier: Apache-2.0
import Events
import History
import KernelProbe
import Metrics
import Sinks
import Witness

extension Wording {
  static func sentence(_ error: MetricError) -> String {
    switch error {
    case .system(let operation, let place, let number):
      "cannot \(operation.rawValue) \(TerminalText.safe(place)): \(text(number))"
    case .notASocket(let path): "\(TerminalText.safe(path)) is there and no socket: remove it, or listen elsewhere"
    }
  }
}

extension MetricReadings {
  init(_ status: DeliveryStatus, _ kept: HistoryStatus?, _ costs: [ProgramCosts.Cost]?) {
    self.init()
    (linesTaken, linesRefused) = (status.linesTaken, status.linesRefused)
    programs = costs?.map { Program(name: $0.name, runs: $0.runs, runNanoseconds: $0.runNanoseconds) }
    spool = status.spool.map {
      Spool(bytes: $0.bytes, segments: $0.segments, isFailing: $0.failure != nil)
    }
    history = kept.map {
      History(
        bytes: $0.bytes, storedLines: $0.linesStored, droppedLines: $0.linesDropped, filesSetAside: $0.filesSetAside,
        isFailing: $0.failure != nil)
    }
    sinks = status.destinations.map {
      let isUp =
        switch $0.state {
        case .starting, .up: true
        case .down, .ended: false
        }
      return Sink(
        name: $0.name, isUp: isUp, queuedLines: $0.queuedLines, queuedBytes: $0.queuedBytes,
        deliveredLines: $0.deliveredLines, filteredLines: $0.filteredLines, droppedLines: $0.droppedLines,
        failures: $0.failures)
    }
  }
}

extension MetricBooks {
  init(_ balance: LossLedger.Balance) {
    self.init(told: balance.told, lost: balance.lost, growth: balance.growth, difference: balance.difference)
  }
}
