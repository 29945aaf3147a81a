// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Lines as log records of OTLP/HTTP in JSON: the sentence as the body, what people search by as attributes with the names of
/// the semantic conventions where there are some, the line itself as `oomwitness.line`.
///
/// Source: OpenTelemetry, opentelemetry/proto/collector/logs/v1/logs_service.proto, ExportLogsServiceRequest.
enum OTLPLogs {
  private struct Resource: Hashable {
    var host: String?
    var bootID: String?
  }

  static func bytes(_ lines: [DeliveredLine], labels: [String: String]) -> [UInt8] {
    var groups: [(resource: Resource, lines: [DeliveredLine])] = []
    for line in lines {
      let resource = Resource(host: line.facts.host, bootID: line.facts.bootID)
      if groups.last?.resource != resource { groups.append((resource, [])) }
      groups[groups.count - 1].lines.append(line)
    }
    var json = JSONWriter(reserving: 64 * 1024)
    json.object { json in
      json.field("resourceLogs") { json in
        json.array { json in
          for group in groups { encode(group.resource, group.lines, labels, into: &json) }
        }
      }
    }
    return json.bytes
  }

  /// How many records a server says that it has not taken, in an answer of success.
  ///
  /// Source: OpenTelemetry, logs_service.proto, ExportLogsPartialSuccess; 64 bits are a text in JSON, and may be a number.
  static func rejected(_ text: String) -> Int64 {
    var isGiven = false
    var json = JSONReader {
      defer { isGiven = true }
      return isGiven ? [] : Array(text.utf8)
    }
    var rejected: Int64 = 0
    do throws(JSONReader.Fault) {
      try json.object { (json, key) throws(JSONReader.Fault) in
        guard key == "partialSuccess" else { return false }
        try json.object { (json, key) throws(JSONReader.Fault) in
          guard key == "rejectedLogRecords" else { return false }
          let isText = try json.kind() == .text
          rejected = (isText ? try json.text().flatMap { Int64($0) } : try json.integer()) ?? 0
          return true
        }
        return true
      }
    } catch {
      // The status says that it was taken.
    }
    return max(0, rejected)
  }

  private static func encode(
    _ resource: Resource, _ lines: [DeliveredLine], _ labels: [String: String], into json: inout JSONWriter
  ) {
    json.object { json in
      json.objectField("resource") {
        $0.field("attributes") { json in
          json.array { json in
            attribute("service.name", "oomwitness", into: &json)
            attribute("host.name", resource.host, into: &json)
            attribute("oomwitness.boot_id", resource.bootID, into: &json)
            for (name, value) in labels.sorted(by: { $0.key < $1.key }) { attribute(name, value, into: &json) }
          }
        }
      }
      json.field("scopeLogs") { json in
        json.array { json in
          json.object { json in
            json.objectField("scope") { $0.field("name", "oomwitness") }
            json.field("logRecords") { json in
              json.array { json in
                for line in lines { encode(line, into: &json) }
              }
            }
          }
        }
      }
    }
  }

  private static func encode(_ line: DeliveredLine, into json: inout JSONWriter) {
    let facts = line.facts
    let severity = severity(facts.severity)
    json.object { json in
      json.field("timeUnixNano", facts.wallNanoseconds.map { "\($0)" })
      json.field("observedTimeUnixNano", "\(Int64(time(nil)) * 1_000_000_000)")
      json.field("severityNumber", severity.number)
      json.field("severityText", severity.text)
      json.field("eventName", facts.type.map { "oomwitness.\($0)" })
      json.objectField("body") { $0.field("stringValue", facts.sentence) }
      json.field("attributes") { json in
        json.array { json in attributes(line, into: &json) }
      }
    }
  }

  private static func attributes(_ line: DeliveredLine, into json: inout JSONWriter) {
    let facts = line.facts
    let subject = facts.subject
    attribute("oomwitness.type", facts.type, into: &json)
    attribute("oomwitness.seq", facts.sequence, into: &json)
    attribute("oomwitness.scope", facts.scope, into: &json)
    attribute("oomwitness.level", facts.level, into: &json)
    attribute("oomwitness.decision.id", facts.decisionID, into: &json)
    attribute("process.pid", subject.pid, into: &json)
    attribute("process.owner", subject.user, into: &json)
    attribute("oomwitness.comm", subject.comm?.text, into: &json)
    attribute("process.linux.cgroup", subject.cgroup?.text, into: &json)
    attribute("oomwitness.systemd_unit", subject.unit, into: &json)
    attribute("container.id", subject.container?.id, into: &json)
    attribute("container.name", subject.container?.name, into: &json)
    attribute("container.image.name", subject.container?.image, into: &json)
    attribute("k8s.namespace.name", subject.pod?.namespace, into: &json)
    attribute("k8s.pod.name", subject.pod?.pod, into: &json)
    attribute("k8s.pod.uid", subject.pod?.podUID, into: &json)
    attribute("k8s.container.name", subject.pod?.container, into: &json)
    attribute("oomwitness.line", String(decoding: line.bytes.dropLast(), as: UTF8.self), into: &json)
  }

  private static func attribute(_ name: String, _ value: String?, into json: inout JSONWriter) {
    guard let value else { return }
    json.object { json in
      json.field("key", name)
      json.objectField("value") { $0.field("stringValue", value) }
    }
  }

  private static func attribute(_ name: String, _ value: Int64?, into json: inout JSONWriter) {
    guard let value else { return }
    json.object { json in
      json.field("key", name)
      // 64 bits are a text in the JSON of protobuf.
      json.objectField("value") { $0.field("intValue", "\(value)") }
    }
  }

  /// Source: OpenTelemetry, "Logs Data Model", appendix B: SeverityNumber of syslog.
  private static func severity(_ syslog: Int) -> (number: Int, text: String) {
    switch syslog {
    case 2: (18, "CRITICAL")
    case 3: (17, "ERROR")
    case 4: (13, "WARNING")
    case 5: (10, "NOTICE")
    default: (9, "INFO")
    }
  }
}
