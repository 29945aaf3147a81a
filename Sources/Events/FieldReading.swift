// SPDX-License-Identifier: Apache-2.0

/// A name as text, and all of its bytes where the text could not hold them.
struct NameFields {
  var text: String?
  var hex: String?

  var name: KernelName? { hex.flatMap { KernelName(hex: $0) } ?? text.map { KernelName($0) } }
}

/// A group and whom it belongs to, which stand beside each other.
struct CgroupFields {
  /// The group alone.
  private(set) var cgroup: CgroupRef?
  private var unit: String?
  private var container: ContainerRef?
  private var pod: PodRef?

  var reference: CgroupRef? {
    guard unit != nil || container != nil || pod != nil else { return cgroup }
    var reference = cgroup ?? CgroupRef()
    reference.owner = CgroupOwner(unit: unit, container: container, pod: pod)
    return reference
  }

  mutating func take(_ key: String, _ json: inout JSONReader) throws(JSONReader.Fault) -> Bool {
    switch key {
    case "cgroup": cgroup = try CgroupRef(&json)
    case "systemd_unit": unit = try json.text()
    case "container": container = try ContainerRef(&json)
    case "kubernetes": pod = try PodRef(&json)
    default: return false
    }
    return true
  }
}

extension CgroupRef {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var path = NameFields()
    var reference = CgroupRef()
    let isObject = try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "path": path.text = try json.text()
      case "path_hex": path.hex = try json.text()
      case "id": reference.id = try json.whole()
      case "version": reference.version = try json.whole()
      default: return false
      }
      return true
    }
    reference.path = path.name
    // A version alone names no group.
    guard isObject, reference.path != nil || reference.id != nil else { return nil }
    self = reference
  }
}

extension ContainerRef {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var id: String?
    var container = ContainerRef(runtime: nil, id: "")
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "runtime": container.runtime = try json.text()
      case "id": id = try json.text()
      case "name": container.name = try json.text()
      case "image": container.image = try json.text()
      case "compose_project": container.composeProject = try json.text()
      case "compose_service": container.composeService = try json.text()
      case "pod": container.pod = try json.text()
      default: return false
      }
      return true
    }
    guard let id else { return nil }
    self = container
    self.id = id
  }
}

extension PodRef {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init()
    let isObject = try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "namespace": namespace = try json.text()
      case "pod": pod = try json.text()
      case "container": container = try json.text()
      case "pod_uid": podUID = try json.text()
      case "qos_class": qosClass = try json.text().flatMap(QOSClass.init)
      case "is_static": isStatic = try json.flag()
      default: return false
      }
      return true
    }
    guard isObject else { return nil }
  }
}

extension JSONReader {
  mutating func texts() throws(Fault) -> [String] {
    var texts: [String] = []
    try array { (json) throws(Fault) in if let text = try json.text() { texts.append(text) } }
    return texts
  }

  /// One of the values of an enumeration; nil for one that is not known.
  mutating func value<Value: RawRepresentable<String>>(of type: Value.Type) throws(Fault) -> Value? {
    try text().flatMap { type.init(rawValue: $0) }
  }
}
