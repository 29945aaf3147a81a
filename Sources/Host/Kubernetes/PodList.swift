// SPDX-License-Identifier: Apache-2.0
import Events

/// The containers of a cluster by what keeps them running, out of what `kubectl get pods -A -o json` prints.
///
/// A pod is read and merged with its like before the next one is looked at, so that memory grows with the number of
/// workloads, and not with that of pods. Source: Kubernetes API, core/v1 PodList.
package struct PodList: Hashable, Sendable {
  /// Containers of workloads; those of more are counted.
  package static let workloadsMax = 65_536

  package enum Fault: Error, Hashable, Sendable {
    case json(JSONReader.Fault)
    /// Not a byte, or blanks alone.
    case nothing
    /// JSON, and no list of pods: its kind, where it names one.
    case noPodList(kind: String?)
    /// A list, with no pod in it.
    case noPods
  }

  /// In the order in which they were first seen.
  package private(set) var evidence: [LimitEvidence] = []
  package private(set) var pods = 0
  /// Objects of another kind, and pods without a name.
  package private(set) var otherObjects = 0
  /// Containers beyond `workloadsMax`.
  package private(set) var dropped = 0
  /// Sizes that are none.
  package private(set) var badQuantities = 0
  private var places: [WorkloadRef: Int] = [:]

  /// - Parameter refill: the next bytes; none at the end.
  package init(_ refill: @escaping () -> [UInt8]) throws(Fault) {
    var (isEmpty, hasItems, kind): (Bool, Bool, String?) = (false, false, nil)
    do throws(JSONReader.Fault) {
      var json = JSONReader(refill)
      isEmpty = json.isEmpty()
      if !isEmpty { (hasItems, kind) = try read(&json) }
    } catch {
      throw .json(error)
    }
    guard !isEmpty else { throw .nothing }
    guard pods == 0 else { return }
    throw hasItems ? .noPods : .noPodList(kind: kind)
  }

  /// The list, or the one pod that `kubectl get pod NAME` prints. Its kind comes after the pods.
  private mutating func read(
    _ json: inout JSONReader
  ) throws(JSONReader.Fault) -> (hasItems: Bool, kind: String?) {
    var hasItems = false
    var alone = PodRecord()
    try json.object { (json, key) throws(JSONReader.Fault) in
      guard key == "items" else { return try alone.take(&json, key) }
      hasItems = try json.array { (json) throws(JSONReader.Fault) in
        var pod = PodRecord()
        try json.object { (json, key) throws(JSONReader.Fault) in try pod.take(&json, key) }
        self.add(pod)
      }
      return true
    }
    try json.end()
    if !hasItems, alone.kind == "Pod" { add(alone) }
    return (hasItems, alone.kind)
  }

  private mutating func add(_ pod: PodRecord) {
    guard pod.kind ?? "Pod" == "Pod", let workload = pod.workload, !pod.containers.isEmpty else {
      otherObjects += 1
      return
    }
    pods += 1
    for (container, isInit) in pod.containers {
      guard let name = container.name else { continue }
      if container.hasBadQuantity { badQuantities += 1 }
      let reference = WorkloadRef(
        namespace: pod.namespace ?? "default", kind: workload.kind, name: workload.name, container: name, isInit: isInit
      )
      merge(container, isInit ? pod.initStatuses[name] : pod.statuses[name], reference)
    }
  }

  private mutating func merge(_ container: PodRecord.Container, _ status: PodRecord.Status?, _ reference: WorkloadRef) {
    let limit = container.hasBadQuantity ? nil : container.limitBytes.map(ByteLimit.bytes) ?? .unlimited
    guard let place = places[reference] else {
      guard evidence.count < PodList.workloadsMax else {
        dropped += 1
        return
      }
      places[reference] = evidence.count
      var first = LimitEvidence(.workload(reference))
      first.limitBytes = limit
      first.requestBytes = container.requestBytes
      first.image = container.image
      first.programs = [container.program].compactMap { $0 }
      first.add(status, limit)
      evidence.append(first)
      return
    }
    // While a new limit is rolled out there are pods of both: the higher one counts.
    switch (evidence[place].limitBytes, limit) {
    case (.bytes(let one)?, .bytes(let other)?): evidence[place].limitBytes = .bytes(max(one, other))
    case (.unlimited?, _), (_, nil): break
    case (_, .unlimited?), (nil, _): evidence[place].limitBytes = limit
    }
    evidence[place].requestBytes = [evidence[place].requestBytes, container.requestBytes].compactMap { $0 }.max()
    evidence[place].replicas += 1
    evidence[place].add(status, limit)
  }
}

extension LimitEvidence {
  fileprivate mutating func add(_ status: PodRecord.Status?, _ limit: ByteLimit?) {
    guard let status else { return }
    if let starts = status.restarts {
      let (sum, overflow) = (restarts ?? 0).addingReportingOverflow(max(0, starts))
      restarts = overflow ? .max : sum
    }
    guard status.kills > 0 else { return }
    kills.ended += status.kills
    kills.mostLimitBytes = [kills.mostLimitBytes, limit?.bytes].compactMap { $0 }.max()
  }
}
