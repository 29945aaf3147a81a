// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// The ranking of this machine, held against what the kernel says of each process.
@Suite struct ScoresTests {
  private static func pages(_ key: String) -> Int64 {
    let text = Files.text("/proc/meminfo") ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return (line.flatMap { Int64($0.split(separator: " ")[1]) } ?? 0) * 1024 / Int64(getpagesize())
  }

  /// Kernel: fs/proc/base.c, proc_oom_score(), since 5.9; integer division as in C.
  private static func shown(points: Int64, total: Int64) -> Int64 { (1000 + points * 1000 / total) * 2 / 3 }

  @Test("points explain /proc/PID/oom_score of every process, within what each CPU keeps of a counter for itself")
  func everyProcess() throws {
    let ended = Program.run(Program.oomwitness, ["scores", "--top", "all", "--output", "ndjson"])
    #expect(ended.status == 0, "\(ended.errors)")
    let rows = Line.all(in: ended.output)
    let total = ScoresTests.pages("MemTotal") + ScoresTests.pages("SwapTotal")
    let cpus = Int64(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let slack = 4 * max(32, 2 * cpus) * cpus
    var (equal, within, ineligible) = (0, 0, 0)
    for row in rows {
      guard let shown = row.number("proc_oom_score") else { continue }
      guard let points = row.number("points") else {
        // Unkillable by its score alone: the kernel shows 0. Init and victims are passed over before they are scored.
        if ["no_mm", "oom_score_adj_min", "mmf_oom_skip"].contains(row.text("skipped")) { #expect(shown == 0) }
        ineligible += 1
        continue
      }
      if shown == ScoresTests.shown(points: Int64(points), total: total) {
        equal += 1
        continue
      }
      // Our own numbers moved between the two reads, since it is we who read.
      guard row.text("comm") != "oomwitness" else { continue }
      let least = ScoresTests.shown(points: Int64(points) - slack, total: total)
      let most = ScoresTests.shown(points: Int64(points) + slack, total: total)
      let pid = row.number("pid") ?? 0
      #expect((least...most).contains(Int64(shown)), "pid \(pid): \(points) points, shown \(shown)")
      within += 1
    }
    #expect(equal >= 3)
    print("oom_score: \(equal) equal, \(within) within the batch, \(ineligible) not eligible, of \(rows.count)")
  }

  @Test("ranks are the kernel's order: most points first")
  func ranks() throws {
    let ended = Program.run(Program.oomwitness, ["scores", "--top", "all", "--output", "json"])
    let rows = try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [[String: Any]])
    let ranked = rows.filter { $0["rank"] != nil }
    #expect(ranked.map { $0["rank"] as? Int } == (1...ranked.count).map { $0 })
    let points = ranked.compactMap { $0["points"] as? Int }
    #expect(points == points.sorted(by: >) && points.count == ranked.count)
    #expect(rows.contains { $0["pid"] as? Int == 1 && $0["skipped"] as? String == "init" })
  }

  @Test(
    "impossible values are a sentence and 64, what is not there a sentence and 1",
    arguments: [
      (["scores", "--top", "-1"], 64), (["scores", "--sort", "x"], 64), (["scores", "--cgroup", "/no/such"], 1),
      (["next", "--adj", "a=1001"], 64), (["next", "--adj", "a"], 64), (["next", "--grow", "a=1X"], 64),
      (["next", "--limit", "/a=-1"], 64), (["next", "--depth", "-1"], 64), (["next", "--adj", "no-such-comm=1"], 1),
      (["next", "--allocating", "0"], 64), (["next", "--allocating", "4194304"], 1),
    ] as [([String], Int32)])
  func badInput(arguments: [String], status: Int32) {
    let ended = Program.run(Program.oomwitness, arguments)
    #expect(ended.status == status, "\(ended.errors)")
    #expect(ended.output == "")
    #expect(ended.errors.hasPrefix(status == 64 ? "Error: " : "oomwitness: "), "\(ended.errors)")
  }

  @Test("next names the first of scores, and its what-ifs change nothing")
  func next() throws {
    let first = Program.run(Program.oomwitness, ["scores", "--top", "2", "--output", "ndjson"])
    let next = Program.run(Program.oomwitness, ["next", "--output", "json"])
    #expect(next.status == 0, "\(next.errors)")
    let forecast = try #require(Line.all(in: next.output).first)
    let pids = Line.all(in: first.output).map { $0.number("pid") }
    #expect(pids.contains(forecast.number("victim", "pid")))
    let pid = try #require(forecast.number("victim", "pid"))
    let spared = Program.run(Program.oomwitness, ["next", "--output", "json", "--adj", "\(pid)=-1000"])
    #expect(Line.all(in: spared.output).first?.number("victim", "pid") != pid)
    #expect(Files.text("/proc/\(pid)/oom_score_adj").map { $0 != "-1000\n" } ?? true)
  }
}
