// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// docs/schema/scores.v1.schema.json and next.v1.schema.json against what the binary prints on this machine.
@Suite(.enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
struct ScoreSchemaTests {
  @Test(
    "rows of scores are what their schema allows",
    arguments: [
      ["--top", "all", "--output", "ndjson"], ["--top", "all", "--output", "json"],
      ["--top", "all", "--output", "ndjson", "--read", "proc"], ["--sort", "pid", "--filter", "*", "--output", "json"],
    ])
  func rows(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["scores"] + arguments)
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(SchemaJudge.judged("scores.v1.schema.json", ended.output) == "judged: True\n")
  }

  @Test(
    "a forecast is what its schema allows",
    arguments: [
      [], ["--depth", "9", "--candidates", "all"], ["--read", "proc", "--depth", "0"], ["--adj", "*=-1000"],
      ["--allocating", "\(getpid())", "--candidates", "0"],
    ] as [[String]])
  func forecast(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["next", "--output", "json"] + arguments)
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(SchemaJudge.judged("next.v1.schema.json", ended.output) == "judged: True\n")
  }

  @Test(
    "so are those of a control group",
    .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func group() throws {
    let cgroup = ScratchCgroup("oomwitness-schema-\(getpid())", limitBytes: 64 << 20)
    let empty = Program.run(Program.oomwitness, ["next", "--output", "json", "--cgroup", cgroup.path])
    #expect(Line.all(in: empty.output).first?.text("outcome") == "nobody", "\(empty.errors)")
    #expect(SchemaJudge.judged("next.v1.schema.json", empty.output) == "judged: True\n")
    let outputs = cgroup.run(
      "\(Program.oomwitness) next --output json --cgroup \(cgroup.path); "
        + "\(Program.oomwitness) scores --output json --cgroup \(cgroup.path) >&2")
    #expect(SchemaJudge.judged("next.v1.schema.json", outputs.output) == "judged: True\n")
    #expect(SchemaJudge.judged("scores.v1.schema.json", outputs.errors) == "judged: True\n")
  }
}
