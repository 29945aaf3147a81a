// SPDX-License-Identifier: Apache-2.0
import Events

/// What one pod of Kubernetes' own list says of its containers' memory.
///
/// Source: Kubernetes API, core/v1 Pod: metadata, spec.containers, status.containerStatuses.
struct PodRecord {
  struct Container {
    var name: String?
    var image: String?
    /// The first word of its command: nil where the image's own is run.
    var program: String?
    var limitBytes: Int64?
    var requestBytes: Int64?
    /// Something is written there that is no size.
    var hasBadQuantity = false
  }

  struct Status {
    var name: String?
    var restarts: Int64?
    /// Its present end and its last one, as far as they are OOMKilled.
    var kills = 0
  }

  var kind: String?
  var name: String?
  var namespace: String?
  var templateHash: String?
  var isMirror = false
  var owner: (kind: String, name: String)?
  var containers: [(container: Container, isInit: Bool)] = []
  var statuses: [String: Status] = [:]
  var initStatuses: [String: Status] = [:]

  /// Who keeps it running, and so has what is to be changed.
  ///
  /// A ReplicaSet of a Deployment is called by it and the hash of its template; a CronJob's Job by it and the minute of its
  /// time. Source: Kubernetes, pkg/controller/deployment/sync.go, getNewReplicaSet(); pkg/controller/cronjob,
  /// getJobName(); pkg/kubelet/pod/mirror_client.go.
  var workload: (kind: WorkloadRef.Kind, name: String)? {
    guard let name else { return nil }
    guard let owner else { return (isMirror ? .node : .pod, name) }
    switch owner.kind {
    case "ReplicaSet":
      guard let templateHash, owner.name.hasSuffix("-" + templateHash), owner.name.count > templateHash.count + 1 else {
        return (.replicaSet, owner.name)
      }
      return (.deployment, String(owner.name.dropLast(templateHash.count + 1)))
    case "Job":
      guard let hyphen = owner.name.lastIndex(of: "-"), hyphen > owner.name.startIndex else {
        return (.job, owner.name)
      }
      let minutes = owner.name[owner.name.index(after: hyphen)...]
      guard (8...10).contains(minutes.count), minutes.allSatisfy({ $0.isASCII && $0.isNumber }) else {
        return (.job, owner.name)
      }
      return (.cronJob, String(owner.name[..<hyphen]))
    // A static pod: the node is its owner, and the file is called as the pod.
    case "Node": return (.node, name)
    case let kind: return (WorkloadRef.Kind(rawValue: kind) ?? .other, owner.name)
    }
  }
}

extension PodRecord {
  /// One field of a pod's object; false where it is none of ours.
  mutating func take(_ json: inout JSONReader, _ key: String) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "kind": kind = try json.text()
    case "metadata":
      try json.object { (json, key) throws(JSONReader.Fault) in try self.takeMetadata(&json, key) }
    case "spec":
      try json.object { (json, key) throws(JSONReader.Fault) in
        guard key == "containers" || key == "initContainers" else { return false }
        try json.array { (json) throws(JSONReader.Fault) in
          self.containers.append((try PodRecord.container(&json), key == "initContainers"))
        }
        return true
      }
    case "status":
      try json.object { (json, key) throws(JSONReader.Fault) in
        guard key == "containerStatuses" || key == "initContainerStatuses" else { return false }
        try json.array { (json) throws(JSONReader.Fault) in
          let status = try PodRecord.status(&json)
          guard let name = status.name else { return }
          if key == "containerStatuses" { self.statuses[name] = status } else { self.initStatuses[name] = status }
        }
        return true
      }
    default: return false
    }
    return true
  }

  private mutating func takeMetadata(_ json: inout JSONReader, _ key: String) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "name": name = try json.text()
    case "namespace": namespace = try json.text()
    case "labels":
      try json.object { (json, key) throws(JSONReader.Fault) in
        guard key == "pod-template-hash" else { return false }
        self.templateHash = try json.text()
        return true
      }
    case "annotations":
      try json.object { (_, key) throws(JSONReader.Fault) in
        if key == "kubernetes.io/config.mirror" { self.isMirror = true }
        return false
      }
    case "ownerReferences":
      try json.array { (json) throws(JSONReader.Fault) in
        var (kind, name, isController): (String?, String?, Bool?) = (nil, nil, nil)
        try json.object { (json, key) throws(JSONReader.Fault) in
          switch key {
          case "kind": kind = try json.text()
          case "name": name = try json.text()
          case "controller": isController = try json.flag()
          default: return false
          }
          return true
        }
        if let kind, let name, self.owner == nil || isController == true { self.owner = (kind, name) }
      }
    default: return false
    }
    return true
  }

  private static func container(_ json: inout JSONReader) throws(JSONReader.Fault) -> Container {
    var container = Container()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "name": container.name = try json.text()
      case "image": container.image = try json.text()
      case "command":
        try json.array { (json) throws(JSONReader.Fault) in
          let word = try json.text()
          if container.program == nil {
            container.program = word.flatMap { $0.split(separator: "/").last.map(String.init) }
          }
        }
      case "resources":
        try json.object { (json, key) throws(JSONReader.Fault) in
          guard key == "limits" || key == "requests" else { return false }
          try json.object { (json, name) throws(JSONReader.Fault) in
            guard name == "memory" else { return false }
            let bytes = try quantity(&json)
            if bytes == nil { container.hasBadQuantity = true }
            if key == "limits" { container.limitBytes = bytes } else { container.requestBytes = bytes }
            return true
          }
          return true
        }
      default: return false
      }
      return true
    }
    return container
  }

  /// A quantity may be a number of JSON too.
  private static func quantity(_ json: inout JSONReader) throws(JSONReader.Fault) -> Int64? {
    if try json.kind() == .number { return try json.integer() }
    return try json.text().flatMap(Quantity.bytes)
  }

  private static func status(_ json: inout JSONReader) throws(JSONReader.Fault) -> Status {
    var status = Status()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "name": status.name = try json.text()
      case "restartCount": status.restarts = try json.integer()
      case "state", "lastState":
        try json.object { (json, key) throws(JSONReader.Fault) in
          guard key == "terminated" else { return false }
          try json.object { (json, key) throws(JSONReader.Fault) in
            guard key == "reason" else { return false }
            if try json.text() == "OOMKilled" { status.kills += 1 }
            return true
          }
          return true
        }
      default: return false
      }
      return true
    }
    return status
  }
}
