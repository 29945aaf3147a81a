// SPDX-License-Identifier: Apache-2.0

/// One process in a ranking: a candidate as in an event, with what people know it by.
///
/// Shape: docs/schema/oomwitness.v1.schema.json, `candidate`, and beside its fields those below.
package struct ScoreRow: Hashable, Sendable {
  package var candidate: Candidate
  /// What /proc/PID/oom_score shows, on its own scale of 0 to 2000, always of the whole system; nil where it is gone.
  package var procOOMScore: Int?
  package var user: String?

  package init(candidate: Candidate) { self.candidate = candidate }

  package func encode(into json: inout JSONWriter) {
    json.object {
      candidate.encodeFields(into: &$0)
      $0.field("proc_oom_score", procOOMScore)
      $0.field("user", user)
    }
  }
}
