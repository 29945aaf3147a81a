// SPDX-License-Identifier: Apache-2.0
import Events

/// Every field of a record as text, so that a test compares all of them at once.
func text(_ record: KernelRecord) -> String {
  switch record {
  case .decision(let d):
    "decision \(d.decision) at \(d.monotonicNanoseconds) by \(text(d.trigger)) domain \(text(d.domainPages)) "
      + "points \(text(d.chosenPoints)) limit \(text(d.limitCgroupID)) \(d.stored)/\(d.considered) chosen \(d.chosenPID) "
      + "message \(text(d.message)) \(d.inferred) \(d.group) \(d.expectMore)"
  case .candidate(let c, let decision):
    "candidate of \(decision), \(c.order): \(c.pid)/\(c.tid) \(c.comm.name.text) uid \(c.uid) adj \(c.oomScoreAdj) in \(c.cgroupID) "
      + "parts \(text(c.parts)) points \(text(c.points)) skipped \(text(c.skipped?.rawValue))"
  case .cgroup(let c):
    "cgroup of \(c.decision): v\(c.version) \(c.truncated) "
      + c.levels.indices.map { index in
        let level = c.levels[index]
        return "\(level.id)=\(text(c.path(of: index)?.text)) \(level.usagePages)/\(text(level.limit.pages)) "
          + "\(level.swapUsagePages)/\(text(level.swapLimit.pages))"
      }.joined(separator: ", ")
  case .argv(let a): "argv of \(a.decision): \(a.pid) \(a.arguments.map(\.text))"
  case .kill(let k):
    "kill of \(k.decision) at \(k.monotonicNanoseconds): \(k.pid)/\(k.tid) child of \(k.parentPID) \(k.parentComm.name.text) "
      + "\(k.comm.name.text) uid \(k.uid) adj \(k.oomScoreAdj) threads \(k.threads) vm \(k.totalVMPages) "
      + "start \(k.startBootNanoseconds) in \(k.cgroupID) parts \(text(k.parts)) \(k.sharesMemory) \(k.expectMore)"
  case .decisionEnd(let decision, let counted, let time): "end of \(decision) at \(time): \(counted)"
  case .noKill(let n):
    "no kill at \(n.monotonicNanoseconds) by \(text(n.trigger)): \(n.reason.rawValue) \(n.considered) "
      + "\(text(n.pid))/\(text(n.tid)) '\(n.comm.name.text)' domain \(text(n.domainPages)) limit \(text(n.limitCgroupID))"
  case .guardSignal(let g):
    "guard at \(g.monotonicNanoseconds): \(g.senderComm.name.text) \(g.senderPID) sent \(g.signal.rawValue) to "
      + "\(g.comm.name.text) \(g.pid)"
  case .outcome(let o): "outcome at \(o.monotonicNanoseconds): \(text(o.pid))/\(o.tid) \(o.stage)"
  }
}

private func text<Value>(_ value: Value?) -> String { value.map { "\($0)" } ?? "-" }

private func text(_ p: BadnessParts) -> String {
  "\(p.anonPages) \(p.filePages) \(p.shmemPages) \(p.swapPages) \(p.pgtablePages)"
}

private func text(_ t: TriggerRecord) -> String {
  let control = t.control.map { "\($0.scope.rawValue) \($0.gfpMask) \($0.order)" } ?? "unseen"
  return
    "\(t.pid)/\(t.tid) \(t.comm.name.text) uid \(t.uid) adj \(t.oomScoreAdj) in \(t.cgroupID) \(t.isKernelThread) \(control)"
}
