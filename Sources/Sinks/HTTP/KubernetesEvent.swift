// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// A kill as an Event on the victim's pod, which `kubectl describe pod` shows.
///
/// Its name is made of what the kill is, so that the same line sent twice is one event. Source: Kubernetes API, core/v1 Event.
enum KubernetesEvent {
  /// The API server refuses more. Source: kubernetes, pkg/apis/core/validation/events.go, NoteLengthLimit.
  private static let messageBytesMax = 1024

  /// A name of the API's: it becomes a part of a path. Source: Kubernetes, "Object Names and IDs".
  static func isName(_ name: String?) -> Bool {
    guard let bytes = name?.utf8, (1...253).contains(bytes.count) else { return false }
    return bytes.first != UInt8(ascii: ".")
      && bytes.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
      }
  }

  static func bytes(_ line: DeliveredLine) -> [UInt8] {
    let facts = line.facts
    let pod = facts.subject.pod ?? PodRef()
    let seconds = facts.wallNanoseconds ?? Int64(time(nil)) * 1_000_000_000
    let moment = String(RFC3339.text(wallNanoseconds: seconds).prefix(19)) + "Z"
    var json = JSONWriter(reserving: 4096)
    json.object { json in
      json.field("apiVersion", "v1")
      json.field("kind", "Event")
      json.objectField("metadata") {
        $0.field("name", name(line))
        $0.field("namespace", pod.namespace)
      }
      json.objectField("involvedObject") {
        $0.field("apiVersion", "v1")
        $0.field("kind", "Pod")
        $0.field("namespace", pod.namespace)
        $0.field("name", pod.pod)
        $0.field("uid", pod.podUID)
        $0.field("fieldPath", pod.container.map { "spec.containers{\($0)}" })
      }
      json.field("type", "Warning")
      json.field("reason", "ProcessOOMKilled")
      json.field("message", message(facts.sentence))
      json.objectField("source") {
        $0.field("component", "oomwitness")
        $0.field("host", facts.host)
      }
      json.field("reportingComponent", "oomwitness")
      json.field("reportingInstance", facts.host ?? "oomwitness")
      json.field("firstTimestamp", moment)
      json.field("lastTimestamp", moment)
      json.field("count", 1)
    }
    return json.bytes
  }

  /// `cart-0.5f1c...`: as the kubelet names its own, but by what was killed and not by the time.
  private static func name(_ line: DeliveredLine) -> String {
    let facts = line.facts
    let key =
      "\(facts.host ?? "") \(facts.bootID ?? "") \(facts.source ?? "") \(facts.decisionID ?? -1)"
      + " \(facts.subject.pid ?? -1) \(facts.wallNanoseconds ?? 0)"
    // FNV-1a, 64 bits.
    let sum = key.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let digits = String(sum, radix: 16)
    let hex = String(repeating: "0", count: 16 - digits.count) + digits
    return "\((facts.subject.pod?.pod ?? "pod").prefix(236)).\(hex)"
  }

  private static func message(_ sentence: String) -> String {
    guard sentence.utf8.count > messageBytesMax else { return sentence }
    return String(decoding: sentence.utf8.prefix(messageBytesMax - 4), as: UTF8.self).filter { $0 != "\u{fffd}" }
      + "..."
  }
}
