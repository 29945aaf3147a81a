// SPDX-License-Identifier: Apache-2.0
import Events

/// A made-up decision that goes the whole way of a real one, so that all code and data that a kill needs are resident
/// before the first kill: a fault for them would have to be served while the host has no memory.
enum Rehearsal {
  /// Records as the ring would hold them: one scan of two candidates in one cgroup, one kill, its end and its outcome.
  static func records(at moment: Int64) -> [KernelRecord] {
    let comm = Comm(low: 0x61_6568_6572, high: 0)
    let parts = BadnessParts(anonPages: 100, filePages: 10, shmemPages: 1, swapPages: 0, pgtablePages: 3)
    let control = TriggerRecord.OOMControl(scope: .memcg, gfpMask: 0xcc0, order: 0)
    let trigger = TriggerRecord(
      cgroupID: 2, pid: 1, tid: 1, uid: 0, oomScoreAdj: 0, isKernelThread: false, comm: comm, control: control)
    func candidate(_ pid: Int32) -> KernelRecord {
      .candidate(
        CandidateRecord(
          parts: parts, points: 114, cgroupID: 2, pid: pid, tid: pid, uid: 0, oomScoreAdj: 0, comm: comm,
          order: Int(pid) - 1, skipped: nil), decision: 1)
    }
    func level(_ id: UInt64, _ name: String) -> CgroupRecord.Level {
      CgroupRecord.Level(
        id: id, name: KernelName(name), usagePages: 200, limit: .pages(200), swapUsagePages: 0, swapLimit: .unlimited)
    }
    return [
      .decision(
        DecisionRecord(
          decision: 1, monotonicNanoseconds: moment, trigger: trigger, domainPages: 200, chosenPoints: 114,
          limitCgroupID: 2, considered: 2, stored: 2, chosenPID: 1, message: "Memory cgroup out of memory",
          inferred: false, group: false, expectMore: false)),
      candidate(1), candidate(2),
      .cgroup(CgroupRecord(decision: 1, version: 2, levels: [level(2, "rehearsal"), level(1, "")], truncated: false)),
      .argv(ArgvRecord(decision: 1, pid: 1, arguments: [KernelName("rehearsal")])),
      .kill(
        KillRecord(
          decision: 1, monotonicNanoseconds: moment, parts: parts, totalVMPages: 1000, startBootNanoseconds: 0,
          cgroupID: 2, pid: 1, tid: 1, parentPID: 0, uid: 0, threads: 1, oomScoreAdj: 0, comm: comm, parentComm: comm,
          sharesMemory: false, expectMore: false)),
      .decisionEnd(decision: 1, counted: 1, monotonicNanoseconds: moment),
      .outcome(OutcomeRecord(monotonicNanoseconds: moment, pid: 1, tid: 1, stage: .exit)),
      .outcome(OutcomeRecord(monotonicNanoseconds: moment, pid: 1, tid: 1, stage: .memoryFreed)),
    ]
  }
}

extension WitnessLoop {
  /// Takes a made-up kill the whole way; `swallow` gets its events in place of the stream.
  package static func rehearse(host: HostFacts, clock: Clock = Clock(), swallow: (Event, EventTime) -> Void) {
    let moment = clock.monotonic
    var assembler = Assembler(Assembler.Configuration(source: .fentry, pageSizeBytes: 4096))
    var actions: [Assembler.Action] = []
    for record in Rehearsal.records(at: moment) { assembler.receive(record, actions: &actions) }
    for action in actions {
      switch action {
      case .tell(var kill, let moment, let start):
        host.complete(&kill, startBootNanoseconds: start)
        swallow(.oomKill(kill), clock.time(monotonic: moment))
      case .tellOutcome(let outcome, let moment): swallow(.oomOutcome(outcome), clock.time(monotonic: moment))
      case .tellLogged, .tellNoKill, .tellGuard, .lose: break
      }
    }
  }
}
