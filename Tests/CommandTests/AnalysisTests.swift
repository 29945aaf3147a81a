// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// What `oomwitness analyze` makes of many kills: sums, trends, advice; as text and as one document.
@Suite struct AnalysisTests {
  private static func analyze(_ arguments: [String]) -> Program.Ended {
    Program.run(Program.oomwitness, ["analyze"] + arguments)
  }

  private static let pod =
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod01234567_89ab_cdef_0123_456789abcdef.slice"

  /// A leak on one host, a low limit on another, a hostile group on a third, two kills of whoever asked on a fourth.
  private static let log: ComposedLog = {
    var log = ComposedLog()
    for (place, pages) in [25_664, 30_796, 35_929, 43_628, 51_328].enumerated() {
      log.add(
        "6.12-system.kmsg", after: place * 25_200, replacing: ComposedLog.grown(pages: pages, unit: "db.service"))
    }
    for place in 0..<4 {
      log.add("6.12-memcg.kmsg", host: "node-2", after: place * 2400, replacing: ComposedLog.moved(to: pod))
    }
    for place in 0..<3 {
      let path = "/x; touch ${HOME}'"
      log.add("6.12-memcg.kmsg", host: "node-3", after: place * 86_400, replacing: ComposedLog.moved(to: path))
    }
    for place in 0..<2 { log.add("6.12-alloctask.kmsg", host: "node-4", after: place * 3600) }
    return log
  }()

  private static func document(_ arguments: [String]) throws -> [String: Any] {
    let ended = analyze(["--output", "json"] + arguments)
    #expect(ended.status == 0 && ended.errors == "")
    return try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any])
  }

  private static func rows(_ table: Any?, _ field: String) -> [String] {
    let list = (table as? [String: Any])?["list"] as? [[String: Any]] ?? []
    return list.map { "\($0[field] ?? "-") \($0["kills"] ?? "-")" }
  }

  @Test("the sums of a log of four hosts")
  func sums() throws {
    let path = AnalysisTests.log.write()
    defer { unlink(path) }
    let document = try AnalysisTests.document([path])
    let sums = try #require(document["statistics"] as? [String: Any])
    #expect((document["events"] as? [Any])?.count == 14 && document["whole"] as? Bool == true)
    #expect(sums["kills"] as? Int == 14 && sums["decisions"] as? Int == 14)
    #expect(sums["first_time"] as? String == "2026-11-20T03:00:00.000000000Z")
    #expect(sums["last_time"] as? String == "2026-11-22T03:00:00.000000000Z")
    #expect(
      sums["by_scope"] as? [String: Int] == ["system": 7, "memcg": 7, "cpuset": 0, "mempolicy": 0, "unknown": 0])
    #expect(AnalysisTests.rows(sums["hosts"], "name") == ["db-1 5", "node-2 4", "node-3 3", "node-4 2"])
    #expect(AnalysisTests.rows(sums["processes"], "name") == ["bad,pid=1 7", "hog 7"])
    #expect(AnalysisTests.rows(sums["units"], "name") == ["db.service 5"])
    #expect(AnalysisTests.rows(sums["pods"], "name") == ["01234567-89ab-cdef-0123-456789abcdef 4"])
    #expect(
      AnalysisTests.rows(sums["days"], "start_time") == [
        "2026-11-22T00:00:00.000000000Z 1", "2026-11-21T00:00:00.000000000Z 3", "2026-11-20T00:00:00.000000000Z 10",
      ])
    let day = try #require(sums["last_24_hours"] as? [String: Any])
    #expect(day["kills"] as? Int == 2 && day["end_time"] as? String == "2026-11-22T03:00:00.000000000Z")
    let between = try #require(sums["between_decisions"] as? [String: Any])
    #expect(between["intervals"] as? Int == 10 && between["shortest_ns"] as? Int == 2_400_000_000_000)
    #expect(between["median_ns"] as? Int == 25_200_000_000_000)
    let victims = (sums["repeated_victims"] as? [String: Any])?["list"] as? [[String: Any]] ?? []
    #expect(
      victims.map { "\($0["host"] ?? "") \($0["trend"] ?? "")" } == [
        "db-1 grows", "node-2 steady", "node-3 steady", "node-4 bystander",
      ])
  }

  @Test("what it advises, and what is to be typed; the shell would take a hostile name for a name")
  func advice() throws {
    let path = AnalysisTests.log.write()
    defer { unlink(path) }
    let document = try AnalysisTests.document([path])
    let all = (document["recommendations"] as? [String: Any])?["list"] as? [[String: Any]] ?? []
    #expect(
      all.map { "\($0["kind"] ?? "") \($0["host"] ?? "")" } == [
        "find_leak db-1", "add_swap db-1", "raise_limit node-2", "raise_limit node-3", "allocating_task node-4",
        "add_swap node-4",
      ])
    let inputs = all.flatMap { ($0["steps"] as? [[String: Any]] ?? []).compactMap { $0["input"] as? String } }
    #expect(inputs.contains("systemctl set-property db.service MemoryMax=102M"))
    #expect(inputs.contains(#"echo 50331648 > '/sys/fs/cgroup/x; touch ${HOME}'\''/memory.max'"#))
    for input in inputs where !input.hasPrefix("resources:") {
      #expect(Program.run("/bin/sh", ["-n", "-c", input]).status == 0, "\(input)")
    }
    let text = AnalysisTests.analyze([path]).output
    for (place, one) in all.enumerated() {
      #expect(text.contains("\(place + 1). \(one["finding"] as? String ?? "-")\n"))
    }
    for input in inputs { for line in input.split(separator: "\n") { #expect(text.contains("\n       \(line)\n")) } }
    #expect(
      text.contains("grows: more at the later of two kills in 10 of 10 pairs")
        && text.contains("evidence: 5 kills, 2026-11-20 03:00:00Z to"))
    #expect(text.contains("  2 in the 24 hours up to 2026-11-22 03:00:00Z, the log's last kill\n"))
  }

  @Test(
    "one kill of each kind advises nothing", arguments: ["6.12-system", "6.12-memcg", "6.12-alloctask", "7.2-group"])
  func single(name: String) throws {
    let document = try AnalysisTests.document([ComposedLog.fixtures + name + ".kmsg"])
    let advice = try #require(document["recommendations"] as? [String: Any])
    #expect(advice["listed"] as? Int == 0 && advice["omitted"] as? Int == 0)
    let sums = try #require(document["statistics"] as? [String: Any])
    #expect(sums["kills_without_time"] as? Int == sums["kills"] as? Int)
  }

  @Test(
    "the document is what its schema allows", .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
  func schema() {
    let path = AnalysisTests.log.write()
    defer { unlink(path) }
    let hostile = ComposedLog.fixtures + "6.18-hostile.kmsg"
    for arguments in [[path], [hostile], [path, hostile], ["/dev/null"]] {
      let ended = AnalysisTests.analyze(["--output", "json"] + arguments)
      let compact = ended.output.split(separator: "\n").joined()
      #expect(SchemaJudge.judged("analysis.v1.schema.json", compact + "\n") == "judged: True\n", "\(arguments)")
    }
  }

  @Test("its events are the lines of ndjson")
  func events() {
    let fixture = ComposedLog.fixtures + "7.2-group.kmsg"
    let lines = AnalysisTests.analyze(["--output", "ndjson", fixture]).output.split(separator: "\n")
    let document = AnalysisTests.analyze(["--output", "json", fixture]).output
    #expect(lines.count > 2)
    #expect(document.contains("\"events\":[\n" + lines.joined(separator: ",\n") + "\n],"))
  }

  @Test("an archive that is cut off: a sentence, status 1, and what could be read", arguments: ["gzip", "xz"])
  func damaged(program: String) throws {
    var log = AnalysisTests.log
    // What is cut must hold whole reports: one compressed block is a few of them.
    for place in 0..<200 { log.add("6.12-system.kmsg", host: "h\(place)", after: place) }
    let (path, cut) = (log.write(), "/tmp/oomwitness-cut-\(getpid())-\(program).log")
    defer {
      unlink(path)
      unlink(cut)
    }
    let made = Program.run(
      "/bin/sh", ["-c", "\(program) -c < \(path) > \(cut) && truncate -s $(($(stat -c %s \(cut)) / 2)) \(cut)"])
    #expect(made.status == 0)
    let ended = AnalysisTests.analyze(["--output", "json", cut])
    #expect(ended.status == 1)
    #expect(
      ended.errors
        == "oomwitness: \(cut) is damaged or cut off: \(program) ended with status 1; what came before was read\n")
    let document = try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any]
    #expect(document?["whole"] as? Bool == false)
    #expect((document?["events"] as? [Any] ?? []).count > 3)
  }

  @Test("a report that was cut off before its kill is counted")
  func abandoned() throws {
    var log = ComposedLog()
    log.add("6.12-memcg.kmsg")
    let lines = log.text.split(separator: "\n").filter { !$0.contains("Killed process") }
    let path = Python.temporaryFile(lines.joined(separator: "\n") + "\n")
    defer { unlink(path) }
    let document = try AnalysisTests.document([path])
    let sums = try #require(document["statistics"] as? [String: Any])
    #expect(sums["kills"] as? Int == 0)
    #expect((sums["incomplete"] as? [String: Int])?["reports_without_kill"] == 1)
    #expect(AnalysisTests.analyze([path]).output == "no OOM kill found\n  1 report began, and no kill followed\n")
  }
}
