// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// With the other real kills, one after another: each counts all of the host's.
extension KillTests {
  /// The kernel's log beside the probes: what was before the start, and what the probes missed.
  @Suite struct BackfillTests {
    static func oomKillCount() -> Int {
      let line = (Files.text("/proc/vmstat") ?? "").split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
      return line.flatMap { Int($0.dropFirst(9)) } ?? -1
    }

    static func kills(_ events: [Line], in group: String) -> [Line] {
      events.filter { $0.type == "oom_kill" && $0.text("victim", "cgroup", "path") == "/" + group }
    }

    static func sum(_ events: [Line], _ type: String, _ path: [String]) -> Int {
      events.filter { $0.type == type }.reduce(0) { sum, line in
        sum + ((path.count == 2 ? line.number(path[0], path[1]) : line.number(path[0])) ?? 0)
      }
    }

    @Test(
      "what was before the start comes from the log, what comes after from the probes, each once",
      arguments: [
        "auto", "kmsg",
      ])
    func sinceBoot(probe: String) throws {
      RealKills.awaitReports()
      let (before, during) = ("oomwitness-before-\(probe)-\(getpid())", "oomwitness-during-\(probe)-\(getpid())")
      _ = ScratchCgroup(before, limitBytes: 32 << 20).run(KillTests.hog)
      let counted = BackfillTests.oomKillCount()
      let (events, ended) = KillTests.traced(
        ["--probe", probe, "--since-boot"], group: during, waitFor: "\"path\":\"/\(during)\"")
      #expect(ended.status == 0)
      #expect(ended.errors.contains("cannot be told") == false)

      let start = try #require(events.first)
      #expect(start.type == "stream_start")
      let old = try #require(BackfillTests.kills(events, in: before).first)
      #expect(BackfillTests.kills(events, in: before).count == 1)
      #expect(old.text("source") == "kmsg")
      #expect(old.number("monotonic_ns")! < start.number("monotonic_ns")!)
      // Of a process that is gone /proc says nothing, or what is another's.
      #expect(old.array("victim", "cmdline") == nil)
      #expect(old.json("memory") == nil)
      let new = try #require(BackfillTests.kills(events, in: during).first)
      #expect(BackfillTests.kills(events, in: during).count == 1)
      #expect((new.text("source") == "kmsg") == (probe == "kmsg"))
      #expect(new.number("decision", "id") != old.number("decision", "id"))

      let places = events.filter { $0.type == "oom_kill" }.map { $0.number("seq")! }
      #expect(old.number("seq")! < new.number("seq")!)
      let times = events.filter { $0.type == "oom_kill" && $0.text("source") == "kmsg" }.map {
        $0.number("monotonic_ns")!
      }
      #expect(times == times.sorted())
      let end = try #require(events.last)
      #expect(end.number("kills") == places.count)
      #expect(end.number("kernel_count_backfilled")! + end.number("kernel_count_forgotten")! == counted)
      let growth = end.number("vmstat_oom_kill_growth")!
      #expect(end.number("kernel_count_told")! + end.number("kernel_count_lost")! == growth)
      let told = BackfillTests.sum(events, "oom_kill", ["victim", "kernel_count"])
      #expect(told == end.number("kernel_count_told")! + end.number("kernel_count_backfilled")!)
      #expect(end.number("kernel_count_lost") == 0)
    }

    @Test("without --since-boot nothing of before is told, and the count ends the stream after one kill of now")
    func countIsOfNow() {
      RealKills.awaitReports()
      let before = "oomwitness-old-\(getpid())"
      _ = ScratchCgroup(before, limitBytes: 32 << 20).run(KillTests.hog)
      let (events, _) = KillTests.traced(["--comm", "python3"], group: "oomwitness-new-\(getpid())")
      #expect(BackfillTests.kills(events, in: before).isEmpty)
      #expect(events.last?.number("kills_backfilled") == nil)
      #expect(events.last?.number("kills_from_log") == 0)

      let counting = Program(Program.oomwitness, ["trace", "--output", "ndjson", "--since-boot", "--count", "1"])
      #expect(counting.waitForOutput(containing: "/" + before))
      usleep(300_000)
      #expect(!counting.outputSoFar.contains("stream_end"))
      _ = ScratchCgroup("oomwitness-one-\(getpid())", limitBytes: 32 << 20).run(KillTests.hog)
      #expect(counting.wait(seconds: 20).output.contains("stream_end"))
    }

    /// A tracer that is stopped reads nothing, and its ring of one page overflows.
    @Test("kills that the ring lost come from the log, and no loss is told of them", arguments: [true, false])
    func missedKills(waits: Bool) throws {
      let kills = 20
      let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson", "--ring-bytes", "4096"])
      #expect(tracer.waitForOutput(containing: "stream_start"))
      tracer.signal(SIGSTOP)
      let group = "oomwitness-missed-\(getpid())"
      let cgroup = ScratchCgroup(group, limitBytes: 4 << 20)
      let shell = "x=0123456789abcdef; while :; do x=$x$x; done"
      for _ in 0..<kills { _ = cgroup.run(shell) }
      tracer.signal(SIGCONT)
      // The stream may end before the log's kills have waited for the probes' records, and has to tell them all the same.
      if waits { #expect(tracer.waitForOutput(containing: "\"source\":\"kmsg\"")) }
      tracer.signal(SIGTERM)
      let ended = tracer.wait()
      #expect(ended.status == 0)
      let events = Line.all(in: ended.output)
      let told = events.filter { $0.type == "oom_kill" }
      let missed = told.filter { $0.text("source") == "kmsg" }
      #expect(told.count >= kills)
      #expect(Set(told.map { $0.number("victim", "pid") }).count == told.count)
      #expect(missed.count > 0 && missed.count < told.count)
      let end = try #require(events.last)
      #expect(end.number("kills_from_log") == missed.count)
      #expect(
        BackfillTests.sum(events, "oom_kill", ["victim", "kernel_count"]) == end.number("vmstat_oom_kill_growth"))
      #expect(BackfillTests.sum(events, "loss", ["kernel_count"]) == 0)
    }

    @Test("where the log may not be read it is said once, and the probes tell all the same")
    func withoutTheLog() throws {
      let tracer = Program(
        "/usr/bin/setpriv",
        [
          "--inh-caps=-syslog,-sys_admin", "--bounding-set=-syslog,-sys_admin", Program.oomwitness, "trace", "--output",
          "ndjson", "--since-boot",
        ])
      #expect(tracer.waitForOutput(containing: "stream_start"))
      _ = ScratchCgroup("oomwitness-nolog-\(getpid())", limitBytes: 32 << 20).run(KillTests.hog)
      #expect(tracer.waitForOutput(containing: "\"type\":\"oom_outcome\""))
      tracer.signal(SIGTERM)
      let ended = tracer.wait()
      let events = Line.all(in: ended.output)
      let probes = try #require(events.first).array("probes")?.compactMap { $0 as? [String: Any] } ?? []
      let log = try #require(probes.first { $0["name"] as? String == "/dev/kmsg" })
      #expect(log["attached"] as? Bool == false)
      #expect((log["refusal"] as? String)?.hasPrefix("cannot open /dev/kmsg: ") == true)
      #expect(ended.errors.contains("what happened before the start cannot be told: cannot open /dev/kmsg"))
      #expect(events.filter { $0.type == "oom_kill" }.count >= 1)
      #expect(events.last?.number("kills_from_log") == nil)
      #expect(events.last?.number("kills_backfilled") == nil)
    }
  }
}
