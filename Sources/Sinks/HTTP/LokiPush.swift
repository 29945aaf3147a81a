// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Lines as Loki takes them: streams by few labels, and the line itself as it is.
///
/// Source: Grafana Loki, "Ingest logs using the HTTP API", POST /loki/api/v1/push. Labels are host and type and what is
/// configured, no pod and no pid: each new value is a stream of its own there.
enum LokiPush {
  private struct Stream: Hashable {
    var host: String?
    var type: String?
  }

  static func bytes(_ lines: [DeliveredLine], labels: [String: String]) -> [UInt8] {
    var order: [Stream] = []
    var streams: [Stream: [DeliveredLine]] = [:]
    for line in lines {
      let stream = Stream(host: line.facts.host, type: line.facts.type)
      if streams[stream] == nil { order.append(stream) }
      streams[stream, default: []].append(line)
    }
    var json = JSONWriter(reserving: 64 * 1024)
    json.object { json in
      json.field("streams") { json in
        json.array { json in
          for stream in order { encode(stream, streams[stream]!, labels, into: &json) }
        }
      }
    }
    return json.bytes
  }

  private static func encode(
    _ stream: Stream, _ lines: [DeliveredLine], _ labels: [String: String], into json: inout JSONWriter
  ) {
    json.object { json in
      json.objectField("stream") { json in
        if labels["job"] == nil { json.field("job", "oomwitness") }
        if labels["host"] == nil { json.field("host", stream.host) }
        if labels["type"] == nil { json.field("type", stream.type) }
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) { json.field(named: name, value) }
      }
      json.field("values") { json in
        json.array { json in
          for line in lines {
            json.array { json in
              json.value("\(line.facts.wallNanoseconds ?? Int64(time(nil)) * 1_000_000_000)")
              json.value(String(decoding: line.bytes.dropLast(), as: UTF8.self))
            }
          }
        }
      }
    }
  }
}
