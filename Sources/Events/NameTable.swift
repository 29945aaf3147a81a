// SPDX-License-Identifier: Apache-2.0

/// Sums by name, of no more names than `namesMax`: what comes for further ones is counted and dropped.
///
/// Names of a log are anybody's: without a bound a hostile log would fill our memory.
package struct NameTable<Name: Hashable & Sendable, Sum: Sendable>: Sendable {
  package private(set) var sums: [Name: Sum] = [:]
  /// Kills of names beyond the bound.
  package private(set) var dropped = 0
  private let namesMax: Int

  init(namesMax: Int = KillStatistics.namesMax) { self.namesMax = namesMax }

  package var isEmpty: Bool { sums.isEmpty }
  package var count: Int { sums.count }
  package subscript(_ name: Name) -> Sum? { sums[name] }

  /// Changes the sum of a name, which is `new` where it is not there yet.
  mutating func update(_ name: Name, new: @autoclosure () -> Sum, _ change: (inout Sum) -> Void) {
    guard sums[name] != nil || sums.count < namesMax else {
      dropped += 1
      return
    }
    change(&sums[name, default: new()])
  }
}

/// How many kills, and which: the first and the last of them.
package struct KillTally: Hashable, Sendable {
  package private(set) var kills = 0
  /// Calls of the kernel for these kills; one may end several processes, whose kills come one after another.
  package private(set) var decisions = 0
  private var addedDecision: UInt64?
  /// Of the kills whose time is known.
  package private(set) var firstWallNanoseconds: Int64?
  package private(set) var lastWallNanoseconds: Int64?
  /// `decision.id` of the lowest and of the highest, so that they are found among the events without times too.
  package private(set) var firstDecision: UInt64?
  package private(set) var lastDecision: UInt64?

  package init() {}

  package mutating func add(decision: UInt64, wallNanoseconds: Int64?) {
    kills += 1
    if addedDecision != decision { decisions += 1 }
    addedDecision = decision
    firstDecision = min(firstDecision ?? decision, decision)
    lastDecision = max(lastDecision ?? decision, decision)
    guard let wallNanoseconds else { return }
    firstWallNanoseconds = min(firstWallNanoseconds ?? wallNanoseconds, wallNanoseconds)
    lastWallNanoseconds = max(lastWallNanoseconds ?? wallNanoseconds, wallNanoseconds)
  }
}

extension NameTable where Sum == KillTally {
  mutating func add(_ name: Name, decision: UInt64, wallNanoseconds: Int64?) {
    update(name, new: KillTally()) { $0.add(decision: decision, wallNanoseconds: wallNanoseconds) }
  }

  /// The most kills first; among equals by `text`.
  package func ranked(by text: (Name) -> String) -> [(name: Name, tally: KillTally)] {
    sums.map { (name: $0.key, tally: $0.value, text: text($0.key)) }
      .sorted { ($1.tally.kills, $0.text) < ($0.tally.kills, $1.text) }
      .map { (name: $0.name, tally: $0.tally) }
  }
}

extension NameTable where Name == KernelName, Sum == KillTally {
  package var ranked: [(name: KernelName, tally: KillTally)] { ranked(by: \.text) }
}
