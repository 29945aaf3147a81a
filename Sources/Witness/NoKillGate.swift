// SPDX-License-Identifier: Apache-2.0

import Events

/// Holds back what the kernel repeats: a memcg whose only task may not be killed is out of memory every few milliseconds.
///
/// Kernel: mm/memcontrol.c, try_charge_memcg() goes on while mem_cgroup_oom() finds nobody.
struct NoKillGate: Sendable {
  /// One of a kind is told in this time.
  static let gapNanoseconds: Int64 = 1_000_000_000
  /// Kinds that are told apart at once.
  static let kindsMax = 64

  private struct Kind: Hashable {
    var reason: OOMNoKill.Reason
    var triggerPID: Int32?
    var pid: Int32?
    var cgroup: CgroupRef?
  }

  private struct Told {
    var at: Int64
    var held = 0
  }

  private var told: [Kind: Told] = [:]

  /// The event, with how many like it were held back before; nil where it is held back itself.
  mutating func pass(_ noKill: OOMNoKill, at moment: Int64) -> OOMNoKill? {
    let kind = Kind(
      reason: noKill.reason, triggerPID: noKill.trigger?.pid, pid: noKill.pid, cgroup: noKill.limit?.cgroup)
    if var last = told[kind], moment - last.at < NoKillGate.gapNanoseconds {
      last.held += 1
      told[kind] = last
      return nil
    }
    var passing = noKill
    if let held = told[kind]?.held, held > 0 { passing.repeated = held }
    if told.count >= NoKillGate.kindsMax { told = told.filter { moment - $0.value.at < NoKillGate.gapNanoseconds } }
    if told.count >= NoKillGate.kindsMax { told.removeAll(keepingCapacity: true) }
    told[kind] = Told(at: moment)
    return passing
  }
}
