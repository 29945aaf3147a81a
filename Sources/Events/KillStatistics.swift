// SPDX-License-Identifier: Apache-2.0

/// What many kills have in common: counted by victim, cgroup, host and day.
///
/// A pure sum over `oom_kill` events, with bounded memory: of each kind so many names are kept, the rest is counted as one.
package struct KillStatistics: Hashable, Sendable {
  /// Names of each kind that are kept apart.
  package static let namesMax = 4096

  /// One victim's name over time.
  package struct Victim: Hashable, Sendable {
    package var kills = 0
    /// Resident pages of the first and of the last that were told, and the most.
    package var firstPages: Pages?
    package var lastPages: Pages?
    package var mostPages: Pages?
  }

  package private(set) var kills = 0
  package private(set) var byScope: [Scope: Int] = [:]
  package private(set) var scopeUnknown = 0
  package private(set) var victims: [KernelName: Victim] = [:]
  /// By the group whose limit was hit, else by the victim's.
  package private(set) var byCgroup: [KernelName: Int] = [:]
  package private(set) var byHost: [KernelName: Int] = [:]
  /// Days since 1970, UTC.
  package private(set) var byDay: [Int64: Int] = [:]
  /// Kills of which the log has no wall-clock time.
  package private(set) var withoutTime = 0
  package private(set) var firstWallNanoseconds: Int64?
  package private(set) var lastWallNanoseconds: Int64?
  /// Allocations of more than one page in a row.
  package private(set) var higherOrder = 0
  /// Kills of the whole system with all swap in use.
  package private(set) var swapExhausted = 0
  /// Names beyond `namesMax`, each kill of theirs.
  package private(set) var kindsDropped = 0

  package init() {}

  /// Counts one kill; a sharer of a victim's memory is none of the kernel's own.
  package mutating func add(_ kill: OOMKill, host: KernelName?, wallNanoseconds: Int64?) {
    guard kill.victim.role != .sharesMemory else { return }
    kills += 1
    if let scope = kill.scope { byScope[scope, default: 0] += 1 } else { scopeUnknown += 1 }
    addVictim(kill)
    if let path = kill.limit?.cgroup?.path ?? kill.victim.cgroup?.path { count(\.byCgroup, path) }
    if let host { count(\.byHost, host) }
    if let order = kill.trigger?.order, order > 0 { higherOrder += 1 }
    if kill.scope != .memcg, let memory = kill.memory, let total = memory.swapTotalPages, total > 0,
      let free = memory.swapFreePages, free * 20 < total
    {
      swapExhausted += 1
    }
    guard let wallNanoseconds else {
      withoutTime += 1
      return
    }
    firstWallNanoseconds = min(firstWallNanoseconds ?? wallNanoseconds, wallNanoseconds)
    lastWallNanoseconds = max(lastWallNanoseconds ?? wallNanoseconds, wallNanoseconds)
    byDay[wallNanoseconds / 86_400_000_000_000, default: 0] += 1
  }

  private mutating func addVictim(_ kill: OOMKill) {
    let name = kill.victim.comm
    guard victims[name] != nil || victims.count < KillStatistics.namesMax else {
      kindsDropped += 1
      return
    }
    var victim = victims[name] ?? Victim()
    victim.kills += 1
    if let pages = kill.badness?.parts.residentPages {
      if victim.firstPages == nil { victim.firstPages = pages }
      victim.lastPages = pages
      victim.mostPages = max(victim.mostPages ?? pages, pages)
    }
    victims[name] = victim
  }

  private mutating func count(_ table: WritableKeyPath<KillStatistics, [KernelName: Int]>, _ name: KernelName) {
    guard self[keyPath: table][name] != nil || self[keyPath: table].count < KillStatistics.namesMax else {
      kindsDropped += 1
      return
    }
    self[keyPath: table][name, default: 0] += 1
  }
}
