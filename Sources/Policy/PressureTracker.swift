// SPDX-License-Identifier: Apache-2.0
import Events

/// Says when the level of pressure changes: up at once, down only when it has been lower for a while.
///
/// Without that a host at a threshold would be told each second. A state machine: readings in, changes out.
package struct PressureTracker: Sendable {
  /// A change of level.
  package struct Change: Hashable, Sendable {
    package var from: PressureLevel
    package var to: PressureLevel
    package var causes: [PressureCause]
  }

  private let thresholds: PressureThresholds
  package private(set) var level = PressureLevel.normal
  /// The highest level below the present one that readings have kept to, and since when.
  private var falling: (level: PressureLevel, sinceNanoseconds: Int64)?

  package init(_ thresholds: PressureThresholds) { self.thresholds = thresholds }

  /// Takes a reading; `now` is CLOCK_MONOTONIC.
  package mutating func take(_ reading: PressureReading, nowNanoseconds now: Int64) -> Change? {
    let (reached, causes) = thresholds.level(of: reading)
    if reached > level {
      defer { level = reached }
      falling = nil
      return Change(from: level, to: reached, causes: causes)
    }
    let (held, heldCauses) = thresholds.level(of: reading, slackHundredths: thresholds.fallHundredths)
    guard held < level else {
      falling = nil
      return nil
    }
    // The highest since it began to fall is where it falls to.
    let since = falling.map { (max($0.level, held), $0.sinceNanoseconds) } ?? (held, now)
    falling = since
    guard now - since.1 >= thresholds.settleNanoseconds else { return nil }
    defer { level = since.0 }
    falling = nil
    return Change(from: level, to: since.0, causes: since.0 == held ? heldCauses : causes)
  }
}
