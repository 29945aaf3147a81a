// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// One whose memory is watched: the system, or a control group; with its level, its trend and when to look next.
final class PressureTarget {
  /// A change that is told a moment later, so that it can be said who grows.
  struct Pending {
    var change: PressureTracker.Change
    var dueNanoseconds: Int64
  }

  /// After the kernel woke us for stall it is looked at each second for so long: the averages follow slowly.
  private static let alertNanoseconds: Int64 = 10_000_000_000

  /// From the root of the hierarchy; nil: the system.
  let path: KernelName?
  private(set) var tracker: PressureTracker
  private(set) var trend = MemoryTrend()
  private(set) var reading: PressureReading?
  private(set) var dueNanoseconds: Int64 = 0
  var pending: Pending?
  /// It was there, and is not; told once.
  var isGone = false
  private var timer: PressureTimer
  private var triggers: [StallTrigger]
  private var alertUntilNanoseconds: Int64 = 0

  init(path: KernelName?, thresholds: PressureThresholds, triggers: [StallTrigger]) {
    self.path = path
    self.triggers = triggers
    tracker = PressureTracker(thresholds)
    timer = PressureTimer(thresholds, isWoken: !triggers.isEmpty)
  }

  var isWoken: Bool { !triggers.isEmpty }

  /// For a poll(2), with POLLPRI.
  var polls: [pollfd] { triggers.map { pollfd(fd: $0.descriptor, events: Int16(POLLPRI), revents: 0) } }

  /// What the poll said of them: it is looked at at once where tasks stood still.
  func take(_ polled: ArraySlice<pollfd>, nowNanoseconds now: Int64) {
    for entry in polled where entry.revents != 0 {
      switch PressureTrigger.signal(pollEvents: entry.revents) {
      case .stalled:
        dueNanoseconds = now
        alertUntilNanoseconds = now + PressureTarget.alertNanoseconds
      case .withdrawn: triggers.removeAll { $0.descriptor == entry.fd }
      case .quiet: break
      }
    }
  }

  /// A reading, and the change of level that it makes.
  func take(_ reading: PressureReading, nowNanoseconds now: Int64) -> PressureTracker.Change? {
    self.reading = reading
    trend.add(reading.availablePages + (reading.swapFreePages ?? 0), atNanoseconds: now)
    let change = tracker.take(reading, nowNanoseconds: now)
    let sleep = timer.sleepNanoseconds(after: reading, level: tracker.level, nowNanoseconds: now)
    dueNanoseconds = now + (now < alertUntilNanoseconds ? min(sleep, PressureTimer.leastNanoseconds) : sleep)
    return change
  }

  /// Nothing could be read: it is looked for again.
  func retry(nowNanoseconds now: Int64) {
    reading = nil
    dueNanoseconds = now + PressureTimer.mostNanoseconds
  }
}

/// A trigger of the kernel's in a class, so that several can be held together.
final class StallTrigger {
  private let trigger: PressureTrigger
  var descriptor: Int32 { trigger.descriptor }

  private init(_ trigger: consuming PressureTrigger) { self.trigger = trigger }

  /// One for each kind of stall, at its lowest threshold; none where the kernel has or allows none.
  ///
  /// Source: Documentation/accounting/psi.rst: the share is of a window, which without CAP_SYS_RESOURCE is a multiple of 2 s.
  static func all(_ file: String, _ thresholds: PressureThresholds) -> [StallTrigger] {
    let windowMicroseconds: Int64 = 2_000_000
    let wishes: [(PressureTrigger.Kind, PressureThresholds.Steps)] = [
      (.some, thresholds.stallSome), (.full, thresholds.stallFull),
    ]
    return wishes.compactMap { kind, steps in
      let stall = UInt32(max(1, steps.lowHundredths * windowMicroseconds / 10_000))
      do throws(HostError) {
        return StallTrigger(
          try PressureTrigger(
            path: file, kind: kind, stallMicroseconds: stall, windowMicroseconds: UInt32(windowMicroseconds)))
      } catch {
        return nil
      }
    }
  }
}
