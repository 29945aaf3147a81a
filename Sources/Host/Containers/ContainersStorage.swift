// SPDX-License-Identifier: Apache-2.0
import Events

/// What Podman and CRI-O keep in the storage that they share the format of.
///
/// File: ROOT/DRIVER-containers/containers.json, and below it ID/userdata/config.json. Source: containers/storage's
/// containers.go; podman's libpod/storage.go, CRI-O's internal/storage/runtime.go: the metadata of an entry.
final class ContainersStorage {
  /// overlay, vfs, btrfs and the like: one that is used, and what is left of others.
  static let driversMax = 8
  /// Entries of one index that are kept.
  static let entriesMax = 4096
  /// Indexes that are kept: one for each root, rootless ones among them.
  private static let indexesMax = 16

  private struct Index {
    var version: StateFiles.Version
    var entries: [String: ContainerFacts]
  }

  private let files: StateFiles
  private var indexes: [String: Index] = [:]

  init(files: StateFiles) { self.files = files }

  /// By the annotations of its bundle, CRI-O's, else by the index.
  func facts(id: String, roots: [String]) -> ContainerFacts? {
    var fromIndex: ContainerFacts?
    for root in roots {
      for folder in files.names(in: root, ending: "-containers", countMax: ContainersStorage.driversMax) {
        let path = "\(root)/\(folder)"
        let config = "\(path)/\(id)/userdata/config.json"
        if let facts = files.document(config, { (json) throws(JSONReader.Fault) in try OCIBundle(&json, id: id) })?
          .crioFacts()
        {
          return facts
        }
        fromIndex = fromIndex ?? index(path)[id]
      }
    }
    return fromIndex
  }

  /// All entries; read again where the file has changed.
  private func index(_ path: String) -> [String: ContainerFacts] {
    let file = path + "/containers.json"
    guard let version = files.version(file) else { return [:] }
    if let known = indexes[file], known.version == version { return known.entries }
    let entries = files.document(file, bytesMax: StateFiles.indexBytesMax) { (json) throws(JSONReader.Fault) in
      try ContainersStorage.entries(&json)
    }
    // A half-written file is read again, since its version changes; until then the one before it stands.
    guard let entries else { return indexes[file]?.entries ?? [:] }
    if indexes.count >= ContainersStorage.indexesMax { indexes.removeAll() }
    indexes[file] = Index(version: version, entries: entries)
    return entries
  }

  private static func entries(_ json: inout JSONReader) throws(JSONReader.Fault) -> [String: ContainerFacts] {
    var entries: [String: ContainerFacts] = [:]
    try json.array { (json) throws(JSONReader.Fault) in
      var (id, name, metadata) = (String?.none, String?.none, String?.none)
      try json.object { (json, field) throws(JSONReader.Fault) in
        switch field {
        case "id": id = try json.text()
        case "names":
          try json.array { (json) throws(JSONReader.Fault) in
            let text = try json.text()
            name = name ?? text
          }
        case "metadata": metadata = try json.text()
        default: return false
        }
        return true
      }
      guard let id, entries.count < entriesMax else { return }
      entries[id] = facts(name: name, metadata: metadata)
    }
    return entries
  }

  /// Of an entry's metadata, a document in a string; CRI-O's has a pod.
  private static func facts(name: String?, metadata: String?) -> ContainerFacts {
    let texts = StateFiles.texts(in: metadata)
    let pod = texts["pod-name"]
    var facts = ContainerFacts(runtime: pod == nil ? "podman" : "cri-o")
    facts.name = texts["name"].flatMap { $0.isEmpty ? nil : $0 } ?? name
    facts.image = texts["image-name"].flatMap { $0.isEmpty ? nil : $0 }
    if pod != nil, let name = facts.name { facts.take(kubeletName: name) }
    return facts
  }
}
