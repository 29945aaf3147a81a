// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Metrics

/// The page, as scrapers read it.
@Suite struct MetricPageTests {
  static func page(_ book: MetricBook, _ format: ExpositionFormat = .text, _ readings: MetricReadings = full) -> String
  {
    var bytes: [UInt8] = []
    book.write(format, readings, into: &bytes)
    #expect(String(validating: bytes, as: UTF8.self) != nil)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Of a daemon with two sinks, one of them down, a spool, and a kernel that measures.
  static var full: MetricReadings {
    var readings = MetricReadings()
    readings.sinks = [
      .init(
        name: "file", isUp: true, queuedLines: 0, queuedBytes: 0, deliveredLines: 7, filteredLines: 1, droppedLines: 0,
        failures: 0),
      .init(
        name: "http", isUp: false, queuedLines: 5, queuedBytes: 4096, deliveredLines: 2, filteredLines: 0,
        droppedLines: 3, failures: 4),
    ]
    readings.spool = .init(bytes: 65_536, segments: 2, isFailing: false)
    readings.history = .init(bytes: 8192, storedLines: 4, droppedLines: 1, filesSetAside: 0, isFailing: true)
    readings.programs = [.init(name: "fentry:oom_kill_process", runs: 3, runNanoseconds: 12_345)]
    return readings
  }

  static func victim(_ path: KernelName?, _ owner: CgroupOwner? = nil, kernelCount: Int = 1) -> Event {
    var victim = Victim(pid: 42, comm: KernelName("hog"), kernelCount: kernelCount)
    victim.cgroup = CgroupRef(path: path)
    victim.cgroup?.owner = owner
    var kill = OOMKill(decision: Decision(id: 1), source: .fentry, victim: victim)
    kill.scope = .memcg
    return .oomKill(kill)
  }

  static func time(_ seconds: Int64 = 1) -> EventTime {
    EventTime(wallNanoseconds: nil, monotonicNanoseconds: seconds * 1_000_000_000)
  }

  @Test("all is there from the start, and counts from zero")
  func fromZero() {
    let samples = MetricJudge.samples(MetricPageTests.page(MetricBook(), .text, MetricReadings()))
    #expect(samples.count > 200)
    for (name, value) in samples where !name.hasPrefix("process_") { #expect(value == "0", "\(name)") }
    for name in [
      #"oomwitness_kills_total{scope="system"}"#, #"oomwitness_kills_total{scope="memcg"}"#,
      #"oomwitness_cgroup_kills_total{cgroup="other"}"#, #"oomwitness_pod_kills_total{pod="other"}"#,
      #"oomwitness_container_kills_total{container="other"}"#, #"oomwitness_unit_kills_total{unit="other"}"#,
      #"oomwitness_losses_total{reason="ring_full"}"#, #"oomwitness_exit_seconds_bucket{le="+Inf"}"#,
      #"oomwitness_guard_actions_total{by="oomwitness",outcome="sent",signal="SIGKILL"}"#,
      #"oomwitness_guard_actions_total{by="oomwitness",outcome="nobody"}"#,
      #"oomwitness_no_kills_total{reason="no_killable_process"}"#, "oomwitness_reconcile_difference",
    ] {
      #expect(samples[name] == "0", "\(name)")
    }
    // What was not measured, or is not watched, is absent.
    #expect(!samples.keys.contains { $0.hasPrefix("oomwitness_bpf_") || $0.hasPrefix("oomwitness_pressure_level") })
  }

  @Test(
    "two readers that others wrote take the page in both formats, and read the same",
    .enabled(if: MetricJudge.mayRun, Comment(rawValue: MetricJudge.refusal ?? "")))
  func judges() {
    let book = MetricBook()
    for event in MetricCountTests.rows { book.take(event.event, at: MetricPageTests.time()) }
    book.watchPressure(of: [nil, KernelName("/app")])
    let (text, open) = (MetricPageTests.page(book, .text), MetricPageTests.page(book, .openMetrics))
    #expect(MetricJudge.promtool(text) == "")
    let (one, other) = (
      MetricJudge.parsed(text, isOpenMetrics: false), MetricJudge.parsed(open, isOpenMetrics: true)
    )
    #expect(one.status == 0, "\(one.lines)")
    #expect(other.status == 0, "\(other.lines)")
    #expect(!(one.lines + other.lines).contains { $0.hasPrefix("twice:") || $0.hasPrefix("no help:") })
    // How the process fares changes between the two; a bucket's bound is `1` in one and `1.0` in the other.
    func same(_ lines: [String]) -> [String] {
      lines.filter { !$0.hasPrefix("process_") }.map { $0.replacing(".0'", with: "'") }.sorted()
    }
    #expect(same(one.lines) == same(other.lines))
    #expect(one.lines.count == MetricJudge.samples(text).count)
    #expect(open.hasSuffix("\n# EOF\n"))
    #expect(!text.contains("# EOF"))
  }

  @Test("families keep their names in both formats: counters end in _total, and so do their types in the older one")
  func heads() {
    let book = MetricBook()
    let (text, open) = (MetricPageTests.page(book, .text), MetricPageTests.page(book, .openMetrics))
    for line in ["# TYPE oomwitness_kills_total counter", "# TYPE oomwitness_exit_seconds histogram"] {
      #expect(text.contains("\n\(line)\n") || text.hasPrefix(line))
    }
    for line in ["# TYPE oomwitness_kills counter", "# TYPE oomwitness_exit_seconds histogram"] {
      #expect(open.contains("\n\(line)\n"))
    }
    #expect(text.contains("_bucket{le=\"1\"}") && !text.contains("le=\"1.0\""))
    #expect(open.contains("_bucket{le=\"1.0\"}") && !open.contains("le=\"1\""))
  }

  static let hostile: [[UInt8]] = [
    Array(#"/a"b\c{d="e"} 1"#.utf8), Array("/line\nfeed # EOF".utf8), Array("/re\rturn\ttab\u{1b}[31m".utf8),
    [0x2f, 0xff, 0xfe, 0x61], [0x2f, 0xc3, 0x28], Array("/ünï/日本/\u{2028}\u{85}".utf8), Array(#"/end\"#.utf8),
    Array("other".utf8), [0x2f] + Array(repeating: 0x78, count: 4095),
    [0x2f] + Array(repeating: "é".utf8, count: 600).joined(),
  ]

  @Test(
    "whatever a cgroup is called, it stays one label value", arguments: hostile)
  func hostileNames(name: [UInt8]) {
    let book = MetricBook()
    let owner = CgroupOwner(unit: KernelName(bytes: name).text, container: nil, pod: nil)
    book.take(MetricPageTests.victim(KernelName(bytes: name), owner), at: MetricPageTests.time())
    let page = MetricPageTests.page(book)
    // No line more than the two series, and every line is one of the three kinds.
    let plain = MetricPageTests.page(MetricBook())
    let isOther = name == Array("other".utf8)
    #expect(page.utf8.count { $0 == 0x0a } == plain.utf8.count { $0 == 0x0a } + (isOther ? 0 : 2))
    guard MetricJudge.mayRun else { return }
    #expect(MetricJudge.promtool(page) == "")
    for (isOpen, text) in [(false, page), (true, MetricPageTests.page(book, .openMetrics))] {
      let read = MetricJudge.parsed(text, isOpenMetrics: isOpen)
      #expect(read.status == 0, "\(read.lines.suffix(3))")
      #expect(read.lines.filter { $0.hasPrefix("oomwitness_cgroup_kills_total ") }.count == (isOther ? 1 : 2))
      #expect(!read.lines.contains { $0.hasPrefix("twice:") })
    }
  }

  @Test("numbers with a fixed count of decimals are written without zeros at the end")
  func decimals() {
    let rows: [(Int64, Int, String)] = [
      (0, 0, "0"), (0, 6, "0"), (10, 0, "10"), (-3, 0, "-3"), (1500, 6, "0.0015"), (1_000_000, 6, "1"),
      (12_345_678, 6, "12.345678"), (-1500, 6, "-0.0015"), (1, 9, "0.000000001"), (100, 6, "0.0001"),
      (10_000_000, 6, "10"), (Int64.max, 0, "9223372036854775807"), (Int64.min, 0, "-9223372036854775808"),
    ]
    for (value, digits, wanted) in rows {
      var bytes: [UInt8] = []
      Exposition.decimal(value, digits: digits, into: &bytes)
      #expect(String(decoding: bytes, as: UTF8.self) == wanted)
    }
  }

  @Test("the room of a page is used again")
  func roomIsKept() {
    let book = MetricBook()
    var bytes: [UInt8] = []
    book.write(.text, MetricReadings(), into: &bytes)
    let (place, room) = (bytes.withUnsafeBytes { $0.baseAddress }, bytes.capacity)
    for _ in 0..<50 { book.write(.openMetrics, MetricReadings(), into: &bytes) }
    #expect(bytes.capacity == room)
    #expect(bytes.withUnsafeBytes { $0.baseAddress } == place)
  }
}
