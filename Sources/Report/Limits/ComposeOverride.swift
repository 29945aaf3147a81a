// SPDX-License-Identifier: Apache-2.0
import Events

/// An override file for each Compose project: the limits of its services.
///
/// Source: the Compose specification, "Services top-level elements": mem_limit, mem_reservation, memswap_limit (memory and
/// swap together, -1 for no limit), oom_score_adj; "Merge".
package enum ComposeOverride {
  package static func files(_ all: [AdvisedLimit]) -> LimitManifest.Set {
    var set = LimitManifest.Set()
    var order: [String] = []
    var members: [String: [(service: String, advised: AdvisedLimit)]] = [:]
    for advised in all {
      let subject = advised.evidence.subject
      guard LimitManifest.changes(advised) else {
        set.unchanged += 1
        continue
      }
      guard let container = subject.owner?.container, subject.owner?.pod?.pod == nil else {
        let reason = subject.owner?.pod == nil ? "it is no container" : "it is a pod's: --write kubernetes"
        set.left.append(.init(name: subject.name, reason: reason))
        continue
      }
      let service = container.composeService ?? container.name
      guard let service, !service.isEmpty else {
        set.left.append(.init(name: subject.name, reason: "neither its Compose service nor its name is known"))
        continue
      }
      let project = container.composeService == nil ? "" : container.composeProject ?? ""
      if members[project] == nil { order.append(project) }
      // Containers of one service are its replicas: the highest limit is for all of them.
      if let place = members[project]?.firstIndex(where: { $0.service == service }) {
        if advised.limitBytes! > members[project]![place].advised.limitBytes! {
          members[project]![place].advised = advised
        }
      } else {
        members[project, default: []].append((service, advised))
      }
    }
    set.files = LimitManifest.distinct(order.map { file(project: $0, members[$0]!) })
    return set
  }

  private static func file(project: String, _ members: [(service: String, advised: AdvisedLimit)]) -> LimitManifest {
    let fileName = project.isEmpty ? "compose.override.yaml" : LimitManifest.fileName(project) + ".override.yaml"
    let command: @Sendable (String) -> [String] = { ["docker compose -f compose.yaml -f \($0) up --detach"] }
    var lines = ["# Written by `oomwitness limits --write compose`; where compose.yaml is, it takes effect by:"]
    lines += command(fileName).map { "# \(YAMLText.comment($0))" }
    if !project.isEmpty { lines.append("# Project: \(YAMLText.comment(project))") }
    lines.append("services:")
    for (service, advised) in members {
      lines += LimitManifest.comments(advised, indent: "  ")
      if advised.evidence.subject.owner?.container?.composeService == nil {
        lines.append(
          "  # It has no label of Compose: the service is called as the container, and may have another name.")
      }
      lines.append("  \(YAMLText.quoted(service)):")
      lines += settings(advised).map { "    " + $0 }
    }
    return LimitManifest(fileName: fileName, text: lines.map { $0 + "\n" }.joined(), apply: command)
  }

  private static func settings(_ advised: AdvisedLimit) -> [String] {
    let limit = advised.limitBytes!
    var lines = ["mem_limit: \(YAMLText.quoted(SizeText.compose(limit)))"]
    if let request = advised.requestBytes {
      lines.append("mem_reservation: \(YAMLText.quoted(SizeText.compose(request)))")
    }
    switch advised.evidence.swapLimitBytes {
    case .unlimited?: lines.append("memswap_limit: -1")
    case .bytes(let swap)?:
      let (both, overflow) = limit.addingReportingOverflow(max(0, swap))
      lines.append("memswap_limit: \(YAMLText.quoted(SizeText.compose(overflow ? limit : both)))")
    case nil: lines.append("memswap_limit: \(YAMLText.quoted(SizeText.compose(limit)))")
    }
    if let adj = advised.oomScoreAdj { lines.append("oom_score_adj: \(adj)") }
    return lines
  }
}
