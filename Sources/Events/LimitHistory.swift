// SPDX-License-Identifier: Apache-2.0

/// One cgroup's limit, and what was killed at it.
package struct LimitHistory: Hashable, Sendable {
  /// Names of victims that are kept apart.
  package static let namesMax = 16

  package struct Key: Hashable, Sendable {
    package var host: KernelName?
    /// Whose limit it is.
    package var place: KillPlace
  }

  package private(set) var tally = KillTally()
  /// The path that the last kill told.
  package private(set) var path: KernelName?
  package private(set) var leastPages: Pages?
  package private(set) var mostPages: Pages?
  /// Of the latest kill whose time is known, else of the one that came last.
  package private(set) var lastPages: Pages?
  private var lastWallNanoseconds: Int64?
  /// Names beyond `namesMax` are not among them.
  package private(set) var victims: [KernelName: Int] = [:]
  /// Decisions by which others of a group died with the chosen one, and how many died so.
  package private(set) var groupDecisions = 0
  package private(set) var groupKills = 0
  /// Swap may be used beside it: nil where no kill told.
  package private(set) var swapLimit: Limit?
  /// 1 or 2.
  package private(set) var cgroupVersion: Int?

  package init() {}

  mutating func add(_ kill: OOMKill, wallNanoseconds: Int64?) {
    tally.add(decision: kill.decision.id, wallNanoseconds: wallNanoseconds)
    if kill.victim.role == .group { groupKills += 1 }
    if kill.decision.path == .memcgGroup, kill.decision.index == 1 { groupDecisions += 1 }
    path = kill.limit?.cgroup?.path ?? path
    swapLimit = kill.limit?.swapLimit ?? swapLimit
    cgroupVersion = kill.limit?.cgroup?.version ?? cgroupVersion
    if victims[kill.victim.comm] != nil || victims.count < LimitHistory.namesMax {
      victims[kill.victim.comm, default: 0] += 1
    }
    guard let pages = kill.limit?.limit?.pages else { return }
    leastPages = min(leastPages ?? pages, pages)
    mostPages = max(mostPages ?? pages, pages)
    let isLatest = wallNanoseconds.map { $0 >= lastWallNanoseconds ?? .min } ?? (lastWallNanoseconds == nil)
    if isLatest {
      lastPages = pages
      lastWallNanoseconds = wallNanoseconds
    }
  }
}

/// What a report says of its kill beside the victim: each is counted, and told with the numbers of the last one.
package enum KillCondition: String, CaseIterable, Sendable {
  /// An allocation of more than one page in a row.
  case higherOrder = "higher_order"
  /// Such a one, while single pages were there: free pages of a zone, of its minimum and what it keeps for others.
  case fragmented
  /// All but a twentieth of swap was in use: free pages, of all of swap.
  case swapExhausted = "swap_exhausted"
  /// The host has none: 0, of its memory.
  case withoutSwap = "without_swap"
  /// The kernel's own objects that it cannot give back took a quarter or more: their pages, of the host's memory.
  case kernelObjects = "kernel_objects"
  /// Shared memory and tmpfs took a quarter or more: their pages, of the host's memory.
  case sharedMemory = "shared_memory"
  /// The victim had been promised more than memory and swap together: its virtual pages, of these.
  case overpromised
  /// vm.oom_kill_allocating_task chose.
  case allocatingTask = "allocating_task"
  /// memory.oom.group was set: how many died by the decision.
  case group

  package struct Key: Hashable, Sendable {
    package var host: KernelName?
    package var condition: KillCondition
  }

  /// How often, and the numbers of the last one.
  package struct Sum: Hashable, Sendable {
    package var tally = KillTally()
    package var pages: Pages?
    package var ofPages: Pages?
    /// The victim of the last one.
    package var victim: KernelName?
    /// Of `higherOrder` and `fragmented`: the largest.
    package var order: Int?
  }

  /// All that hold of a kill. Those of the host's memory are not asked of a memory cgroup's kill.
  static func all(of kill: OOMKill) -> [(KillCondition, pages: Pages?, ofPages: Pages?)] {
    var found: [(KillCondition, pages: Pages?, ofPages: Pages?)] = []
    if kill.decision.path == .allocatingTask { found.append((.allocatingTask, nil, nil)) }
    if kill.decision.path == .memcgGroup, kill.decision.index == 1 {
      found.append((.group, kill.decision.kills.map(Pages.init), nil))
    }
    guard kill.scope != .memcg, kill.decision.path != .sysrq else { return found }
    let order = kill.trigger?.order ?? 0
    if order > 0 { found.append((.higherOrder, nil, nil)) }
    guard let memory = kill.memory else { return found }
    if order > 0, let zone = memory.zones.first(where: \.hasFreePages) {
      found.append((.fragmented, zone.freePages, zone.neededPages))
    }
    if let total = memory.swapTotalPages, let free = memory.swapFreePages, total > 0, free * 20 < total {
      found.append((.swapExhausted, free, total))
    }
    guard let total = memory.totalPages else { return found }
    if memory.swapTotalPages == 0 { found.append((.withoutSwap, 0, total)) }
    if let slab = memory.slabUnreclaimablePages, slab * 4 >= total { found.append((.kernelObjects, slab, total)) }
    if let shmem = memory.shmemPages, shmem * 4 >= total { found.append((.sharedMemory, shmem, total)) }
    if let swap = memory.swapTotalPages, let promised = kill.victim.totalVMPages, promised > total + swap {
      found.append((.overpromised, promised, total + swap))
    }
    return found
  }
}
