// SPDX-License-Identifier: Apache-2.0
import Events

/// One destination and its place in the lines.
final class DeliverySlot {
  /// Batches that are handed over before others have their turn.
  private static let turnsMax = 8

  let settings: DestinationSettings
  let destination: Destination
  private var filter: LineFilter
  private var reader: SpoolReader?
  /// Lines that passed the filter and found no room yet.
  private var waiting: ArraySlice<DeliveredLine> = []
  /// Lines up to this number were taken, kept out or lost, but for those that wait.
  private var offered: UInt64
  /// As the destination said last.
  private var taken: UInt64
  /// Losses and what was kept out are counted up to this number: a line may come by again.
  private var counted: UInt64
  private(set) var filteredLines: Int64 = 0
  private(set) var lostLines: Int64 = 0
  private var refusedTold: Int64 = 0
  private var isEndTold = false

  init(_ settings: DestinationSettings, _ destination: Destination, after number: UInt64) {
    self.settings = settings
    self.destination = destination
    filter = LineFilter(settings.filter)
    offered = number
    taken = number
    counted = number
    destination.begin(after: number)
  }

  /// Everything up to this number is done with.
  var place: UInt64 {
    // Not delivered, or lost again and not yet handed over anew.
    if destination.delivered < max(destination.taken, taken) { return destination.delivered }
    return waiting.first.map { $0.number - 1 } ?? offered
  }

  /// Hands lines over.
  ///
  /// - Parameter lose: is told of lines that were lost, and why.
  /// - Returns: whether there is more to do at once.
  func feed(_ store: LineStore, nowNanoseconds now: Int64, lose: (DeliveryLoss.Reason, Int64) -> Void) -> Bool {
    if destination.taken < taken {
      offered = destination.taken
      waiting = []
    }
    taken = destination.taken
    var turns = DeliverySlot.turnsMax
    while turns > 0, destination.hasRoom {
      turns -= 1
      if waiting.isEmpty {
        guard offered < store.last else { return false }
        fill(store, lose)
        if waiting.isEmpty { continue }
      }
      let count = destination.take(waiting, nowNanoseconds: now)
      waiting = waiting.dropFirst(count)
      if destination.taken < taken { return true }
      taken = destination.taken
      if count == 0 { return false }
    }
    return destination.hasRoom && (!waiting.isEmpty || offered < store.last)
  }

  private func fill(_ store: LineStore, _ lose: (DeliveryLoss.Reason, Int64) -> Void) {
    let lines = store.lines(after: offered, &reader)
    guard let last = lines.last else {
      miss(through: store.firstLeft(after: offered) - 1, store, lose)
      return
    }
    var passed: [DeliveredLine] = []
    for line in lines {
      if line.number > offered + 1 { miss(through: line.number - 1, store, lose) }
      offered = line.number
      if filter.passes(line) { passed.append(line) } else if line.number > counted { filteredLines += 1 }
      counted = max(counted, line.number)
    }
    offered = last.number
    waiting = passed[...]
  }

  private func miss(through number: UInt64, _ store: LineStore, _ lose: (DeliveryLoss.Reason, Int64) -> Void) {
    let first = max(offered, counted) + 1
    if number >= first {
      let dropped = min(number, store.droppedThrough)
      let full = dropped >= first ? Int64(dropped - first + 1) : 0
      let damaged = Int64(number - first + 1) - full
      if full > 0 { lose(.full, full) }
      if damaged > 0 { lose(.damaged, damaged) }
      lostLines += full + damaged
    }
    offered = max(offered, number)
    counted = max(counted, number)
  }

  /// At the end: all is handed over, or cannot be, and nothing is on its way.
  func isDone(_ store: LineStore) -> Bool {
    if destination.isBusy { return false }
    if isFed(store) { return true }
    switch destination.state {
    case .up, .starting: return false
    case .down, .ended: return true
    }
  }

  /// Whether nothing is left to hand over.
  func isFed(_ store: LineStore) -> Bool { waiting.isEmpty && offered >= store.last && destination.taken >= taken }

  /// What the receiver refused since this was asked last. Of one that has ended it is told once.
  func takeRefused() -> (reason: DeliveryLoss.Reason, lines: Int64)? {
    let counters = destination.counters
    let lines = counters.refusedLines - counters.refusedLosses - refusedTold
    guard lines > 0, let refusal = counters.refusal, !isEndTold else { return nil }
    refusedTold += lines
    if case .ended = destination.state {
      isEndTold = true
      return (.ended, lines)
    }
    return (.refused(refusal), lines)
  }

  func status(_ store: LineStore) -> DeliveryStatus.Destination {
    let counters = destination.counters
    let place = place
    return DeliveryStatus.Destination(
      name: settings.name, state: destination.state, queuedLines: Int64(store.last - min(place, store.last)),
      queuedBytes: store.bytes(after: place), deliveredLines: counters.deliveredLines, filteredLines: filteredLines,
      droppedLines: lostLines + counters.refusedLines, failures: counters.failures)
  }
}
