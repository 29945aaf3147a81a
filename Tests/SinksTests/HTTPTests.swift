// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Lines by POST, to a server that answers as it is told.
@Suite struct HTTPTests {
  /// Answers each request by the next of the words, the last one for ever; writes each request as a line of JSON.
  private static let server = """
    import http.server, socketserver, sys, os, json, time, threading
    ready, out, words = sys.argv[1], sys.argv[2], sys.argv[3].split(',')
    log, lock, count = open(out, 'a'), threading.Lock(), [0]
    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = 'HTTP/1.1'
      def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0))).decode()
        with lock:
          word = words[min(count[0], len(words) - 1)]; count[0] += 1
        text = ''
        if word.startswith('poison:'):
          word = '400' if word[7:] in body else '204'
        if word.startswith('partial:'): text = json.dumps({'partialSuccess': {'rejectedLogRecords': word[8:]}}); word = '200'
        with lock:
          log.write(json.dumps({'path': self.path, 'headers': dict(self.headers), 'body': body, 'word': word}) + '\\n'); log.flush()
        if word == 'hang': time.sleep(600)
        if word == 'close': self.close_connection = True; return
        if word == 'half':
          self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf'); self.close_connection = True; return
        if word == 'slow': time.sleep(0.5); word = '200'
        if word == 'flood': text = 'x' * 1000000; word = '200'
        self.send_response(int(word))
        if word in ('429', '503'): self.send_header('Retry-After', '1')
        self.send_header('Content-Length', str(len(text))); self.end_headers()
        self.wfile.write(text.encode())
      def log_message(self, *a): pass
    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
      daemon_threads = True
      request_queue_size = 64
    server = Server(('127.0.0.1', 0), Handler)
    open(ready + '.new', 'w').write(str(server.server_port)); os.rename(ready + '.new', ready)
    server.serve_forever()
    """

  private struct Request {
    var path: String
    var headers: [String: String]
    var body: String
    var word: String
  }

  private static func requests(_ folder: TestFolder) -> [Request] {
    Line.all(in: Files.text(folder.path + "/requests") ?? "").map { line in
      let headers = line.object["headers"] as? [String: String] ?? [:]
      return Request(
        path: line.text("path") ?? "",
        headers: Dictionary(uniqueKeysWithValues: headers.map { ($0.key.lowercased(), $0.value) }),
        body: line.text("body") ?? "", word: line.text("word") ?? "")
    }
  }

  private static func start(_ folder: TestFolder, _ words: String) -> (receiver: Receiver, url: String) {
    let receiver = Receiver(server, [folder.path + "/requests", words])
    return (receiver, "http://127.0.0.1:\(receiver.port)/in?x=1")
  }

  private static func destination(_ settings: HTTPSettings) -> DestinationSettings {
    DestinationSettings(name: "http", kind: .http(settings))
  }

  /// What the server has taken: requests that it answered with success.
  private static func taken(_ folder: TestFolder) -> [Int] {
    requests(folder).filter { ["200", "204", "slow", "flood"].contains($0.word) }.flatMap {
      Delivered.numbers($0.body).numbers
    }
  }

  @Test("all lines arrive in batches and in order, and a slow server gets larger ones")
  func batches() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "slow")
    var settings = HTTPSettings(format: .ndjson, url: url)
    settings.batchLines = 400
    settings.headers = [#"X-Note: a "b" \c"#]
    settings.bearerTokenFile = folder.path + "/token"
    settings.headersFile = folder.path + "/headers"
    folder.write(Array("se\\cr\"et\n".utf8), "token")
    folder.write(Array("X-Key: 1\n\nX-Other: 2\n".utf8), "headers")
    let loop = try Delivered.loop(folder.path + "/spool", [HTTPTests.destination(settings)])
    Delivered.put(loop, 1...1000)
    #expect(Delivered.all(1000, loop))
    loop.finish(milliseconds: 5000)
    receiver.stop()
    let requests = HTTPTests.requests(folder)
    #expect(HTTPTests.taken(folder) == Array(1...1000))
    #expect(requests.count < 100, "\(requests.count)")
    #expect(requests.map { $0.body.split(separator: "\n").count }.max()! <= 400)
    #expect(requests.map(\.body).joined() == String(decoding: (1...1000).flatMap { Delivered.kill($0) }, as: UTF8.self))
    for request in requests {
      #expect(request.path == "/in?x=1" && request.headers["content-type"] == "application/x-ndjson")
      #expect(request.headers["authorization"] == #"Bearer se\cr"et"# && request.headers["x-note"] == #"a "b" \c"#)
      #expect(request.headers["x-key"] == "1" && request.headers["x-other"] == "2" && request.headers["expect"] == nil)
    }
  }

  @Test(
    "what may pass is tried again until it has passed, and no line is lost",
    arguments: [
      "500,503,200", "429,200", "close,200", "half,200", "408,425,502,504,200", "401,403,404,200", "flood,200",
    ])
  func triedAgain(words: String) throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, words)
    let loop = try Delivered.loop(nil, [HTTPTests.destination(HTTPSettings(format: .ndjson, url: url))])
    Delivered.put(loop, 1...100)
    #expect(Delivered.all(100, loop))
    loop.finish(milliseconds: 5000)
    receiver.stop()
    #expect(Delivered.firsts(HTTPTests.taken(folder)) == Array(1...100))
    #expect(loop.takeLosses() == [])
    #expect(
      loop.status().destinations[0].failures == words.split(separator: ",").count { $0 != "200" && $0 != "flood" })
  }

  @Test("a server that hangs is left after its time; one that is not there, and a file that is missing, are told")
  func hangs() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "hang,200")
    var settings = HTTPSettings(format: .ndjson, url: url)
    settings.timeoutSeconds = 1
    var gone = HTTPSettings(format: .ndjson, url: "http://127.0.0.1:\(Delivered.freePort())/")
    gone.timeoutSeconds = 5
    var bare = HTTPSettings(format: .ndjson, url: url)
    bare.bearerTokenFile = folder.path + "/token"
    let loop = try Delivered.loop(
      nil,
      [
        HTTPTests.destination(settings), DestinationSettings(name: "gone", kind: .http(gone)),
        DestinationSettings(name: "bare", kind: .http(bare)),
      ])
    Delivered.put(loop, 1...10)
    #expect(Delivered.until { loop.status().destinations.first?.deliveredLines == 10 })
    #expect(loop.status().destinations.first?.failures == 1)
    #expect(Delivered.until { loop.status().destinations.dropFirst().allSatisfy { $0.failures > 0 } })
    let states = loop.status().destinations.map(\.state)
    if case .down(_, .program(7, let said)) = states[1] {
      #expect(said.hasPrefix("curl: (7)"))
    } else {
      Issue.record("\(states[1])")
    }
    if case .down(_, .system("open " + folder.path + "/token", ENOENT)) = states[2] {
    } else {
      Issue.record("\(states[2])")
    }
    folder.write(Array("t".utf8), "token")
    #expect(Delivered.until { loop.status().destinations.last?.deliveredLines == 10 })
    loop.finish(milliseconds: 0)
    receiver.stop()
  }

  @Test("of a batch that is refused the one line that is to blame is found; it is told, and the others arrive")
  func poison() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, #"poison:"seq":37"#)
    let loop = try Delivered.loop(nil, [HTTPTests.destination(HTTPSettings(format: .ndjson, url: url))])
    Delivered.put(loop, 1...100)
    #expect(Delivered.all(100, loop))
    loop.finish(milliseconds: 5000)
    receiver.stop()
    #expect(Delivered.firsts(HTTPTests.taken(folder)) == Array(1...36) + Array(38...100))
    #expect(loop.takeLosses() == [DeliveryLoss(destination: "http", reason: .refused(.answer(400, "")), lines: 1)])
  }

  @Test("no secret is in curl's arguments, and curl inherits nothing but its three ends and the body")
  func secrets() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "hang")
    var settings = HTTPSettings(format: .ndjson, urlFile: folder.path + "/url")
    settings.headers = ["X-Key: hidden-word"]
    folder.write(Array((url + "&hidden-word\n").utf8), "url")
    let loop = try Delivered.loop(nil, [HTTPTests.destination(settings)])
    Delivered.put(loop, 1...1)
    #expect(Delivered.until { HTTPTests.requests(folder).count == 1 })
    var seen = 0
    for name in Files.names(in: "/proc") where Int(name) != nil {
      let arguments = Files.text("/proc/\(name)/cmdline") ?? ""
      guard arguments.hasPrefix("curl\0"),
        Files.text("/proc/\(name)/stat")?.split(separator: " ").dropFirst(3).first == "\(getpid())"
      else { continue }
      seen += 1
      #expect(
        !arguments.contains("hidden-word") && !(Files.text("/proc/\(name)/environ") ?? "").contains("hidden-word"))
    }
    #expect(seen >= 1)
    #expect(HTTPTests.requests(folder)[0].headers["x-key"] == "hidden-word")
    #expect(HTTPTests.requests(folder)[0].path == "/in?x=1&hidden-word")
    loop.finish(milliseconds: 0)
    receiver.stop()
  }

  @Test("a minute takes so many requests and no more")
  func rate() throws {
    let folder = TestFolder()
    let (receiver, url) = HTTPTests.start(folder, "200")
    var settings = HTTPSettings(format: .slack, url: url)
    settings.perMinute = 3
    let loop = try Delivered.loop(nil, [HTTPTests.destination(settings)])
    Delivered.put(loop, 1...10)
    #expect(Delivered.until { HTTPTests.requests(folder).count == 3 })
    // The loop goes on taking its turns; a fourth would come at once.
    usleep(500_000)
    loop.finish(milliseconds: 0)
    receiver.stop()
    let bodies = HTTPTests.requests(folder).map(\.body)
    #expect(bodies == (1...3).map { #"{"text":"*vm-1*: The kernel killed number \#($0) \"now\"."}"# })
    #expect(loop.status().destinations[0].queuedLines == 7)
  }

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
