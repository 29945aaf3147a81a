// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What all destinations have: where they are, how they fare, and when they try again.
class LineDestination: Destination {
  private(set) var taken: UInt64 = 0
  private(set) var delivered: UInt64 = 0
  private(set) var state = DestinationState.starting
  private(set) var counters = DestinationCounters()
  private var backOff = BackOff()
  /// Nothing is tried before.
  private(set) var retryNanoseconds: Int64 = 0
  /// Lines that were taken and have not arrived, by their numbers.
  private var pending: [UInt64] = []

  final var pendingLines: Int { pending.count }
  var polls: [pollfd] { [] }
  var dueNanoseconds: Int64? { nil }
  var hasRoom: Bool { false }
  var isBusy: Bool { state == .up && delivered < taken }

  func take(_ lines: ArraySlice<DeliveredLine>, nowNanoseconds: Int64) -> Int { 0 }
  func step(nowNanoseconds: Int64) {}
  func sync() {}
  func reopen() {}
  func close(nowNanoseconds: Int64) {}

  final func begin(after number: UInt64) {
    taken = number
    delivered = number
  }

  /// A line is held, or on its way.
  final func took(_ line: DeliveredLine) {
    taken = line.number
    pending.append(line.number)
  }

  /// With the lines that were taken all up to this number are done with: others were not meant for it.
  final func reach(_ number: UInt64) { taken = max(taken, number) }

  /// Nothing up to this number is meant for it, and nothing is on its way.
  final func skip(through number: UInt64) {
    taken = number
    delivered = number
  }

  /// All taken lines up to this number have arrived.
  final func arrived(through number: UInt64) {
    let count = pending.prefix { $0 <= number }.count
    pending.removeFirst(count)
    counters.deliveredLines += Int64(count)
    delivered = max(delivered, min(number, taken))
  }

  /// The receiver will never have this line.
  final func refused(_ line: DeliveredLine, _ failure: DestinationFailure) {
    counters.refusedLines += 1
    if line.facts.type == "loss" { counters.refusedLosses += 1 }
    counters.refusal = failure
    pending.removeAll { $0 == line.number }
    taken = max(taken, line.number)
    if pending.first.map({ $0 > line.number }) ?? true { delivered = max(delivered, line.number) }
  }

  /// The receiver refused so many of those that it was sent, and does not say which.
  final func refuse(lines: Int64, _ failure: DestinationFailure) {
    counters.refusedLines += lines
    counters.deliveredLines -= lines
    counters.refusal = failure
  }

  /// It works.
  final func succeed() {
    state = .up
    backOff.reset()
    retryNanoseconds = 0
  }

  /// It does not work: what has not arrived is to be handed over again, later each time.
  ///
  /// - Parameter after: at least so many nanoseconds, where the receiver asks for it.
  final func fail(_ failure: DestinationFailure, nowNanoseconds now: Int64, after least: Int64 = 0) {
    counters.failures += 1
    if case .down(let since, _) = state {
      state = .down(sinceNanoseconds: since, failure)
    } else {
      state = .down(sinceNanoseconds: now, failure)
    }
    retryNanoseconds = now + max(backOff.next(), least)
    forget()
  }

  /// What has not arrived is to be handed over again.
  final func forget() {
    taken = delivered
    pending = []
  }

  /// Nothing will ever work again.
  final func end(_ failure: DestinationFailure) {
    state = .ended(failure)
    forget()
  }
}
