// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// What servers of each kind are sent, held against their own definitions where these could be had.
@Suite struct HTTPFormatTests {
  @Test(
    "OTLP's own definitions read what we send",
    .enabled(if: OTLP.mayRun, "needs opentelemetry-proto (.ci/packages test)"))
  func otlp() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "partial:2,200")
    var settings = HTTPSettings(format: .otlp, url: url)
    settings.labels = ["deployment.environment": "te\"st"]
    settings.batchLines = 5
    let loop = try Delivered.loop(nil, [HTTPTests.destination(settings)])
    Delivered.put(loop, 1...30)
    #expect(
      loop.put(Array(#"{"type":"pressure","level":"critical","host":"other","explanation":"short"}"#.utf8) + [0x0a]))
    #expect(loop.put(Array("no JSON\n".utf8)))
    #expect(Delivered.all(32, loop))
    loop.finish(milliseconds: 5000)
    receiver.stop()
    let losses = loop.takeLosses()
    #expect(losses.count == 1 && losses[0].lines == 2)
    var records: [Line] = []
    for (place, request) in HTTPTests.requests(folder).enumerated() {
      folder.write(Array(request.body.utf8), "body\(place)")
      let judged = OTLP.judge(folder.path + "/body\(place)")
      #expect(judged.status == 0, "\(judged.output)")
      records += Line.all(in: judged.output)
    }
    try #require(records.count == 32)
    for (place, record) in records.prefix(30).enumerated() {
      #expect(record.text("time") == "1795560253329815451" && record.number("severity") == 17)
      #expect(record.text("event") == "oomwitness.oom_kill")
      #expect(record.text("body") == #"The kernel killed number \#(place + 1) "now"."#)
      #expect(record.text("resource", "host.name") == "vm-1" && record.text("resource", "service.name") == "oomwitness")
      #expect(record.text("resource", "deployment.environment") == "te\"st")
      #expect(record.text("attributes", "process.pid") == "\(1001 + place)")
      #expect(record.text("attributes", "k8s.pod.name") == "cart-0")
      #expect(record.text("attributes", "oomwitness.line").map { Array($0.utf8) + [0x0a] } == Delivered.kill(place + 1))
    }
    #expect(records[30].number("severity") == 18 && records[30].text("resource", "host.name") == "other")
  }

  @Test("Loki's format as it is documented (no Loki was at hand): streams by labels, times as texts, lines as they are")
  func loki() throws {
    var line = Delivered.kill(1)
    let bytes = LokiPush.bytes(
      [
        DeliveredLine(number: 1, bytes: line), DeliveredLine(number: 2, bytes: Delivered.kill(2)),
        DeliveredLine(
          number: 3,
          bytes: Array(#"{"type":"loss","host":"vm-1","time":"2026-11-24T22:44:13.000000001Z"}"#.utf8) + [0x0a]),
      ], labels: ["cluster": "a\"b"])
    let streams = Line.all(in: String(decoding: bytes, as: UTF8.self))[0].array("streams") as? [[String: Any]] ?? []
    #expect(streams.count == 2)
    #expect(
      streams[0]["stream"] as? [String: String] == [
        "job": "oomwitness", "host": "vm-1", "type": "oom_kill", "cluster": "a\"b",
      ])
    let values = streams[0]["values"] as? [[String]] ?? []
    line.removeLast()
    #expect(values.count == 2 && values[0] == ["1795560253329815451", String(decoding: line, as: UTF8.self)])
    #expect(
      streams[1]["values"] as? [[String]] == [
        ["1795560253000000001", #"{"type":"loss","host":"vm-1","time":"2026-11-24T22:44:13.000000001Z"}"#]
      ])
  }

  @Test("a kill in a pod becomes an Event on it, once; one that is in none is not for Kubernetes")
  func kubernetes() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "503,409,201")
    var settings = HTTPSettings(format: .kubernetes, url: String(url.prefix { $0 != "?" }.dropLast(3)))
    settings.bearerTokenFile = folder.path + "/token"
    folder.write(Array("tok\n".utf8), "token")
    let loop = try Delivered.loop(nil, [HTTPTests.destination(settings)])
    let outside = #"{"type":"oom_kill","victim":{"pid":1,"comm":"x"}}"# + "\n"
    let evil = #"{"type":"oom_kill","victim":{"pid":1,"comm":"x","kubernetes":{"namespace":"../x","pod":"y"}}}"# + "\n"
    for line in [outside, evil, #"{"type":"loss"}"# + "\n"] { #expect(loop.put(Array(line.utf8))) }
    Delivered.put(loop, 1...2)
    #expect(
      Delivered.until { HTTPTests.requests(folder).count == 3 && loop.status().destinations.first?.queuedLines == 0 })
    loop.finish(milliseconds: 5000)
    receiver.stop()
    let requests = HTTPTests.requests(folder)
    #expect(requests.map(\.path) == Array(repeating: "/api/v1/namespaces/shop/events", count: 3))
    #expect(requests.allSatisfy { $0.headers["authorization"] == "Bearer tok" })
    let events = requests.compactMap { Line.all(in: $0.body).first }
    #expect(events[0].text("metadata", "name") == events[1].text("metadata", "name"))
    #expect(events[1].text("metadata", "name") != events[2].text("metadata", "name"))
    if KubernetesJudge.mayRun {
      folder.write(Array(requests[2].body.utf8), "event")
      #expect(KubernetesJudge.judged(folder.path + "/event") == ["judged Event"])
    }
    let event = events[2]
    #expect(
      event.text("metadata", "name")?.hasPrefix("cart-0.") == true && event.text("metadata", "namespace") == "shop")
    #expect(event.text("involvedObject", "uid") == "19b7441c-63a1-4548-896d-ace74c0bf03c")
    #expect(event.text("involvedObject", "fieldPath") == "spec.containers{app}" && event.text("type") == "Warning")
    #expect(event.text("lastTimestamp") == "2026-11-24T22:44:13Z" && event.text("reason") == "ProcessOOMKilled")
    #expect(event.text("message") == #"The kernel killed number 2 "now"."#)
  }
}

/// The judge of OTLP: the definitions of OpenTelemetry themselves, from PyPI, read by protobuf.
enum OTLP {
  private static let folder = Repository.root + "/.build/python"
  private static let script = """
    import sys, json
    sys.path.insert(0, sys.argv[1])
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    request = json_format.Parse(open(sys.argv[2], 'rb').read(), ExportLogsServiceRequest())
    def value(any): return str(getattr(any, any.WhichOneof('value')))
    for resource in request.resource_logs:
      for scope in resource.scope_logs:
        for record in scope.log_records:
          print(json.dumps({
            'resource': {a.key: value(a.value) for a in resource.resource.attributes},
            'attributes': {a.key: value(a.value) for a in record.attributes},
            'body': value(record.body), 'severity': record.severity_number, 'time': str(record.time_unix_nano),
            'event': record.event_name}))
    """

  static let mayRun: Bool =
    Requirement.mustRun
    || Python.run("import sys; sys.path.insert(0, sys.argv[1]); import opentelemetry.proto.logs.v1.logs_pb2", [folder])
      .status == 0

  static func judge(_ path: String) -> (status: Int32, output: String) { Python.run(script, [folder, path]) }
}

/// The schemas of Kubernetes' objects, from PyPI; strict: a field that none has is refused.
enum KubernetesJudge {
  private static let folder = Repository.root + "/.build/python"
  private static let script = """
    import sys, json
    sys.path.insert(0, sys.argv[1])
    import kubernetes_validate
    document = json.load(open(sys.argv[2]))
    for version in map(kubernetes_validate.utils.major_minor, kubernetes_validate.utils.all_versions()):
      try: kubernetes_validate.validate(document, version, strict=True)
      except kubernetes_validate.ValidationError as error: print(version, "/".join(map(str, error.path)), error.message)
    print("judged", document["kind"])
    """

  static let mayRun: Bool =
    Requirement.mustRun
    || Python.run("import sys; sys.path.insert(0, sys.argv[1]); import kubernetes_validate", [folder]).status == 0

  static func judged(_ path: String) -> [String] {
    Python.run(script, [folder, path]).output.split(separator: "\n").map(String.init)
  }
}
