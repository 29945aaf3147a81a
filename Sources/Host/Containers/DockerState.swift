// SPDX-License-Identifier: Apache-2.0
import Events

/// What Docker's engine keeps of a container from its creation to its removal.
///
/// File: DATA-ROOT/containers/ID/config.v2.json. Source: moby's container/container.go.
struct DockerState {
  let files: StateFiles

  func facts(id: String, dataRoots: [String]) -> ContainerFacts? {
    for root in dataRoots {
      if let facts = files.document(
        "\(root)/containers/\(id)/config.v2.json", { (json) throws(JSONReader.Fault) in try DockerState.facts(&json) })
      {
        return facts
      }
    }
    return nil
  }

  private static func facts(_ json: inout JSONReader) throws(JSONReader.Fault) -> ContainerFacts {
    var facts = ContainerFacts(runtime: "docker")
    try json.object { (json, name) throws(JSONReader.Fault) in
      switch name {
      case "Name": facts.name = try json.text().map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 }
      case "Config":
        try json.object { (json, name) throws(JSONReader.Fault) in
          switch name {
          case "Image": facts.image = try json.text()
          case "Labels": facts.take(labels: try json.texts())
          default: return false
          }
          return true
        }
      default: return false
      }
      return true
    }
    return facts
  }
}
