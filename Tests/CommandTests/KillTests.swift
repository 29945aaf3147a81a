// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// Real kills in scratch cgroups, told by the binary, held against the kernel's own log.
@Suite(
  .serialized, .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct KillTests {
  static let hog = "exec /usr/bin/python3 -c 'x=[bytearray(1<<20) for _ in range(200)]'"

  /// One traced kill: the events of the stream, and how the tracer ended.
  static func traced(
    _ options: [String], group: String, command: String = hog, waitFor: String = "\"type\":\"oom_outcome\""
  ) -> (events: [Line], ended: Program.Ended) {
    let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson"] + options)
    #expect(tracer.waitForOutput(containing: "stream_start"))
    let cgroup = ScratchCgroup(group, limitBytes: 32 << 20)
    _ = cgroup.run(command)
    #expect(tracer.waitForOutput(containing: waitFor), "\(tracer.outputSoFar)")
    tracer.signal(SIGTERM)
    let ended = tracer.wait()
    return (Line.all(in: ended.output), ended)
  }

  @Test("a kill is told once, with the kernel's own numbers", arguments: ["auto", "tracepoint", "kmsg"])
  func oneKill(probe: String) throws {
    RealKills.awaitReports()
    let group = "oomwitness-one-\(probe)-\(getpid())"
    let last = probe == "kmsg" ? "\"type\":\"oom_kill\"" : "\"type\":\"oom_outcome\""
    let (events, ended) = KillTests.traced(
      ["--probe", probe, "--candidates", "all"], group: group, waitFor: last)
    #expect(ended.status == 0)
    let kills = events.filter { $0.type == "oom_kill" && $0.text("victim", "cgroup", "path") == "/" + group }
    #expect(kills.count == 1)
    let kill = try #require(kills.first)
    let log = try #require(KernelLine.last(pid: kill.number("victim", "tid")!))
    #expect(kill.text("victim", "comm") == log.comm)
    #expect(kill.number("victim", "uid") == log.numbers["UID"])
    #expect(kill.number("victim", "oom_score_adj") == log.numbers["oom_score_adj"])
    #expect(kill.number("victim", "kernel_count") == 1)
    let pageKiB = events.first!.number("page_size")! / 1024
    for (field, key) in [
      ("anon_pages", "anon-rss"), ("file_pages", "file-rss"), ("shmem_pages", "shmem-rss"),
      ("pgtable_pages", "pgtables"),
    ] {
      #expect(kill.number("badness", "breakdown", field).map { $0 * pageKiB } == log.numbers[key], "\(field)")
    }
    #expect(kill.text("scope") == "memcg")
    #expect(kill.text("limit", "cgroup", "path") == "/" + group)
    #expect(kill.number("limit", "limit_pages").map { $0 * pageKiB } == 32 << 10)
    #expect(kill.number("candidates", "considered") == 1)
  }

  @Test("the stream is numbered without holes and balances with vmstat")
  func books() {
    let (events, _) = KillTests.traced([], group: "oomwitness-books-\(getpid())")
    #expect(events.map { $0.number("seq") } == (1...events.count).map { Int?($0) })
    #expect(events.first?.type == "stream_start")
    let end = events.last
    #expect(end?.type == "stream_end")
    #expect(end?.number("kernel_count_told") == end?.number("vmstat_oom_kill_growth"))
    #expect(events.filter { $0.type == "loss" }.isEmpty)
  }

  @Test("a hostile name stays valid JSON, and no control character reaches a terminal")
  func hostileNames() throws {
    let name = "oom\"}\u{1b}[31m{evil-\(getpid())"
    let command =
      "exec /usr/bin/python3 -c 'import ctypes;ctypes.CDLL(None).prctl(15,bytes([34,27,91,255,10,125,92]));"
      + "x=[bytearray(1<<20) for _ in range(200)]' 'an \"argument\"'"
    let (events, ended) = KillTests.traced(["--candidates", "0"], group: name, command: command)
    let kill = try #require(events.first { $0.type == "oom_kill" })
    #expect(kill.text("victim", "comm_hex") == "221b5bff0a7d5c")
    #expect(kill.text("victim", "cgroup", "path") == "/" + name)
    #expect(kill.array("victim", "cmdline")?.last as? String == "an \"argument\"")
    #expect(!ended.output.utf8.contains { $0 < 0x20 && $0 != 0x0a })

    let pretty = Program(Program.oomwitness, ["trace", "--output", "pretty", "--count", "1"])
    #expect(pretty.waitForOutput(containing: "watching"))
    _ = ScratchCgroup(name, limitBytes: 32 << 20).run(command)
    let shown = pretty.wait()
    #expect(shown.status == 0)
    #expect(shown.output.contains("OOM KILL"))
    #expect(!shown.output.utf8.contains { $0 < 0x20 && $0 != 0x0a })
  }

  @Test("filters keep kills out of the stream, and the books still balance")
  func filters() {
    let (events, _) = KillTests.traced(
      ["--comm", "no-such-*"], group: "oomwitness-filter-\(getpid())")
    #expect(events.filter { $0.type == "oom_kill" }.isEmpty)
    #expect(events.last?.number("kills_filtered") == 1)
    #expect(events.last?.number("kernel_count_told") == events.last?.number("vmstat_oom_kill_growth"))
  }

  @Test("a recording replays to the same kill")
  func recording() throws {
    let path = "/tmp/oomwitness-test-\(getpid()).record"
    defer { unlink(path) }
    let (events, _) = KillTests.traced(
      ["--probe", "tracepoint", "--record", path], group: "oomwitness-record-\(getpid())")
    let live = try #require(events.first { $0.type == "oom_kill" })
    let replayed = Program.run(Program.oomwitness, ["replay", path, "--output", "ndjson"])
    #expect(replayed.status == 0)
    let again = try #require(Line.all(in: replayed.output).first { $0.type == "oom_kill" })
    // A replay has no /proc of that host. What the tracer had read of the victim while it lived is in the line alone.
    var recorded = live
    var badness = try #require(live.object["badness"] as? [String: Any])
    badness["proc_oom_score"] = nil
    recorded.object["badness"] = badness
    let lacking = (live.array("unavailable") as? [String] ?? []).filter { $0 != "victim.exe" }
    for field in ["decision", "scope", "trigger", "limit", "badness", "candidates", "monotonic_ns"] {
      #expect(again.json(field) == recorded.json(field), "\(field)")
    }
    #expect(again.array("unavailable") as? [String] == lacking + ["victim.exe", "memory"])
  }

  @Test("a reader that goes away ends it quietly")
  func brokenPipe() {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }  // else the tracer would hold its own reader
    let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson"], output: ends[1])
    close(ends[1])
    var byte: UInt8 = 0
    #expect(read(ends[0], &byte, 1) == 1)
    close(ends[0])
    _ = ScratchCgroup("oomwitness-pipe-\(getpid())", limitBytes: 32 << 20).run(KillTests.hog)
    let ended = tracer.wait(seconds: 20)
    #expect(ended.status == 0)
    #expect(!ended.errors.contains("Broken pipe"))
  }

  @Test("a ring of one page tells or counts every kill")
  func smallestRing() {
    let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson", "--ring-bytes", "1"])
    #expect(tracer.waitForOutput(containing: "stream_start"))
    let grow = "x=0123456789abcdef; while :; do x=\\$x\\$x; done"
    let shells = (0..<6).map { index in
      "(mkdir -p $G-\(index); echo 4194304 > $G-\(index)/$L; for i in 1 2 3 4 5; do "
        + "sh -c \"echo \\$\\$ > $G-\(index)/cgroup.procs; \(grow)\"; done; sleep 0.2; rmdir $G-\(index)) & "
    }
    let version1 = access("/sys/fs/cgroup/memory", F_OK) == 0
    let parent = version1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup"
    let limit = version1 ? "memory.limit_in_bytes" : "memory.max"
    let script = "G=\(parent)/oomwitness-ring-\(getpid()); L=\(limit); " + shells.joined() + " wait"
    _ = Program.run("/bin/sh", ["-c", script])
    usleep(500_000)
    tracer.signal(SIGINT)
    let ended = tracer.wait()
    #expect(ended.status == 0)
    let events = Line.all(in: ended.output)
    let told = events.filter { $0.type == "oom_kill" }.compactMap { $0.number("victim", "kernel_count") }.reduce(0, +)
    let lost = events.filter { $0.type == "loss" }.compactMap { $0.number("kernel_count") }.reduce(0, +)
    #expect(told + lost == events.last?.number("vmstat_oom_kill_growth"))
    #expect((events.last?.number("vmstat_oom_kill_growth") ?? 0) >= 30)
  }
}

/// The kernel's own "Killed process" line.
struct KernelLine {
  let comm: String
  /// `total-vm`, `anon-rss`, `file-rss`, `shmem-rss`, `pgtables` in KiB; `UID`, `oom_score_adj`.
  let numbers: [String: Int]

  static func last(pid: Int) -> KernelLine? {
    let log = Program.run("/bin/dmesg", [])
    let mark = "Killed process \(pid) ("
    guard let line = log.output.split(separator: "\n").last(where: { $0.contains(mark) }),
      let start = line.range(of: mark)?.upperBound, let end = line.range(of: ") total-vm:")
    else { return nil }
    var numbers: [String: Int] = [:]
    for part in line[end.lowerBound...].split(whereSeparator: { ", )".contains($0) }) {
      let pair = part.split(separator: ":")
      if pair.count == 2 { numbers[String(pair[0])] = Int(pair[1].hasSuffix("kB") ? pair[1].dropLast(2) : pair[1]) }
    }
    return KernelLine(comm: String(line[start..<end.lowerBound]), numbers: numbers)
  }
}
