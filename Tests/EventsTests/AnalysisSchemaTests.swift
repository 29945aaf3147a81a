// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// The schema of `analyze --output json` against what its encoder can write: all fields, and as few as there may be.
@Suite(.enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
struct AnalysisSchemaTests {
  private static let broken = KernelName(bytes: [0x68, 0xff])

  private static func path(_ start: String) -> KernelName { KernelName(bytes: Array(start.utf8) + [0xff]) }

  /// Kills that have, together, all that a sum can tell.
  private static var kills: [OOMKill] {
    var memory = MemoryState()
    (memory.totalPages, memory.slabUnreclaimablePages, memory.shmemPages) = (1000, 500, 500)
    (memory.swapTotalPages, memory.swapFreePages) = (100, 1)
    memory.zones = [MemoryZone(node: 0, name: "Normal", freePages: 9, minPages: 1, reservePages: 0)]
    var kills: [OOMKill] = []
    for number in UInt64(1)...4 {
      var made = MadeKill()
      (made.decision, made.adj) = (number, 100)
      made.limit = number % 2 == 0 ? 2000 : nil
      made.others = [MadeKill.candidate("x", pages: 3000, adj: -500)]
      var kill = made.kill
      kill.victim.comm = broken
      kill.candidates?.list[0].comm = broken
      kill.victim.cgroup = CgroupRef(path: path("/system.slice/"))
      kill.limit?.cgroup = CgroupRef(path: path("/system.slice/"))
      kill.victim.totalVMPages = 9999
      kill.trigger?.order = 2
      kill.memory = memory
      kills.append(kill)
    }
    let id = String(repeating: "0f", count: 32)
    let paths = [
      "/docker/\(id)", "/system.slice/a.service", "/kubepods/pod01234567-89ab-cdef-0123-456789abcdef/\(id)",
      "/docker/\(id)",
    ]
    for number in UInt64(8)...9 {
      var told = MadeKill()
      (told.decision, told.limit) = (number, 1000)
      told.change = {
        $0.victim.cgroup?.owner = Samples.owner
        $0.limit?.cgroup?.owner = Samples.owner
      }
      kills.append(told.kill)
    }
    for (place, path) in paths.enumerated() {
      var made = MadeKill()
      (made.decision, made.path, made.limit) = (UInt64(10 + place), path, 1000)
      made.role = place == 3 ? .group : .chosen
      if place == 0 {
        made.change = {
          $0.decision.path = .memcgGroup
          $0.decision.kills = 2
        }
      }
      kills.append(made.kill)
    }
    return kills
  }

  static var statistics: KillStatistics {
    var statistics = KillStatistics()
    for (place, kill) in kills.enumerated() {
      let time = EventTime(wallNanoseconds: MadeKill.day + Int64(place), monotonicNanoseconds: nil)
      statistics.add(kill, host: broken, boot: nil, at: time)
    }
    return statistics
  }

  static var recommendations: [Recommendation] {
    Recommendation.Kind.allCases.map { kind in
      Recommendation(
        kind, comm: broken, place: .container(Samples.owner.container!), host: broken,
        finding: "It is so.", evidence: Recommendation.Evidence(statistics.tally, [("limit_pages", 5), ("gone", nil)]),
        steps: [Recommendation.Step("Do it.", input: "true"), Recommendation.Step("Or not.")])
    } + [
      Recommendation(
        .addSwap, place: .cgroup(path("/a")), host: nil, finding: "So.",
        evidence: Recommendation.Evidence(KillTally()),
        steps: [Recommendation.Step("Do.")])
    ]
  }

  static func document(_ statistics: KillStatistics, _ recommendations: [Recommendation], _ events: [Event]) -> String {
    var encoder = AnalysisEncoder(NDJSONEncoder(host: "h", bootID: nil, pageSizeBytes: 4096), pageSizeBytes: 4096)
    var bytes = encoder.head()
    for event in events {
      bytes += encoder.event(event, at: EventTime(wallNanoseconds: 1, monotonicNanoseconds: 1), host: "h", bootID: nil)
    }
    bytes += encoder.tail(statistics, recommendations, omitted: 0, isWhole: true)
    // One line, as the judge reads it; no string holds a newline as such.
    return String(decoding: bytes.filter { $0 != 0x0a } + [0x0a], as: UTF8.self)
  }

  @Test("the schema has each field that a document can have, and no others")
  func fields() {
    let full = AnalysisSchemaTests.document(
      AnalysisSchemaTests.statistics, AnalysisSchemaTests.recommendations, Samples.full)
    #expect(SchemaJudge.judged("analysis.v1.schema.json", full, wantsAllFields: true) == "judged: True\n")
  }

  @Test("a document of nothing is one too")
  func empty() {
    let empty = AnalysisSchemaTests.document(KillStatistics(), [], [])
    #expect(SchemaJudge.judged("analysis.v1.schema.json", empty) == "judged: True\n")
  }

  @Test("each value of each enumeration is in the schema, and no others")
  func enumerations() {
    let script = """
      import json, sys
      schema = json.load(open(sys.argv[1]))
      row = lambda name: schema["$defs"]["statistics"]["properties"][name]["properties"]["list"]["items"]["properties"]
      victim = row("repeated_victims")
      for enum in (schema["$defs"]["recommendation"]["properties"]["kind"], row("conditions")["condition"],
                   victim["trend"], victim["bystander"]["properties"]["last_reason"]):
          print(*enum["enum"])
      """
    let path = Repository.root + "/docs/schema/analysis.v1.schema.json"
    let wanted = [
      Recommendation.Kind.allCases.map(\.rawValue), KillCondition.allCases.map(\.rawValue),
      VictimHistory.Trend.allCases.map(\.rawValue), Bystander.Reason.allCases.map(\.rawValue),
    ]
    #expect(Python.run(script, [path]).output == wanted.map { $0.joined(separator: " ") + "\n" }.joined())
  }

  @Test(
    "what is not so, is refused",
    arguments: [
      (#""kills":10"#, #""kills":-1"#), (#""trend":"#, #""direction":"#), (#""finding":"It is so.","#, ""),
      (#""kind":"add_swap""#, #""kind":"buy_more""#), (#""seq":1,"#, #""seq":0,"#),
    ])
  func mutations(from: String, to: String) {
    let document = AnalysisSchemaTests.document(
      AnalysisSchemaTests.statistics, AnalysisSchemaTests.recommendations, Samples.full)
    #expect(document.contains(from), "\(document)")
    let changed = document.split(separator: from, omittingEmptySubsequences: false).joined(separator: to)
    #expect(SchemaJudge.judged("analysis.v1.schema.json", changed) != "judged: True\n")
  }
}
