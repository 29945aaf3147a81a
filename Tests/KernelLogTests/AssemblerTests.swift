// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// When a report is told, and what belongs to it, where the order of lines does not say it plainly.
@Suite struct AssemblerTests {
  static let header = "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
  static let head = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
  static let groupLine = "Tasks in /g are going to be killed due to memory.oom.group set"
  static let noKillable = "Out of memory and no killable processes..."

  static func killed(_ tid: Int, _ comm: String = "a", memcg: Bool = true, uid: Int = 0, totalVM: Int = 8) -> String {
    (memcg ? "Memory cgroup out of memory" : "Out of memory")
      + ": Killed process \(tid) (\(comm)) total-vm:\(totalVM)kB, anon-rss:4kB, file-rss:4kB, shmem-rss:0kB, UID:\(uid) "
      + "pgtables:4kB oom_score_adj:0"
  }

  static func row(_ tid: Int, pid: Int? = nil) -> String { "[\(tid)] 0 \(pid ?? tid) 2 2 4096 0 0 a" }

  static func memcg(_ pid: Int, _ comm: String = "a") -> String {
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/g,task_memcg=/g/x,task=\(comm),"
      + "pid=\(pid),uid=0"
  }

  static func system(_ pid: Int) -> String {
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=a,pid=\(pid),uid=0"
  }

  struct Row: Sendable {
    let name: String
    let lines: [String]
    /// decision: pid/tid role count, "+" where the report came with it.
    let events: [String]
  }

  static let rows: [Row] = [
    Row(name: "a kill line alone", lines: [killed(7)], events: ["1: 7/7 chosen 1"]),
    Row(name: "a report and its kill", lines: [header, memcg(7), killed(7)], events: ["1: 7/7 chosen 1 + /g/x"]),
    Row(name: "a report alone", lines: [header, memcg(7)], events: []),
    Row(
      name: "a report that the next one cuts off", lines: [header, memcg(7), header, memcg(8), killed(8)],
      events: ["1: 8/8 chosen 1 + /g/x"]),
    Row(
      name: "two kill lines without reports", lines: [killed(7), killed(8)],
      events: ["1: 7/7 chosen 1", "2: 8/8 chosen 1"]),
    Row(
      name: "a kill that another report announced", lines: [header, head, row(7), row(8), memcg(7), killed(8)],
      events: ["1: 8/8 chosen 1"]),
    Row(
      name: "a system's kill after a cgroup's report", lines: [header, memcg(7), killed(7, memcg: false)],
      events: ["1: 7/7 chosen 1"]),
    Row(
      name: "a cgroup's kill after a system's report", lines: [header, system(7), killed(7)],
      events: ["1: 7/7 chosen 1"]),
    Row(
      name: "a kill of a thread in the place of its process",
      lines: [header, head, row(9, pid: 7), memcg(7), killed(9, "t")],
      events: ["1: 7/9 chosen 1 + /g/x"]),
    Row(
      name: "a thread without a row, of the same user", lines: [header, memcg(7), killed(9, "t")],
      events: ["1: 7/9 chosen 1 + /g/x"]),
    Row(
      name: "a thread without a row, of another user", lines: [header, memcg(7), killed(9, "t", uid: 5)],
      events: ["1: 9/9 chosen 1"]),
    Row(
      name: "lines of others in the middle",
      lines: [
        "eth0: link up", header, "x: Killed process 1 (a)", memcg(7), "usb 1-1: new device", killed(7), "eth0: down",
      ],
      events: ["1: 7/7 chosen 1 + /g/x"]),
    Row(
      name: "a group", lines: [header, head, row(7), row(8), memcg(7), killed(7), groupLine, killed(8), killed(7)],
      events: ["1: 7/7 chosen 2 + /g/x", "1: 8/8 group 1 +"]),
    Row(
      name: "a group with a line of another in it",
      lines: [header, memcg(7), killed(7), "eth0: up", groupLine, "eth0: down", killed(8), killed(7)],
      events: ["1: 7/7 chosen 2 + /g/x", "1: 8/8 group 1 +"]),
    Row(
      name: "a group whose chosen process is printed by two threads",
      lines: [
        header, head, row(7), row(8), memcg(7), killed(7, totalVM: 80), groupLine, killed(8),
        killed(19, "t", totalVM: 80),
      ],
      events: ["1: 7/7 chosen 2 + /g/x", "1: 8/8 group 1 +"]),
    Row(
      name: "a kill right after a group, of none of its processes",
      lines: [
        header, head, row(7), row(8), memcg(7), killed(7), groupLine, killed(8), killed(7), killed(55, totalVM: 99),
      ],
      events: ["1: 7/7 chosen 2 + /g/x", "1: 8/8 group 1 +", "2: 55/55 chosen 1"]),
    Row(
      name: "a system's kill right after a group", lines: [killed(7), groupLine, killed(8), killed(9, memcg: false)],
      events: ["1: 7/7 chosen 1", "1: 8/8 group 1", "2: 9/9 chosen 1"]),
    Row(
      name: "a group whose first line is lost", lines: [groupLine, killed(8), killed(7)],
      events: ["1: 8/8 group 1", "1: 7/7 group 1"]),
    Row(
      name: "a group of which nobody was seen to die", lines: [groupLine, header, memcg(7), killed(7)],
      events: ["1: 7/7 chosen 1 + /g/x"]),
    Row(name: "nobody to kill", lines: [header, noKillable], events: ["no_killable_process nil"]),
    Row(name: "nobody to kill, without a report", lines: [noKillable], events: ["no_killable_process nil"]),
    Row(
      name: "a chosen process that has gone",
      lines: [
        header, memcg(7), "Memory cgroup out of memory: OOM victim 7 (a) is already exiting. Skip killing the task",
      ],
      events: ["chosen_task_dying 7"]),
    Row(
      name: "a member of a group that has gone",
      lines: [
        killed(7), groupLine, "Memory cgroup out of memory: OOM victim 8 (a) is already exiting. Skip killing the task",
      ],
      events: ["1: 7/7 chosen 1"]),
    Row(
      name: "the reaper after the kill",
      lines: [killed(7), "oom_reaper: reaped process 7 (a), now anon-rss:0kB, file-rss:0kB"],
      events: ["1: 7/7 chosen 1", "outcome 1: 7 finished"]),
    Row(
      name: "the reaper that gives up, later", lines: [killed(7), killed(8), "oom_reaper: unable to reap pid:7 (a)"],
      events: ["1: 7/7 chosen 1", "outcome 1: 7 started", "2: 8/8 chosen 1"]),
    Row(
      name: "a reaper of nobody that was killed", lines: ["oom_reaper: reaped process 7 (a), now anon-rss:0kB"],
      events: []),
  ]

  @Test("Each kill comes with its own report, and a group is one decision", arguments: rows)
  func order(_ row: Row) {
    #expect(ReportAssembler.events(row.lines.map { line($0) }).map(AssemblerTests.summary) == row.events, "\(row.name)")
  }

  private static func summary(_ event: LoggedEvent) -> String {
    switch event.event {
    case .oomKill(let kill):
      let report = kill.trigger == nil ? "" : " +" + (kill.victim.cgroup?.path.map { " \($0.text)" } ?? "")
      return "\(kill.decision.id): \(kill.victim.pid)/\(kill.victim.tid ?? 0) \(kill.victim.role?.rawValue ?? "nil") "
        + "\(kill.victim.kernelCount)\(report)"
    case .oomNoKill(let noKill): return "\(noKill.reason.rawValue) \(noKill.tid.map(String.init) ?? "nil")"
    case .oomOutcome(let outcome):
      return "outcome \(outcome.decisionID): \(outcome.pid) \(outcome.reaper?.rawValue ?? "nil")"
    default: return "unexpected"
    }
  }

  // MARK: Time

  @Test("A kill waits for its group's lines, and no longer than the hold")
  func deadline() {
    var assembler = ReportAssembler(.test())
    #expect(assembler.nextDeadlineNanoseconds == nil)
    #expect(assembler.consume(line(AssemblerTests.header), receivedNanoseconds: 900).isEmpty)
    #expect(assembler.nextDeadlineNanoseconds == nil)
    #expect(assembler.consume(line(AssemblerTests.killed(7)), receivedNanoseconds: 1000).isEmpty)
    #expect(assembler.nextDeadlineNanoseconds == 50_001_000)
    #expect(assembler.killsWaiting == 1)
    #expect(assembler.advance(toNanoseconds: 50_000_999).isEmpty)
    #expect(assembler.consume(line(AssemblerTests.groupLine), receivedNanoseconds: 2000).isEmpty)
    #expect(assembler.nextDeadlineNanoseconds == 50_002_000)
    #expect(assembler.consume(line("eth0: up"), receivedNanoseconds: 3000).isEmpty)
    #expect(assembler.nextDeadlineNanoseconds == 50_002_000)
    #expect(assembler.advance(toNanoseconds: 50_002_000).kills.map(\.victim.pid) == [7])
    #expect(assembler.nextDeadlineNanoseconds == nil)
    #expect(assembler.killsWaiting == 0)
    #expect(assembler.flush().isEmpty)
  }

  @Test("Where no group can be killed, the kill line completes its report")
  func withoutGroups() {
    var byHost = ReportAssembler(.test(hasGroupKills: false))
    #expect(byHost.consume(line(AssemblerTests.killed(7)), receivedNanoseconds: 1).kills.map(\.victim.pid) == [7])
    // cgroup v1 has no groups: its own line of memory and swap together tells it.
    var byReport = ReportAssembler(.test())
    let lines = Fixture("6.18-v1.kmsg").lines
    let events = lines.map { byReport.consume($0).kills.map(\.victim.pid) }
    #expect(events == Array(repeating: [], count: lines.count - 1) + [[4529]])
  }

  @Test("In a file, a line that is much later ends the wait")
  func logClock() {
    var assembler = ReportAssembler(.test())
    func at(_ milliseconds: Int64, _ text: String) -> [Int32] {
      let line = LogLine(text: Array(text.utf8), monotonicNanoseconds: milliseconds * 1_000_000)
      return assembler.consume(line).kills.map(\.victim.pid)
    }
    #expect(at(1000, AssemblerTests.killed(7)) == [])
    #expect(at(1050, "eth0: up") == [])
    #expect(at(1051, "eth0: down") == [7])
    #expect(at(1052, AssemblerTests.killed(8)) == [])
    #expect(assembler.flush().kills.map(\.victim.pid) == [8])
  }

  // MARK: Points

  @Test("Among equals the later row comes first, since the kernel takes that one")
  func ties() {
    let rows = [AssemblerTests.row(7), AssemblerTests.row(8), AssemblerTests.row(9)]
    let texts =
      [AssemblerTests.header, AssemblerTests.head] + rows + [
        AssemblerTests.system(9), AssemblerTests.killed(9, memcg: false),
      ]
    let kills = ReportAssembler.events(texts.map { line($0) }).kills
    #expect(kills.map { $0.candidates?.list.map(\.rank) } == [[3, 2, 1]])
    #expect(kills.map { $0.candidates?.runnerUpMarginPages } == [0])
  }

  @Test("Where the kernel passed a process with more points, there is no margin: why it did is not in the log")
  func passedOver() {
    let rows = [AssemblerTests.row(7), "[8] 0 8 2 900 4096 0 0 a"]
    let texts =
      [AssemblerTests.header, AssemblerTests.head] + rows + [
        AssemblerTests.system(7), AssemblerTests.killed(7, memcg: false),
      ]
    let kills = ReportAssembler.events(texts.map { line($0) }).kills
    #expect(kills.map { $0.candidates?.list.map(\.rank) } == [[2, 1]])
    #expect(kills.map { $0.candidates?.considered } == [2])
    #expect(kills.map { $0.candidates?.runnerUpMarginPages } == [nil])
  }

  @Test("A zone that another context prints once more is not counted twice")
  func zones() {
    var lines = Fixture("6.12-cpuset.kmsg").lines
    let zone = lines.firstIndex { String(decoding: $0.text, as: UTF8.self).hasPrefix("Node 1 DMA32 free:") }!
    lines.insert(lines[zone], at: zone)
    let kills = ReportAssembler.events(lines).kills
    #expect(kills.map { $0.limit?.totalPages } == [76768, 76768])
  }

  // MARK: Holes

  @Test("A hole in the numbers is counted, and takes the candidates but never the kill")
  func hole() throws {
    let lines = Fixture("5.10-memcg.kmsg").lines
    let head = try #require(lines.firstIndex { String(decoding: $0.text, as: UTF8.self).hasPrefix("[  pid") })
    var cut = lines
    cut.remove(at: head + 1)
    var assembler = ReportAssembler(.test())
    let kills = cut.flatMap { assembler.consume($0) }.kills + assembler.flush().kills
    #expect(kills.map(\.victim.pid) == [84])
    #expect(kills.map { $0.candidates == nil } == [true])
    #expect(kills.map { $0.unavailable.contains("candidates") } == [true])
    #expect(assembler.recordsMissed == 1)
  }

  @Test("A report whose kill was lost is counted and told as no kill")
  func abandoned() {
    var assembler = ReportAssembler(.test())
    let lines = Fixture("5.10-memcg.kmsg").lines.dropLast() + Fixture("5.10-system.kmsg").lines
    let kills = lines.flatMap { assembler.consume($0) }.kills + assembler.flush().kills
    #expect(kills.map(\.victim.pid) == [98])
    #expect(kills.map { $0.scope } == [.system])
    #expect(assembler.reportsAbandoned == 1)
  }

  @Test("With callers in the log, what another CPU prints in between is not taken for the report's")
  func callers() {
    var lines = Fixture("5.10-memcg.kmsg").lines.map { line in
      var line = line
      line.caller = KernelName("T84")
      line.sequence = nil
      return line
    }
    let plain = ReportAssembler.events(lines).kills.map { $0.candidates?.considered }
    var foreign = line("[     99]     0    99        1        1     4096        0             0 other")
    foreign.caller = KernelName("T99")
    lines.insert(foreign, at: lines.count - 3)
    #expect(ReportAssembler.events(lines).kills.map { $0.candidates?.considered } == plain)
    lines[lines.count - 4].caller = KernelName("T84")
    #expect(ReportAssembler.events(lines).kills.map { $0.candidates?.considered } == [4])
  }

  @Test("A line in pieces is whole again, with another's line between them")
  func pieces() {
    let pieces = [
      "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/", ",mems_allowed=0,oom_memcg=/g",
      ",task_memcg=/g/x", ",task=a,pid=7,uid=0",
    ]
    var lines = [line(AssemblerTests.header)] + pieces.map { line($0) } + [line(AssemblerTests.killed(7))]
    lines.insert(line("eth0: up"), at: 3)
    #expect(ReportAssembler.events(lines).map(AssemblerTests.summary) == ["1: 7/7 chosen 1 + /g/x"])
    lines.remove(at: 4)
    let kills = ReportAssembler.events(lines).kills
    #expect(kills.map { $0.victim.cgroup == nil && $0.scope == .memcg } == [true])
  }
}
