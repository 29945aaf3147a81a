// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Lines by POST, to a server that answers as it is told.
@Suite struct HTTPTests {
  /// Answers each request by the next of the words, the last one for ever; writes each request as a line of JSON.
  static let server = """
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

  struct Request {
    var path: String
    var headers: [String: String]
    var body: String
    var word: String
  }

  static func requests(_ folder: TestFolder) -> [Request] {
    Line.all(in: Files.text(folder.path + "/requests") ?? "").map { line in
      let headers = line.object["headers"] as? [String: String] ?? [:]
      return Request(
        path: line.text("path") ?? "",
        headers: Dictionary(uniqueKeysWithValues: headers.map { ($0.key.lowercased(), $0.value) }),
        body: line.text("body") ?? "", word: line.text("word") ?? "")
    }
  }

  static func start(_ folder: TestFolder, _ words: String) -> (receiver: Receiver, url: String) {
    let receiver = Receiver(server, [folder.path + "/requests", words])
    return (receiver, "http://127.0.0.1:\(receiver.port)/in?x=1")
  }

  static func destination(_ settings: HTTPSettings) -> DestinationSettings {
    DestinationSettings(name: "http", kind: .http(settings))
  }

  /// What the server has taken: requests that it answered with success.
  static func taken(_ folder: TestFolder) -> [Int] {
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
}
