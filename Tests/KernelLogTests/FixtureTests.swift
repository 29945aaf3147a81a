// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// Reports of real kernels, each against what was done to make them and what stands in them.
@Suite struct FixtureTests {
  struct Row: Sendable {
    let fixture: String
    /// A line an event. Of a kill: path of the decision, scope; pid/tid, role, kernel_count, name, cgroup; the trigger's pid;
    /// limit's cgroup, its pages, the domain's pages; points, runner-up margin; tids of the candidates by rank, then those skipped.
    let events: [String]
  }

  static let hostilePath = #"/a,task=x,pid=1,uid=0 (é)="q" oom_memcg=\x41"#

  static let rows: [Row] = [
    Row(
      fixture: "5.10-memcg.kmsg",
      events: ["scan memcg; 84/84 chosen 1 <bad,pid=1> /par/kid; 84; /par 8192 8192; 5343 716; [84, 81] [82]"]),
    Row(
      fixture: "6.1-memcg.kmsg",
      events: ["scan memcg; 95/95 chosen 1 <bad,pid=1> /par/kid; 95; /par 8192 8192; 5276 638; [95, 92] [93]"]),
    Row(
      fixture: "6.12-memcg.kmsg",
      events: ["scan memcg; 148/148 chosen 1 <bad,pid=1> /par/kid; 148; /par 8192 8192; 5320 682; [148, 145] [146]"]),
    Row(
      fixture: "7.2-memcg.kmsg",
      events: ["scan memcg; 110/110 chosen 1 <bad,pid=1> /par/kid; 110; /par 8192 8192; 5355 680; [110, 107] [108]"]),
    Row(
      fixture: "5.10-group.kmsg",
      events: [
        "memcg_group memcg; 93/93 chosen 2 <hog> /grp; 93; /grp 10240 10240; 7791 4083; [93, 91, 90] []",
        "memcg_group memcg; 90/90 group 1 <hog> nil; 93; /grp 10240 10240; 1178 nil; nil",
        "memcg_group memcg; 91/91 group 1 <hog> nil; 93; /grp 10240 10240; 3708 nil; nil",
      ]),
    Row(
      fixture: "7.2-group.kmsg",
      events: [
        "memcg_group memcg; 118/118 chosen 2 <hog> /grp; 118; /grp 10240 10240; 7807 4047; [118, 116, 115] []",
        "memcg_group memcg; 116/116 group 1 <hog> nil; 118; /grp 10240 10240; 3760 nil; nil",
        "memcg_group memcg; 115/115 group 1 <hog> nil; 118; /grp 10240 10240; 1243 nil; nil",
      ]),
    Row(
      fixture: "5.10-alloctask.kmsg",
      events: ["allocating_task system; 102/102 chosen 1 <hog> /; 102; nil nil 74616; 68368 nil; nil"]),
    Row(
      fixture: "6.1-sysrq.kmsg",
      events: ["sysrq system; 116/116 chosen 1 <hog> /; 50; nil nil 72906; 5346 nil; [116] []"]),
    Row(
      fixture: "6.12-system.kmsg",
      events: ["scan system; 162/162 chosen 1 <hog> /; 162; nil nil 71539; 51600 8200; [162, 160, 159, 163] []"]),
    Row(
      fixture: "7.2-system.kmsg",
      events: ["scan system; 123/123 chosen 1 <hog> /; 123; nil nil 67644; 47242 5802; [123, 121, 120, 124] []"]),
    Row(
      fixture: "6.12-cpuset.kmsg",
      events: [
        "scan cpuset; 152/152 chosen 1 <hog> /; 153; nil nil 76768; 31822 31417; [152, 153, 154] []",
        "scan cpuset; 154/154 chosen 1 <sleep> /; 153; nil nil 76768; 340 170; [154, 153] []",
      ]),
    Row(
      fixture: "6.12-mempolicy.kmsg",
      events: ["scan mempolicy; 159/159 chosen 1 <hog> /; 161; nil nil 76768; 33138 32797; [159, 162, 161] []"]),
    Row(
      fixture: "6.12-thread.kmsg",
      events: ["scan system; 165/167 chosen 1 <worker> /; 165; nil nil 67080; 59276 58936; [167, 166] []"]),
    Row(
      fixture: "6.12-nokillable.kmsg",
      events: ["no_killable_process memcg; 171; /nk; 1", "no_killable_process memcg; 171; /nk; 1"]),
    Row(
      fixture: "6.18-v1.kmsg",
      events: ["scan memcg; 4529/4529 chosen 1 <hog> /klog; 4529; /klog 8192 8192; 5206 521; [4529, 4527, 4526] []"]),
    Row(
      fixture: "6.18-leader.kmsg",
      events: ["scan memcg; 4634/4636 chosen 1 <worker> /klog/in; 4634; /klog 8192 8192; 10764 nil; [4636] []"]),
    Row(
      fixture: "6.18-hostile.kmsg",
      events: [
        ("4576", "a )", 8349), ("4578", "    ", 8317), ("4580", "(a,pid=1,uid=", 8317),
        ("4582", "Killed process ", 8316),
        ("4584", "fffe1b5d22275c7830", 8316), ("4586", ",uid", 8317), ("4588", "=) ( ", 8316),
      ].map { (pid: String, name: String, points: Int) in
        "scan memcg; \(pid)/\(pid) chosen 1 <\(name)> \(hostilePath); \(pid); \(hostilePath) 8192 8192; \(points) nil; [\(pid)] []"
      }),
  ]

  @Test("A real report gives the events of what was done to the machine", arguments: rows)
  func events(_ row: Row) {
    #expect(ReportAssembler.events(Fixture(row.fixture).lines).map(FixtureTests.summary) == row.events)
  }

  private static func summary(_ event: LoggedEvent) -> String {
    switch event.event {
    case .oomKill(let kill): summary(kill)
    case .oomNoKill(let noKill):
      "\(noKill.reason.rawValue) \(text(noKill.scope?.rawValue)); \(text(noKill.trigger?.pid)); "
        + "\(text(noKill.limit?.cgroup?.path?.text)); \(text(noKill.considered))"
    default: "unexpected \(event.event.typeName)"
    }
  }

  private static func summary(_ kill: OOMKill) -> String {
    let victim = kill.victim
    let name = victim.comm.isValidUTF8 ? victim.comm.text : victim.comm.hex
    let decision = "\(text(kill.decision.path?.rawValue)) \(text(kill.scope?.rawValue))"
    let who =
      "\(victim.pid)/\(text(victim.tid)) \(text(victim.role?.rawValue)) \(victim.kernelCount) <\(name)> "
      + text(victim.cgroup?.path?.text)
    let limit =
      "\(text(kill.limit?.cgroup?.path?.text)) \(text(kill.limit?.limit?.pages)) \(text(kill.limit?.totalPages))"
    let points = "\(text(kill.badness?.points)) \(text(kill.candidates?.runnerUpMarginPages))"
    let candidates = kill.candidates.map { candidates in
      let ranked = candidates.list.filter { $0.rank != nil }.sorted { $0.rank! < $1.rank! }.map(\.tid)
      return "\(ranked) \(candidates.list.filter { $0.skipped != nil }.map(\.tid))"
    }
    return "\(decision); \(who); \(text(kill.trigger?.pid)); \(limit); \(points); \(text(candidates))"
  }

  private static func text<Value>(_ value: Value?) -> String { value.map { "\($0)" } ?? "nil" }

  @Test(
    "An event of a real report is this line, and no other",
    arguments: [
      "5.10-memcg", "6.1-alloctask", "6.12-system", "6.12-nokillable", "6.18-deep", "6.18-leader", "7.2-group",
      "7.2-sysrq",
    ])
  func wholeLines(_ name: String) {
    let expected = Fixture.bytes(name + ".ndjson").split(separator: UInt8(ascii: "\n"))
      .map { String(decoding: $0, as: UTF8.self) }
    #expect(!expected.isEmpty)
    #expect(ReportAssembler.events(Fixture(name + ".kmsg").lines).jsonLines == expected)
  }

  @Test("Every kill line of every fixture is counted once, and nothing else is", arguments: Fixture.names)
  func counts(_ name: String) {
    let fixture = Fixture(name)
    let kills = ReportAssembler.events(fixture.lines).kills
    #expect(kills.reduce(0) { $0 + $1.victim.kernelCount } == fixture.killedTIDs.count)
    #expect(Set(kills.map { $0.victim.tid }) == Set(fixture.killedTIDs))
  }

  @Test("The kernel's rate limit takes the report, and never the kill")
  func storm() {
    let kills = ReportAssembler.events(Fixture("6.18-storm.kmsg").lines, .test(swapTotalPages: nil)).kills
    #expect(kills.map(\.victim.pid) == Array(5175...5188))
    #expect(kills.map { $0.decision.id } == Array(1...14))
    #expect(kills.map { $0.trigger != nil } == (0..<14).map { $0 < 10 })
    #expect(
      kills.last?.unavailable == [
        "trigger", "limit", "victim.pid", "victim.cgroup.path", "victim.ppid", "victim.start_time", "victim.threads",
        "badness",
        "candidates", "memory",
      ])
  }

  @Test("A log of text lines, where no record is marked as a fragment, gives the same")
  func withoutRecords() {
    let fixture = Fixture("6.12-system.kmsg")
    let lines = fixture.lines.flatMap { line in
      line.text.split(separator: UInt8(ascii: "\n")).map {
        LogLine(text: Array($0), monotonicNanoseconds: line.monotonicNanoseconds, isFromKernel: line.isFromKernel)
      }
    }
    #expect(lines.count > fixture.lines.count)
    #expect(ReportAssembler.events(lines).jsonLines == ReportAssembler.events(fixture.lines).jsonLines)
  }

  @Test("With swap on the host, points that need its size are left out, and the others are not")
  func unknownSwap() {
    func points(_ swapTotalPages: Pages?) -> [Pages?] {
      let kills = ReportAssembler.events(Fixture("6.18-v1.kmsg").lines, .test(swapTotalPages: swapTotalPages)).kills
      return kills[0].candidates!.list.map(\.points) + [kills[0].limit?.totalPages]
    }
    #expect(points(0) == [2737, 4685, 5206, 8192])
    #expect(points(nil) == [2737, nil, 5206, nil])
    #expect(points(1000) == [2737, nil, 5206, nil])
  }

  @Test(
    "On cgroup v2 the domain is the limit and the swap that swappiness lets it use",
    arguments: [(0, nil, 8192), (1000, nil, nil), (1000, 0, 8192), (1000, 60, 9192), (nil, 60, nil)]
      as [(Pages?, Int?, Pages?)])
  func swappiness(swapTotalPages: Pages?, swappiness: Int?, domainPages: Pages?) {
    let log = LogSource(source: .log, pageSizeBytes: 4096, swapTotalPages: swapTotalPages, swappiness: swappiness)
    let kills = ReportAssembler.events(Fixture("5.10-memcg.kmsg").lines, log).kills
    #expect(kills.map { $0.badness?.domainPages } == [domainPages])
    #expect(kills.map { $0.unavailable.contains("limit.total_pages") } == [domainPages == nil])
  }
}
