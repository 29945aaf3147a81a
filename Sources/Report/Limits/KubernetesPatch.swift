// SPDX-License-Identifier: Apache-2.0
import Events

/// A strategic-merge patch for each workload: its containers, by name, with requests and limits.
///
/// Each is an object with its kind and name too, so that `kubectl apply --server-side` takes it as well. Source: Kubernetes,
/// "Update API Objects in Place Using kubectl patch"; apps/v1 and batch/v1.
package enum KubernetesPatch {
  private static let apiVersions: [WorkloadRef.Kind: String] = [
    .deployment: "apps/v1", .statefulSet: "apps/v1", .daemonSet: "apps/v1", .replicaSet: "apps/v1",
    .replicationController: "v1", .cronJob: "batch/v1",
  ]

  /// - Parameter quoted: a word as a shell takes it; nil where nobody should paste it.
  package static func files(_ all: [AdvisedLimit], quoted: (String) -> String?) -> LimitManifest.Set {
    var set = LimitManifest.Set()
    var order: [WorkloadRef] = []
    var members: [WorkloadRef: [(WorkloadRef, AdvisedLimit)]] = [:]
    for advised in all {
      guard LimitManifest.changes(advised) else {
        set.unchanged += 1
        continue
      }
      guard let reference = reference(advised.evidence.subject) else {
        set.left.append(
          .init(name: advised.evidence.subject.name, reason: "it is no container of a workload that is known"))
        continue
      }
      guard apiVersions[reference.kind] != nil else {
        set.left.append(.init(name: advised.evidence.subject.name, reason: refusal(reference.kind)))
        continue
      }
      var workload = reference
      (workload.container, workload.isInit) = ("", false)
      if members[workload] == nil { order.append(workload) }
      members[workload, default: []].append((reference, advised))
    }
    set.files = LimitManifest.distinct(order.map { file($0, members[$0]!, quoted) })
    return set
  }

  /// Of a pod on this host only its name is known, and that tells two kinds of workload.
  private static func reference(_ subject: LimitSubject) -> WorkloadRef? {
    if case .workload(let workload) = subject { return workload }
    guard let pod = subject.owner?.pod, let name = pod.pod, let container = pod.container,
      let namespace = pod.namespace, let (kind, workload) = workload(ofPod: name)
    else { return nil }
    return WorkloadRef(namespace: namespace, kind: kind, name: workload, container: container, isInit: false)
  }

  /// `cart-5d4f8c7b9d-x2x5z` is of the Deployment cart, `db-0` of the StatefulSet db.
  ///
  /// Source: Kubernetes, k8s.io/apimachinery/pkg/util/rand, SafeEncodeString(): letters and digits that make no words.
  private static func workload(ofPod name: String) -> (WorkloadRef.Kind, String)? {
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    func isSafe(_ part: Substring) -> Bool { part.allSatisfy { "bcdfghjklmnpqrstvwxz2456789".contains($0) } }
    if parts.count > 2, parts[parts.count - 1].count == 5, (6...10).contains(parts[parts.count - 2].count),
      isSafe(parts[parts.count - 1]), isSafe(parts[parts.count - 2])
    {
      return (.deployment, parts.dropLast(2).joined(separator: "-"))
    }
    if parts.count > 1, let last = parts.last, (1...4).contains(last.count),
      last.allSatisfy({ $0.isASCII && $0.isNumber })
    {
      return (.statefulSet, parts.dropLast().joined(separator: "-"))
    }
    return nil
  }

  private static func refusal(_ kind: WorkloadRef.Kind) -> String {
    switch kind {
    case .job: "a Job's template cannot be changed: give its maker the new limit"
    case .pod: "nobody keeps this pod running: give its maker the new limit, and make it anew"
    case .node: "it is a static pod: change its file on the node"
    default: "what keeps it running is nothing that Kubernetes itself knows: change it there"
    }
  }

  private static func file(
    _ workload: WorkloadRef, _ members: [(WorkloadRef, AdvisedLimit)], _ quoted: (String) -> String?
  ) -> LimitManifest {
    let isCron = workload.kind == .cronJob
    var lines: [String] = []
    let indent = isCron ? "  " : ""
    for (name, isInit) in [("initContainers", true), ("containers", false)] {
      let listed = members.filter { $0.0.isInit == isInit }
      guard !listed.isEmpty else { continue }
      lines.append("\(indent)      \(name):")
      for (reference, advised) in listed {
        lines += LimitManifest.comments(advised, indent: indent + "        ")
        lines += container(reference.container, advised).map { indent + "        " + $0 }
      }
    }
    let kind = workload.kind.rawValue
    let head = [
      "apiVersion: \(YAMLText.quoted(apiVersions[workload.kind]!))", "kind: \(YAMLText.quoted(kind))", "metadata:",
      "  name: \(YAMLText.quoted(workload.name))", "  namespace: \(YAMLText.quoted(workload.namespace))", "spec:",
    ]
    let template =
      isCron ? ["  jobTemplate:", "    spec:", "      template:", "        spec:"] : ["  template:", "    spec:"]
    let fileName = LimitManifest.fileName("\(workload.namespace)-\(kind.lowercased())-\(workload.name)") + ".yaml"
    let command = command(workload, quoted)
    let comments =
      ["# Written by `oomwitness limits --write kubernetes`; it takes effect by:"]
      + command(fileName).map { "# \(YAMLText.comment($0))" }
    let text = (comments + head + template + lines).map { $0 + "\n" }.joined()
    return LimitManifest(fileName: fileName, text: text, apply: command)
  }

  private static func container(_ name: String, _ advised: AdvisedLimit) -> [String] {
    var lines = ["- name: \(YAMLText.quoted(name))", "  resources:"]
    if let request = advised.requestBytes {
      lines += ["    requests:", "      memory: \(YAMLText.quoted(SizeText.kubernetes(request)))"]
    }
    lines += ["    limits:", "      memory: \(YAMLText.quoted(SizeText.kubernetes(advised.limitBytes!)))"]
    return lines
  }

  private static func command(
    _ workload: WorkloadRef, _ quoted: (String) -> String?
  ) -> @Sendable (String) -> [String] {
    guard let name = quoted(workload.name), let namespace = quoted(workload.namespace) else {
      return { _ in ["kubectl patch: its name is none that can be typed"] }
    }
    let kind = workload.kind.rawValue.lowercased()
    return { ["kubectl patch \(kind) \(name) --namespace \(namespace) --type strategic --patch-file \($0)"] }
  }
}
