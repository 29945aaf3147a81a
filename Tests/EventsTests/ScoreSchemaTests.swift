// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// The schemas of `scores` and `next` against what their encoders can write: all fields, and as few as there may be.
@Suite(.enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
struct ScoreSchemaTests {
  private static let candidates = Samples.fullKill.candidates!

  static var rows: [ScoreRow] {
    var rows = candidates.list.map(ScoreRow.init)
    rows[0].candidate.comm = KernelName(bytes: [0x68, 0xff])
    rows[0].candidate.pointsSource = .computed  // what the kernel scored is in oom_kill alone
    rows[0].procOOMScore = 666
    rows[0].user = "root"
    var bare = rows[0]
    bare.candidate.cgroup?.owner = CgroupOwner(container: ContainerRef(runtime: nil, id: "web"))
    return rows + [bare]
  }

  static var forecasts: [Forecast] {
    let kill = Samples.fullKill
    let death = Forecast.Death(victim: kill.victim, badness: kill.badness!)
    var full = Forecast(outcome: .kill, scope: .memcg, limit: kill.limit!, explanation: "Because.")
    full.path = .scan
    full.deaths = [death, death]
    full.candidates = candidates
    full.runnerUp = candidates.list[0]
    full.runnerUpHeadroomPages = 1
    full.sparingAdj = -1000
    full.followUps = [[death], [death, death]]
    var wait = Forecast(outcome: .wait, scope: .system, limit: BindingLimit(), explanation: "It waits.")
    wait.candidates = candidates
    wait.waitsForPID = 7
    var (nobody, panic) = (wait, full)
    nobody.outcome = .nobody
    nobody.waitsForPID = nil
    panic.outcome = .panic
    return [full, wait, nobody, panic]
  }

  static func lines(_ encode: [(inout JSONWriter) -> Void]) -> String {
    encode.map { encode in
      var json = JSONWriter(reserving: 1024)
      encode(&json)
      return String(decoding: json.bytes, as: UTF8.self) + "\n"
    }.joined()
  }

  @Test("the schema of scores has each field that a row can have, and no others")
  func scores() {
    let lines = ScoreSchemaTests.lines(ScoreSchemaTests.rows.map { row in { row.encode(into: &$0) } })
    #expect(SchemaJudge.judged("scores.v1.schema.json", lines, wantsAllFields: true) == "judged: True\n")
  }

  @Test("the schema of next has each field that a forecast can have, and no others")
  func next() {
    let lines = ScoreSchemaTests.lines(ScoreSchemaTests.forecasts.map { forecast in { forecast.encode(into: &$0) } })
    #expect(SchemaJudge.judged("next.v1.schema.json", lines, wantsAllFields: true) == "judged: True\n")
  }

  @Test(
    "what is not so, is refused",
    arguments: [
      (#""eligible":true"#, #""eligible":false"#), (#""proc_oom_score":666"#, #""proc_oom_score":-1"#),
      (#""runtime":"podman""#, #""engine":"podman""#), (#""rank":1,"#, ""),
    ])
  func mutations(from: String, to: String) {
    let lines = ScoreSchemaTests.lines([{ ScoreSchemaTests.rows[0].encode(into: &$0) }])
    #expect(lines.contains(from), "\(lines)")
    let changed = lines.split(separator: from, omittingEmptySubsequences: false).joined(separator: to)
    #expect(SchemaJudge.judged("scores.v1.schema.json", changed) != "judged: True\n")
  }
}
