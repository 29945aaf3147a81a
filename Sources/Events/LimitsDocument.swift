// SPDX-License-Identifier: Apache-2.0

/// What `oomwitness limits --output json` prints: all advice, and where its evidence is from.
///
/// Shape: docs/schema/limits.v1.schema.json.
package struct LimitsDocument: Sendable {
  package enum Source: Hashable, Sendable {
    case host(groupsOmitted: Int)
    /// What was read, and what of it could not be taken.
    case kubernetes(pods: Int, otherObjects: Int, dropped: Int, badQuantities: Int)
  }

  private let source: Source
  private let advice: [AdvisedLimit]

  package init(source: Source, advice: [AdvisedLimit]) { (self.source, self.advice) = (source, advice) }

  /// What is to change comes first, of that the most often killed, else as it came.
  package static func sorted(_ advice: [AdvisedLimit]) -> [AdvisedLimit] {
    func rank(_ verdict: AdvisedLimit.Verdict) -> Int {
      switch verdict {
      case .leak: 0
      case .raise: 1
      case .set: 2
      case .lower: 3
      case .keep: 4
      case .unknown: 5
      }
    }
    return advice.enumerated().sorted { one, other in
      let (first, second) = (one.element, other.element)
      return (rank(first.verdict), -first.evidence.kills.number, one.offset)
        < (rank(second.verdict), -second.evidence.kills.number, other.offset)
    }
    .map(\.element)
  }

  package func encode(into json: inout JSONWriter) {
    json.object { json in
      switch source {
      case .host(let omitted):
        json.field("source", "host")
        json.field("groups_omitted", omitted)
      case .kubernetes(let pods, let otherObjects, let dropped, let badQuantities):
        json.field("source", "kubernetes")
        json.field("pods", pods)
        json.field("other_objects", otherObjects)
        json.field("containers_dropped", dropped)
        json.field("bad_quantities", badQuantities)
      }
      json.field("limits") { json in
        json.array { json in
          for advised in advice { advised.encode(into: &json) }
        }
      }
    }
  }
}
