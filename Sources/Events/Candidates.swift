// SPDX-License-Identifier: Apache-2.0

/// A process that the kernel looked at on its way to the decision.
package struct Candidate: Hashable, Sendable {
  package var pid: Int32
  package var tid: Int32
  package var comm: KernelName
  package var uid: UInt32?
  package var oomScoreAdj: Int
  package var cgroup: CgroupRef?
  /// Nil where it is not eligible.
  package var points: Pages?
  package var pointsSource: PointsSource?
  /// From 1, by points; among equals the later in the kernel's order first, since the kernel takes that one.
  package var rank: Int?
  package var parts: BadnessParts?
  package var adjPoints: Pages?
  package var skipped: SkipReason?

  package init(pid: Int32, tid: Int32, comm: KernelName, oomScoreAdj: Int) {
    self.pid = pid
    self.tid = tid
    self.comm = comm
    self.oomScoreAdj = oomScoreAdj
  }

  /// What the parts leave unexplained of the kernel's own points; nil where the kernel gave none.
  package var residuePages: Pages? {
    guard pointsSource == .kernel, let points, let parts, let adjPoints else { return nil }
    return points - parts.totalPages - adjPoints
  }
}

/// All that the kernel looked at, and the first of them.
package struct Candidates: Hashable, Sendable {
  /// User processes that the kernel looked at; kernel threads are not among them.
  package var considered: Int
  package var list: [Candidate]
  /// Points between the victim and the best of the others; nil where there was no other.
  package var runnerUpMarginPages: Pages?

  package init(considered: Int, list: [Candidate], runnerUpMarginPages: Pages? = nil) {
    self.considered = considered
    self.list = list
    self.runnerUpMarginPages = runnerUpMarginPages
  }
}

extension Candidates {
  /// By rank, those that were passed over last, no more than `limit`; nil: all.
  package func first(_ limit: Int?) -> Candidates {
    var sorted = self
    sorted.list.sort { ($0.rank ?? .max, $0.pid) < ($1.rank ?? .max, $1.pid) }
    if let limit { sorted.list = Array(sorted.list.prefix(limit)) }
    return sorted
  }
}
