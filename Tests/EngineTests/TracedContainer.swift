// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// A container that ran to its end under `oomwitness trace`, and what was told of the kill in it.
struct TracedContainer {
  let id: String
  /// What the engine gave for the container: of a killed pid 1 137.
  let status: Int32
  /// The line of the kill.
  let kill: Line

  /// Runs it, and requires that exactly one kill in a cgroup of this container's id is told.
  init(_ order: ContainerOrder, by engine: some ContainerEngine) throws {
    try self.init(engine.create(order), by: engine)
  }

  init(_ id: String, by engine: some ContainerEngine) throws {
    self.id = id
    let tracer = Program(
      Program.oomwitness, ["trace", "--output", "ndjson", "--cgroup", "*\(id)", "--count", "1"])
    try #require(tracer.waitForOutput(containing: "stream_start"))
    let ran = engine.run(id)
    status = ran.status
    let hasTold = tracer.waitForOutput(containing: "\"type\":\"oom_kill\"")
    if !hasTold { tracer.signal(SIGTERM) }
    let ended = tracer.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    let kills = Line.all(in: ended.output).filter { $0.type == "oom_kill" }
    kill = try #require(kills.count == 1 ? kills[0] : nil, "\(kills.count) kills; the container: \(ran)")
  }

  /// The kill in this container as this host's log tells it, read after the fact.
  var logged: Line? {
    let ended = Program.run(Program.oomwitness, ["analyze", "--output", "ndjson"])
    return Line.all(in: ended.output).last {
      $0.type == "oom_kill" && $0.text("victim", "cgroup", "path")?.hasSuffix(id) == true
    }
  }
}
