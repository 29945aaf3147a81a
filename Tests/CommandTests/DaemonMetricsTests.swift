// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// The daemon's metrics, as scrapers and others meet them.
@Suite(
  .serialized, .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct DaemonMetricsTests {
  private static let listen = "{listen: '127.0.0.1:PORT'}"

  private static func number(_ samples: [String: String], _ name: String) -> Int {
    samples[name].flatMap { Int($0) } ?? 0
  }

  private static func vmstatKills() -> Int? {
    let line = (Files.text("/proc/vmstat") ?? "").split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
    return line.flatMap { Int($0.dropFirst("oom_kill ".count)) }
  }

  @Test("real kills are counted once, by all that they are counted by, and the kernel counts the same")
  func kills() throws {
    let daemon = WatchedDaemon(
      metrics: "{listen: '127.0.0.1:PORT', textfile: FOLDER/oomwitness.prom, every: 1s, bpf_stats: true}")
    #expect(daemon.isReady())
    // What the kernel had counted when the daemon began to.
    let counted = "oomwitness_kernel_counted_kills_total"
    let before = try #require(DaemonMetricsTests.vmstatKills()) - DaemonMetricsTests.number(daemon.now, counted)
    let slice = "oomwitness-metrics-\(getpid()).slice"
    let unit = "oomwitness-hog-\(getpid()).service"
    let scratch = ScratchCgroup("\(slice)/\(unit)", limitBytes: 32 << 20)
    for _ in 0..<3 { _ = scratch.run(KillTests.hog) }
    let series = "oomwitness_cgroup_kills_total{cgroup=\"/\(slice)/\(unit)\"}"
    // Others may kill here meanwhile: then the kernel counts theirs, and so do we.
    let samples = daemon.samples {
      $0[series] == "3" && DaemonMetricsTests.number($0, "oomwitness_exit_seconds_count") >= 3
        && DaemonMetricsTests.vmstatKills() == before + DaemonMetricsTests.number($0, counted)
    }
    #expect(scratch.kernelKills == 3)
    #expect(samples["oomwitness_unit_kills_total{unit=\"\(unit)\"}"] == "3")
    for name in [#"oomwitness_kills_total{scope="memcg"}"#, counted, "oomwitness_decision_to_event_seconds_count"] {
      #expect(DaemonMetricsTests.number(samples, name) >= 3, "\(name)")
    }
    #expect(samples[#"oomwitness_sink_up{sink="file"}"#] == "1")
    #expect(samples[#"oomwitness_pressure_level{target="system"}"#] != nil)
    for reason in ["ring_full", "sink_full", "output_full"] {
      #expect(samples["oomwitness_losses_total{reason=\"\(reason)\"}"] == "0")
    }
    let lines = Line.all(in: Files.text(daemon.folder + "/events.ndjson") ?? "")
    let began = lines.first?.number("monotonic_ns") ?? 0
    let past = lines.count { $0.type == "oom_kill" && $0.number("monotonic_ns") ?? 0 < began }
    #expect(samples["oomwitness_kills_before_start_total"] == "\(past)")
    // The series stays when the group is gone, and the file has it too.
    rmdir(scratch.folder)
    #expect(daemon.now[series] == "3")
    let path = daemon.folder + "/oomwitness.prom"
    for _ in 0..<300 where MetricJudge.samples(Files.text(path) ?? "")[series] != "3" { usleep(100_000) }
    let file = try #require(Files.text(path))
    #expect(MetricJudge.samples(file)[series] == "3")
    if MetricJudge.mayRun {
      let (text, open) = (daemon.page() ?? "", daemon.page(accept: "application/openmetrics-text;version=1.0.0") ?? "")
      #expect(MetricJudge.promtool(text) == "")
      #expect(MetricJudge.promtool(file) == "")
      let parsed = MetricJudge.parsed(open, isOpenMetrics: true)
      #expect(parsed.status == 0, "\(parsed.lines.suffix(3))")
      #expect(
        parsed.lines.filter { $0.hasPrefix("oomwitness_unit_kills_total") && $0.contains(unit) } == [
          "oomwitness_unit_kills_total [('unit', '\(unit)')] 3"
        ])
    }
    #expect(daemon.end().status == 0)
    #expect(access(path, F_OK) != 0, "numbers of a process that is gone look alive")
    rmdir(ScratchCgroup.parentFolder + "/" + slice)
  }

  @Test("whatever is sent, it is answered with the right status, and the next scrape is")
  func hostileClients() {
    let daemon = WatchedDaemon(metrics: DaemonMetricsTests.listen)
    #expect(daemon.isReady())
    let rows: [(String, String?)] = [
      ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
      ("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"),
      ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
      ("GET /metrics/../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
      ("HEAD /metrics HTTP/1.0\r\n\r\n", "200 OK"),
      ("nonsense\r\n\r\n", "400 Bad Request"), ("\u{0}\u{1}\u{2}", "400 Bad Request"),
      ("GET /metrics HTTP/1.1\r\n\r\n", "400 Bad Request"),
      (
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n", "431 Request Header"
      ),
      (
        "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n\(String(repeating: "x", count: 3_000_000))", "405 Method Not Allowed"
      ),
    ]
    for (request, wanted) in rows {
      let client = RawClient(port: daemon.port)
      client.say(request)
      let answer = client.hear() ?? "nothing"
      if let wanted { #expect(answer.hasPrefix("HTTP/1.1 \(wanted)"), "\(request.prefix(60)): \(answer.prefix(60))") }
      if request.hasPrefix("HEAD") { #expect(answer.hasSuffix("\r\n\r\n"), "a HEAD has no body") }
    }
    var chance = SystemRandomNumberGenerator()
    for _ in 0..<100 {
      let client = RawClient(port: daemon.port)
      client.say((0..<Int.random(in: 1...5000, using: &chance)).map { _ in UInt8.random(in: 0...255, using: &chance) })
    }
    let samples = daemon.now
    #expect(samples[#"oomwitness_metrics_requests_total{code="405"}"#] == "3")
    #expect(samples[#"oomwitness_metrics_requests_total{code="404"}"#] == "2")
    #expect(samples[#"oomwitness_metrics_requests_total{code="431"}"#] == "1")
    #expect(daemon.end().status == 0)
  }

  @Test("two hundred that connect and say nothing are borne, and whoever asks is answered")
  func manyConnections() {
    let daemon = WatchedDaemon(metrics: DaemonMetricsTests.listen)
    #expect(daemon.isReady())
    let before = Files.names(in: "/proc/\(daemon.program.pid)/fd").count
    let silent = (0..<200).map { _ in RawClient(port: daemon.port) }
    for client in silent { client.say("GET /met") }
    _ = daemon.samples { DaemonMetricsTests.number($0, "oomwitness_metrics_evictions_total") >= 180 }
    // Sixteen of the descriptors are theirs at most; the other loops open a file of /proc at times.
    #expect(Files.names(in: "/proc/\(daemon.program.pid)/fd").count <= before + 16 + 4)
    withExtendedLifetime(silent) {}
    // Two hundred ask, and all are answered: nobody has to give way who says what he wants.
    let asking = (0..<200).map { _ in
      let client = RawClient(port: daemon.port)
      client.say(WatchedDaemon.get)
      return client
    }
    #expect(asking.allSatisfy { $0.hear()?.hasPrefix("HTTP/1.1 200 OK") ?? false })
    #expect(daemon.end().status == 0)
  }

  @Test("who asks for too long is told so and sent away")
  func slowClients() {
    let daemon = WatchedDaemon(metrics: DaemonMetricsTests.listen)
    #expect(daemon.isReady())
    let (slow, silent) = (RawClient(port: daemon.port), RawClient(port: daemon.port))
    slow.say("GET /metrics HTTP/1.1\r\n")
    #expect(slow.hear(seconds: 30)?.hasPrefix("HTTP/1.1 408 Request Timeout\r\n") ?? false)
    #expect(silent.hear(seconds: 30) == "")
    let samples = daemon.now
    #expect(samples[#"oomwitness_metrics_requests_total{code="408"}"#] == "1")
    #expect(daemon.end().status == 0)
  }

  @Test("two thousand scrapes cost neither memory nor descriptors")
  func noGrowth() throws {
    let daemon = WatchedDaemon(metrics: "{listen: 'unix:FOLDER/m.sock'}")
    let path = daemon.folder + "/m.sock"
    #expect(daemon.isReady(path: path))
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o660)
    func scrape(_ count: Int) -> [String: String] {
      for _ in 0..<count { #expect(daemon.page(path: path) != nil) }
      return daemon.samples(path: path) { _ in true }
    }
    // The other loops open files of /proc at times, and their heap settles; a page is twenty kilobytes.
    let (first, last) = (scrape(200), scrape(2000))
    let (descriptors, resident) = ("process_open_fds", "process_resident_memory_bytes")
    for (name, most) in [(descriptors, 8), (resident, 1 << 20)] {
      let grown = DaemonMetricsTests.number(last, name) - DaemonMetricsTests.number(first, name)
      #expect(first[name] != nil && grown < most, "\(name) grew by \(grown)")
    }
    #expect(daemon.end().status == 0)
    #expect(access(path, F_OK) != 0)
  }

  @Test("SIGHUP moves it elsewhere and ends it; an address that is taken is told, and nothing else stops")
  func reload() {
    let daemon = WatchedDaemon(metrics: DaemonMetricsTests.listen)
    #expect(daemon.isReady())
    let path = daemon.folder + "/m.sock"
    // A socket that a daemon which was killed has left.
    let left = Program.run(
      "/usr/bin/python3", ["-c", "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path])
    #expect(left.status == 0)
    daemon.reload(metrics: "{listen: 'unix:FOLDER/m.sock', textfile: FOLDER/x.prom}")
    #expect(daemon.isReady(path: path))
    #expect(daemon.page() == nil)
    #expect(Files.text(daemon.folder + "/x.prom")?.contains("oomwitness_build_info") ?? false)
    Files.write("kept", to: daemon.folder + "/file")
    daemon.reload(metrics: "{listen: 'unix:FOLDER/file'}")
    let events = daemon.folder + "/events.ndjson"
    for _ in 0..<300 where access(path, F_OK) == 0 || access(daemon.folder + "/x.prom", F_OK) == 0 { usleep(100_000) }
    #expect(access(path, F_OK) != 0 && access(daemon.folder + "/x.prom", F_OK) != 0)
    daemon.reload(metrics: DaemonMetricsTests.listen)
    #expect(daemon.isReady())
    #expect(Files.text(daemon.folder + "/file") == "kept")
    #expect(Line.all(in: Files.text(events) ?? "").filter { $0.type == "stream_start" }.count == 1)
    let ended = daemon.end()
    #expect(ended.status == 0)
    #expect(
      ended.errors.contains(
        "oomwitness: \(daemon.folder)/file is there and no socket: remove it, or listen elsewhere; metrics are not offered"
      ),
      "\(ended.errors)")
  }

  private static let missing: [String] = [
    "prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "promtool",
  ]
  .filter { (name: String) in access("/usr/bin/" + name, X_OK) != 0 }

  @Test(
    "a kill goes the whole way: Prometheus, rule, Alertmanager, webhook; and node_exporter counts the same",
    .enabled(if: Requirement.mustRun || missing.isEmpty, "needs Debian's prometheus, alertmanager and node-exporter"))
  func wholeWay() {
    let bed = Program("/usr/bin/python3", [Repository.root + "/Tests/Metrics/run.py"]).wait(seconds: 600)
    #expect(bed.status == 0, "\(bed.output)\(bed.errors)")
    #expect(bed.output.contains("node_vmstat_oom_kill and our count grew by the same"))
  }

  struct Section: Sendable, CustomTestStringConvertible {
    var metrics: String
    var said: String
    var testDescription: String { metrics }
  }

  static let understood = [
    Section(metrics: "true", said: "127.0.0.1:9755"), Section(metrics: "", said: "127.0.0.1:9755"),
    Section(metrics: "false", said: "off"), Section(metrics: "{series: 10}", said: "127.0.0.1:9755"),
    Section(metrics: "{listen: '[::1]:80'}", said: "[::1]:80"),
    Section(
      metrics: "{listen: 'unix:/run/x.sock', textfile: /a/b.prom}", said: "unix:/run/x.sock, /a/b.prom every 15 s"),
    Section(metrics: "{textfile: /a/b.prom, every: 1m}", said: "/a/b.prom every 60 s"),
    Section(metrics: "{listen: '0.0.0.0:9755', allow_remote: true}", said: "0.0.0.0:9755"),
    Section(metrics: "{bpf_stats: true}", said: "127.0.0.1:9755, BPF programs are measured"),
  ]

  @Test("the section is understood", arguments: understood)
  func section(section: Section) {
    let path = Python.temporaryFile("metrics: \(section.metrics)\n")
    defer { unlink(path) }
    let shown = Program.run(Program.oomwitness, ["daemon", "--check-config", "--config", path])
    #expect(shown.status == 0, "\(shown.errors)")
    #expect(shown.output.contains("metrics          \(section.said)\n"), "\(shown.output)")
  }

  @Test("--metrics listens whatever the file says, and keeps what else the file has")
  func commandLine() {
    for (section, said) in [
      ("metrics: false", "[::1]:80"), ("", "[::1]:80"),
      ("metrics: {listen: '127.0.0.1:9755', textfile: /a/b.prom}", "[::1]:80, /a/b.prom every 15 s"),
    ] {
      let path = Python.temporaryFile("\(section)\n")
      defer { unlink(path) }
      let shown = Program.run(
        Program.oomwitness, ["daemon", "--check-config", "--config", path, "--metrics", "[::1]:80"])
      #expect(shown.status == 0, "\(shown.errors)")
      #expect(shown.output.contains("metrics          \(said)\n"), "\(shown.output)")
    }
    for address in ["0.0.0.0:9755", "localhost:80", "unix:here"] {
      let shown = Program.run(Program.oomwitness, ["daemon", "--check-config", "--metrics", address])
      #expect(shown.status == 64 && shown.errors.contains(address), "\(shown.errors)")
    }
  }

  static let refused = [
    Section(
      metrics: "{listen: '0.0.0.0:9755'}",
      said:
        "1:19: 0.0.0.0:9755 can be reached from other hosts, and nothing asks them who they are: add allow_remote: true"
    ),
    Section(
      metrics: "{listen: 'localhost:9755'}",
      said: "1:19: listen is an address and a port as 127.0.0.1:9755, [::1]:9755 or unix:/PATH, not localhost:9755"),
    Section(
      metrics: "{textfile: /a/b.txt}", said: "1:21: textfile is to end in .prom: node_exporter reads no other"),
    Section(metrics: "{textfile: b.prom}", said: "1:21: textfile is to be a path from the root, not b.prom"),
    Section(metrics: "{every: 5s}", said: "1:18: every is of a textfile, and there is none"),
    Section(metrics: "{textfile: /a.prom, every: 0s}", said: "1:37: every takes 1s to 1h, not 0s"),
    Section(metrics: "{series: 0}", said: "1:19: series takes 1 to 2000, not 0"),
    Section(metrics: "{lisen: x}", said: "1:11: unknown key 'lisen'; did you mean 'listen'?"),
    Section(metrics: "{bpf_stats: perhaps}", said: "1:22: bpf_stats is to be a"),
    Section(metrics: "[]", said: "1:10: metrics is to be a"),
  ]

  @Test("what cannot be is refused with its place and the way out", arguments: refused)
  func refusal(section: Section) {
    let path = Python.temporaryFile("metrics: \(section.metrics)\n")
    defer { unlink(path) }
    let shown = Program.run(Program.oomwitness, ["daemon", "--check-config", "--config", path])
    #expect(shown.status == 64)
    #expect(shown.errors.hasPrefix("oomwitness: \(path):\(section.said)"), "\(shown.errors)")
  }
}
