// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// What is done with an event beside the stream: it gets there, or it is told that it did not, and nothing waits for it.
@Suite struct PressureHandlerTests {
  private static let made = Atomic(0)

  static func path(_ name: String) -> String {
    "/tmp/oomwitness-handler-\(getpid())-\(made.add(1, ordering: .relaxed).newValue)-\(name)"
  }

  /// A watch that has one event at once: so little is always used.
  private static func watch(_ options: [String], seconds: Double) -> (events: [Line], ended: Program.Ended) {
    let ended = Program(
      Program.oomwitness,
      ["pressure", "--memory", "0.01,100,100", "--output", "ndjson", "--duration", "\(seconds)"] + PressureTests.still
        + options
    ).wait()
    return (Line.all(in: ended.output), ended)
  }

  /// The first event came before all else, and then what did not get through.
  private static func losses(_ events: [Line]) -> [String] {
    #expect(events.first?.type == "pressure" && events.first?.text("level") == "low")
    let losses = events.filter { $0.type == "loss" }
    #expect(losses.allSatisfy { $0.text("reason") == "handler_failed" && $0.number("kernel_count") == 0 })
    #expect(events.map { $0.number("seq") } == events.indices.map { $0 + 1 })
    return losses.map { $0.text("detail") ?? "" }
  }

  @Test("a file and a program on standard input get the line as the stream has it")
  func lines() {
    let (file, copy) = (PressureHandlerTests.path("log"), PressureHandlerTests.path("copy"))
    defer { for path in [file, copy] { unlink(path) } }
    let (events, ended) = PressureHandlerTests.watch(
      ["--log-to", file, "--run", #"["/bin/sh", "-c", "cat > \"$1\"", "-", "\#(copy)"]"#], seconds: 2)
    #expect(ended.status == 0 && ended.errors == "" && events.count == 1, "\(ended.errors)")
    #expect(Files.text(file) == ended.output && Files.text(copy) == ended.output)
    #expect(PressureTests.judged(ended.output) == "lines: 1\n")
  }

  struct Failure: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let options: [String]
    let detail: String
  }

  static let failures: [Failure] = [
    Failure(
      testDescription: "a program that fails", options: ["--run", #"["sh", "-c", "echo no disk >&2; exit 3"]"#],
      detail: "--run sh: 1 event did not get through: it exited with 3: no disk"),
    Failure(
      testDescription: "a program that hangs", options: ["--run", #"["sleep", "600"]"#, "--run-seconds", "0.3"],
      detail: "--run sleep: 1 event did not get through: it took longer than 300 ms, and was killed"),
    Failure(
      testDescription: "a program that floods its output", options: ["--run", #"["yes"]"#],
      detail: "--run yes: 1 event did not get through: it wrote more than 262144 bytes, which nobody reads"),
    Failure(
      testDescription: "a program that is killed", options: ["--run", #"["sh", "-c", "kill -9 $$"]"#],
      detail: "--run sh: 1 event did not get through: it was ended by signal 9"),
    Failure(
      testDescription: "a program that hangs still when the watch ends", options: ["--run", #"["sleep", "600"]"#],
      detail: "--run sleep: 1 event did not get through: it had not ended when the watch did"),
    Failure(
      testDescription: "a disk that is full", options: ["--log-to", "/dev/full"],
      detail: "--log-to /dev/full: 1 event did not get through: no space left on device"),
  ]

  @Test("what did not get through is told, with why, and the stream does not wait", arguments: failures)
  func failing(row: Failure) {
    let (events, ended) = PressureHandlerTests.watch(row.options, seconds: 1.5)
    #expect(ended.status == 0 && ended.errors == "", "\(ended.errors)")
    #expect(PressureHandlerTests.losses(events) == [row.detail])
    #expect(PressureTests.judged(ended.output) == "lines: 2\n")
  }

  /// Answers by the path: /ok 204, /broken 500, /missing 404, /slow never; keeps what it was sent as lines of JSON.
  final class Server {
    private static let script = """
      import http.server, json, sys, time
      log, ready = sys.argv[1:3]
      class Handler(http.server.BaseHTTPRequestHandler):
          def do_POST(self):
              body = self.rfile.read(int(self.headers["Content-Length"])).decode()
              with open(log, "a") as file:
                  file.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}) + "\\n")
              if self.path.startswith("/slow"): time.sleep(30)
              code = {"/ok": 204, "/broken": 500, "/missing": 404}.get(self.path.split("?")[0], 200)
              self.send_response(code)
              self.end_headers()
          def log_message(self, *_): pass
      server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
      server.daemon_threads = True
      print(server.server_port, flush=True)
      server.serve_forever()
      """
    private let program: Program
    private let log = PressureHandlerTests.path("requests")
    let port: Int

    init() throws {
      program = Program("/usr/bin/python3", ["-I", "-c", Server.script, log, ""])
      #expect(program.waitForOutput(containing: "\n"))
      port = try #require(Int(program.outputSoFar.split(separator: "\n").first ?? ""))
    }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    var requests: [Line] { Line.all(in: Files.text(log) ?? "") }

    func waitForRequest() {
      for _ in 0..<1000 where (Files.text(log) ?? "").isEmpty { usleep(10_000) }
    }

    deinit {
      program.signal(SIGKILL)
      _ = program.wait()
      unlink(log)
    }
  }

  @Test("a webhook gets the event as its body, and Slack a text")
  func webhook() throws {
    let server = try Server()
    let (events, ended) = PressureHandlerTests.watch(["--webhook", server.url("/ok")], seconds: 2)
    #expect(events.count == 1 && ended.errors == "")
    let request = try #require(server.requests.first)
    #expect(server.requests.count == 1 && request.text("body") == String(ended.output.dropLast()))
    #expect(request.text("headers", "Content-Type") == "application/json")
    let slack = try Server()
    let (told, _) = PressureHandlerTests.watch(
      ["--webhook", slack.url("/ok"), "--webhook-format", "slack"], seconds: 2)
    let text = try #require(slack.requests.first?.text("body"))
    let body = try #require(Line.all(in: text).first)
    let host = try #require(told.first?.text("host"))
    #expect(body.object.count == 1)
    #expect(
      body.text("text")?.hasPrefix("*\(host)*: Memory pressure on the whole system is low (was normal): ") == true)
  }

  @Test(
    "a server that refuses is told at once, one that breaks or does not answer is asked again, and the stream goes on")
  func badServers() throws {
    let server = try Server()
    let told = PressureHandlerTests.losses(
      PressureHandlerTests.watch(["--webhook", server.url("/missing")], seconds: 2).events)
    let name = "--webhook http://127.0.0.1:\(server.port)"
    #expect(told == ["\(name): 1 event did not get through: the server answered 404"])
    let broken = try Server()
    let (events, ended) = PressureHandlerTests.watch(["--webhook", broken.url("/broken")], seconds: 10)
    #expect(
      PressureHandlerTests.losses(events) == [
        "--webhook http://127.0.0.1:\(broken.port): 1 event did not get through: the server answered 500 "
          + "(the last of 4 attempts)"
      ], "\(ended.errors)")
    #expect(broken.requests.count == 4)
  }

  @Test("a server that is slow, and one that is gone")
  func noServer() throws {
    let slow = try Server()
    let (events, _) = PressureHandlerTests.watch(
      ["--webhook", slow.url("/slow"), "--webhook-seconds", "0.3", "--webhook", "http://127.0.0.1:1/x?token=secret"],
      seconds: 11)
    let told = PressureHandlerTests.losses(events)
    #expect(told.count == 2, "\(told)")
    for (name, count) in [("--webhook http://127.0.0.1:\(slow.port): ", 1), ("--webhook http://127.0.0.1:1: ", 1)] {
      let mine = told.filter { $0.hasPrefix(name) }
      #expect(mine.count == count && mine.allSatisfy { $0.hasSuffix(" (the last of 4 attempts)") }, "\(told)")
    }
    #expect(!told.joined().contains("secret") && slow.requests.count == 4)
  }

  @Test("URL and headers in a file are on nobody's command line, and reach the server")
  func secrets() throws {
    let (server, file) = (try Server(), PressureHandlerTests.path("url"))
    defer { unlink(file) }
    let secret = "s3cret\(getpid())"
    Files.write("\(server.url("/slow?token=\(secret)"))\nX-Key: a \"\(secret)\" \\ b\n", to: file)
    let watch = Program(
      Program.oomwitness,
      ["pressure", "--memory", "0.01,100,100", "--output", "ndjson", "--webhook", "@" + file] + PressureTests.still)
    server.waitForRequest()
    var commands = 0
    for name in Files.names(in: "/proc") where Int(name) != nil {
      guard let text = Files.text("/proc/\(name)/cmdline"), text.hasPrefix("curl\0") else { continue }
      commands += 1
      #expect(!text.contains(secret))
    }
    #expect(commands > 0)
    watch.signal(SIGTERM)
    #expect(watch.wait().status == 0)
    let request = try #require(server.requests.first)
    #expect(request.text("path") == "/slow?token=\(secret)")
    #expect(request.text("headers", "X-Key") == "a \"\(secret)\" \\ b")
  }

  @Test("handlers are given what --handle-from wants, the stream all")
  func from() {
    let file = PressureHandlerTests.path("none")
    defer { unlink(file) }
    let (events, _) = PressureHandlerTests.watch(["--log-to", file, "--handle-from", "medium"], seconds: 1)
    #expect(events.count == 1 && Files.text(file) == "")
  }

  @Test(
    "what cannot work from the start is a sentence and an exit status",
    arguments: [
      (["--run", "/nonexistent/x"], 2, "--run needs the program /nonexistent/x, which is not here or may not be run"),
      (["--log-to", "/nonexistent/x"], 1, "cannot open /nonexistent/x: no such file or directory"),
      (["--webhook", "@/nonexistent"], 1, "cannot open /nonexistent: no such file or directory"),
      (
        ["--webhook", "@/dev/null"], 1,
        "/dev/null is to hold a URL that begins with https:// or http://, then lines of NAME: VALUE"
      ),
      (
        ["--cleanup", "reclaim=/nonexistent"], 2,
        "/nonexistent has no memory.reclaim: it takes a control group of version 2 and kernel 5.19"
      ),
    ])
  func impossible(options: [String], status: Int32, sentence: String) {
    let ended = Program.run(Program.oomwitness, ["pressure"] + options)
    #expect(ended.status == status && ended.output == "")
    #expect(ended.errors == "oomwitness: \(sentence)\n")
  }

  @Test("without curl a webhook is refused, with the way out")
  func noCurl() {
    let ended = Program.run(
      "/usr/bin/env", ["PATH=/nonexistent", Program.oomwitness, "pressure", "--webhook", "https://a"])
    #expect(ended.status == 2 && ended.output == "")
    #expect(
      ended.errors
        == "oomwitness: --webhook needs the program curl, which is not here or may not be run (apt-get install curl)\n")
  }

  @Test(
    "the page cache is dropped when the level rises, and what came of it is told in a line of its own",
    .enabled(if: geteuid() == 0, "needs root to hide the kernel's file behind one of ours"))
  func cleanup() {
    // In a mount namespace of its own: the machine keeps its page cache.
    let file = PressureHandlerTests.path("drop_caches")
    Files.write("0\n", to: file)
    defer { unlink(file) }
    let script =
      "mount --bind '\(file)' /proc/sys/vm/drop_caches && exec \"$0\" pressure --memory 0.01,0.01,100 --output ndjson "
      + "--duration 3 --cleanup drop-caches \(PressureTests.still.joined(separator: " "))"
    let ended = Program.run("/usr/bin/unshare", ["-m", "/bin/sh", "-c", script, Program.oomwitness])
    #expect(ended.status == 0 && ended.errors == "", "\(ended.errors)")
    let events = Line.all(in: ended.output)
    #expect(events.map { $0.text("level") } == ["medium", "medium"])
    #expect(events.first?.object["cleanup"] == nil && events.last?.text("cleanup", "action") == "drop_caches")
    #expect(events.last?.text("previous_level") == "medium" && events.last?.text("cleanup", "error") == nil)
    #expect(Files.text(file) == "1\n")
    #expect(PressureTests.judged(ended.output) == "lines: 2\n")
  }
}
