// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// The ranking of this machine, held against what the kernel says of each process.
@Suite struct ScoresTests {
  @Test(
    "points explain /proc/PID/oom_score of every process, within what each CPU keeps of a counter for itself",
    arguments: ["auto", "proc"])
  func everyProcess(read: String) {
    let sleepers = Sleepers()
    defer { withExtendedLifetime(sleepers) {} }
    // Whoever grows or shrinks between the reads is looked at again; the same one must not be wrong each time.
    var comparison = ScoreComparison(["--read", read])
    var wrong = comparison.wrong
    for _ in 0..<4 where !wrong.isEmpty {
      comparison = ScoreComparison(["--read", read])
      wrong = wrong.filter { comparison.wrong[$0.key] != nil }
    }
    #expect(wrong.isEmpty, "\(wrong)")
    #expect(comparison.equal >= Sleepers.adjustments.count)
    print(
      "oom_score by --read \(read): of \(comparison.total) processes \(comparison.equal) equal, "
        + "\(comparison.within) within the batch, \(comparison.ineligible) not eligible, "
        + "\(comparison.kernelThreads) kernel threads; \(comparison.fleeting) came or went, \(comparison.wrong.count) moved"
    )
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

  private func first() -> Int? {
    let rows = Program.run(Program.oomwitness, ["scores", "--top", "1", "--output", "ndjson"])
    return Line.all(in: rows.output).first?.number("pid")
  }

  @Test("next names the first of scores, and its what-ifs change nothing")
  func next() throws {
    // Other tests run and grow meanwhile: who is first before and after is first between.
    var forecast: Line?
    for _ in 0..<20 {
      let before = first()
      let next = Program.run(Program.oomwitness, ["next", "--output", "json"])
      #expect(next.status == 0, "\(next.errors)")
      guard first() == before else { continue }
      forecast = Line.all(in: next.output).first
      #expect(forecast?.number("victim", "pid") == before)
      break
    }
    let pid = try #require(forecast?.number("victim", "pid"))
    let spared = Program.run(Program.oomwitness, ["next", "--output", "json", "--adj", "\(pid)=-1000"])
    #expect(Line.all(in: spared.output).first?.number("victim", "pid") != pid)
    #expect(Files.text("/proc/\(pid)/oom_score_adj").map { $0 != "-1000\n" } ?? true)
  }
}
