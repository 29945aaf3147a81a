// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// `oomwitness analyze --output html` in headless Chromium: Tests/Browser/browser.py.
@Suite(.serialized, .enabled(if: Chromium.mayRun, Comment(rawValue: Chromium.refusal ?? "")))
struct ReportPageTests {
  private static let fixtures = ComposedLog.fixtures

  /// The page of these logs, what a browser finds in it, and the kills of the same logs as events.
  private static func opened(_ logs: [String], status: Int32 = 0) -> (page: Line, kills: [Line]) {
    let html = Program.run(Program.oomwitness, ["analyze", "--output", "html"] + logs)
    #expect(html.status == status)
    let path = Python.temporaryFile(html.output) + ".html"
    rename(String(path.dropLast(5)), path)
    defer { unlink(path) }
    let facts = Program("/usr/bin/python3", [Chromium.script, "facts", path]).wait(seconds: 300)
    #expect(facts.status == 0, "\(facts.errors)")
    let events = Program.run(Program.oomwitness, ["analyze", "--output", "ndjson"] + logs)
    return (
      Line.all(in: facts.output).first ?? Line(object: [:]),
      Line.all(in: events.output).filter { $0.type == "oom_kill" }
    )
  }

  /// What holds of each page.
  private static func expectSound(_ page: Line, _ kills: [Line]) {
    #expect(page.array("console").map { "\($0)" } == "[]")
    #expect(page.array("requests").map { "\($0)" } == "[]")
    #expect(page.text("title") == "OOM kills")
    #expect(page.number("foreign") == 0)
    #expect(page.number("kills") == kills.count)
    #expect(page.number("lacking") == 0)
    for width in ["1280", "400"] { #expect(page.number("overflow", width) == 0, "\(width) pixels wide") }
    for scheme in ["light", "dark"] {
      let contrast = (page.value(["contrast", scheme]) as? NSNumber)?.doubleValue ?? 0
      #expect(contrast >= 4.5, "\(scheme): \(contrast)")
    }
    func ground(_ scheme: String) -> Double { (page.value(["ground", scheme]) as? NSNumber)?.doubleValue ?? -1 }
    #expect(ground("light") > 0.8 && ground("print") > 0.8)
    #expect((0..<0.1).contains(ground("dark")))
  }

  @Test("a page of all captured reports asks for nothing, fits, and draws each kill and each candidate")
  func captured() {
    let logs = Files.names(in: ReportPageTests.fixtures).filter { $0.hasSuffix(".kmsg") }
      .map { ReportPageTests.fixtures + $0 }
    let (page, kills) = ReportPageTests.opened(logs)
    #expect(kills.count > 50)
    ReportPageTests.expectSound(page, kills)
    // Those that a prefix gives a time are on the timeline: all of these.
    #expect(page.number("drawn") == kills.filter { $0.number("monotonic_ns") != nil }.count)
    #expect(page.value(["sums_are_first"]) as? Bool == true)
  }

  @Test("a candidate's bar has the parts that the event has, and ends at its points")
  func bars() throws {
    let (page, kills) = ReportPageTests.opened([ReportPageTests.fixtures + "6.12-system.kmsg"])
    let scores = try #require(page.array("scores") as? [[String: Any]])
    let candidates = try #require(kills.first?.array("candidates", "list") as? [[String: Any]])
    #expect(scores.count == 1 && scores[0]["rows"] as? Int == candidates.count)
    let victim = try #require((scores[0]["victims"] as? [[String: Any]])?.first)
    #expect(victim["name"] as? String == kills[0].text("victim", "comm"))
    #expect(victim["points"] as? Int == kills[0].number("badness", "points"))
    let names = ["anon_pages", "file_pages", "shmem_pages", "swap_pages", "pgtable_pages", "adj_points"]
    #expect(victim["parts"] as? [Int] == names.map { kills[0].number("badness", "breakdown", $0) ?? 0 })
    let bar = try #require(victim["bar"] as? NSNumber).doubleValue
    let mark = try #require(victim["mark"] as? NSNumber).doubleValue
    #expect(bar > 1 && abs(bar - mark) < 0.01)
  }

  @Test("tables sort by a click and by a key, both ways, and say so")
  func sorting() throws {
    let log = ReportPageTests.madeLog(kills: 40)
    defer { unlink(log) }
    let (page, kills) = ReportPageTests.opened([log])
    #expect(kills.count == 40)
    ReportPageTests.expectSound(page, kills)
    for how in ["keyboard", "click"] {
      let orders = try #require(page.array(how) as? [[Any]])
      let columns = orders.map { ($0[1] as? [String] ?? []).compactMap { Int($0) } }
      #expect(columns[0].count > 2 && Set(columns[0]).count > 1)
      #expect(orders.map { $0[0] as? String } == [nil, "descending", "ascending"])
      #expect(columns[1] == columns[0].sorted(by: >), "\(how)")
      #expect(columns[2] == columns[0].sorted(), "\(how)")
    }
    let name = try #require(page.text("found", "name"))
    let found = kills.count { $0.text("victim", "comm") == name }
    #expect(found > 0 && page.number("found", "kills") == found, "\(name)")
  }

  @Test("2,000 kills are drawn and stay closed, in a page of less than 10 MB")
  func many() {
    let log = ReportPageTests.madeLog(kills: 2000)
    defer { unlink(log) }
    let (page, kills) = ReportPageTests.opened([log])
    #expect(kills.count == 2000)
    #expect(page.number("kills") == 2000 && page.number("drawn") == 2000)
    #expect(page.number("open_before") == 0)
    #expect(page.number("bytes") ?? .max < 10_000_000)
  }

  @Test("names of processes, cgroups and hosts that are markup run nothing and are shown")
  func hostile() {
    let attack = "</script><img/src=x/onerror=document.title=1><script>document.title=2</script>"
    let names = ["</script><b>\"'&", "<!--<script>", "<svg/onload=a>"]
    var log = ComposedLog()
    for (hours, comm) in names.enumerated() {
      var words = ComposedLog.moved(to: "/a\(attack)-->")
      words += [("(bad,pid=1)", "(\(comm))"), ("task=bad,pid=1", "task=\(comm)"), ("-50 bad,pid=1", "-50 \(comm)")]
      log.add("6.12-memcg.kmsg", host: "<img/src=y>", after: hours * 3600, replacing: words)
    }
    let path = log.write()
    defer { unlink(path) }
    let (page, kills) = ReportPageTests.opened([path, ReportPageTests.fixtures + "6.18-hostile.kmsg"])
    #expect(Set(names).isSubset(of: kills.compactMap { $0.text("victim", "comm") }))
    #expect(kills.contains { $0.text("limit", "cgroup", "path") == "/a\(attack)-->" })
    ReportPageTests.expectSound(page, kills)
    let shown = page.array("scores") as? [[String: Any]] ?? []
    let victims = shown.flatMap { $0["victims"] as? [[String: Any]] ?? [] }.compactMap { $0["name"] as? String }
    #expect(Set(names).isSubset(of: victims), "\(victims)")
  }

  @Test("a log without a kill, and one that cannot be read, are told on a page of their own")
  func empty() {
    let (none, noKills) = ReportPageTests.opened(["/dev/null"])
    #expect(noKills.isEmpty)
    ReportPageTests.expectSound(none, noKills)
    let (part, kills) = ReportPageTests.opened(
      ["/nonexistent/log", ReportPageTests.fixtures + "6.12-memcg.kmsg"], status: 1)
    #expect(kills.count == 1)
    ReportPageTests.expectSound(part, kills)
    #expect(part.text("gap")?.contains("could not be read") == true)
  }

  private static func madeLog(kills: Int) -> String {
    let made = Program.run("/usr/bin/python3", [Repository.root + "/Tests/Browser/kernel_log.py", "\(kills)"])
    #expect(made.status == 0, "\(made.errors)")
    return Python.temporaryFile(made.output)
  }
}

/// Debian's chromium, in which a page shows what it is.
enum Chromium {
  static let script = Repository.root + "/Tests/Browser/browser.py"

  /// Why there is none; nil where there is.
  static let refusal: String? = {
    let tried = Program.run("/usr/bin/python3", [script, "version"])
    return tried.status == 0 ? nil : "needs /usr/bin/python3 and chromium-headless-shell: \(tried.errors)"
  }()

  static var mayRun: Bool { Requirement.mustRun || refusal == nil }
}
