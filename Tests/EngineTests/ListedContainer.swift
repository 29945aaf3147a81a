// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// A container whose child is killed while pid 1 goes on, as `oomwitness containers` has it: in its list, and as it happens.
struct ListedContainer {
  let id: String
  /// Its row, once the kill is counted.
  let row: Line
  /// What `--events` wrote of it.
  let event: Line

  init(_ name: String, by engine: some ContainerEngine) throws {
    id = try engine.create(ContainerOrder(name, ContainerOrder.hogOfServer))
    let follower = Program(Program.oomwitness, ["containers", "--events"])
    try #require(follower.waitForOutput(containing: "stream_start"), "\(follower.outputSoFar)")
    let started = engine.start(id)
    #expect(started.status == 0, "\(started.errors)")
    let (known, mark) = (id, "\"id\":\"\(id)\"")
    #expect(follower.waitForOutput(containing: mark))
    row = try #require(ListedContainer.row(known), "\(Program.run(Program.oomwitness, ["containers"]).output)")
    follower.signal(SIGTERM)
    event = try #require(
      Line.all(in: follower.wait().output).first {
        $0.type == "oom_kill" && $0.text("victim", "container", "id") == known
      })
  }

  private static func row(_ id: String) -> Line? {
    for _ in 0..<50 {
      let listed = Program.run(Program.oomwitness, ["containers", "--output", "ndjson"])
      let row = Line.all(in: listed.output).first { $0.text("container", "id") == id }
      if let row, (row.number("kills") ?? 0) > 0 { return row }
      usleep(100_000)
    }
    return nil
  }

  /// Holds it against what was ordered.
  func check(runtime: String, name: String) {
    #expect(row.text("container", "runtime") == runtime)
    #expect(row.text("container", "name") ?? row.text("container", "id") == name)
    #expect(row.number("limit_bytes") == 50 << 20)
    #expect(row.number("kills") == 1)
    #expect(row.text("verdict") == "killed")
    #expect(row.text("last_kill", "comm") == "dd")
    #expect(row.number("last_kill", "pid") == event.number("victim", "pid"))
    #expect(event.text("victim", "comm") == "dd")
    #expect(event.text("victim", "container", "runtime") == runtime)
  }
}
