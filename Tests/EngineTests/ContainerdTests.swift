// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Kills in containers of a real containerd, which says that there was an OOM in a container and not whom it killed.
@Suite(
  .serialized, .realKills,
  .enabled(
    if: Requirement.mustRun || ContainerdEngine.refusal == nil, Comment(rawValue: ContainerdEngine.refusal ?? "")),
  .engine { try ContainerdEngine() })
struct ContainerdTests {
  private let engine: ContainerdEngine

  init() throws { engine = try #require(EngineScope.engine as? ContainerdEngine) }

  @Test(
    "a kill names process, container and runtime, of pid 1 and of a child",
    arguments: [("cone", ContainerOrder.hog, Int32(137)), ("cchild", ContainerOrder.hogOfShell, 0)])
  func kill(name: String, command: [String], status: Int32) throws {
    let events = engine.events()
    let traced = try TracedContainer(ContainerOrder(name, command), by: engine)
    #expect(traced.status == status)
    #expect(events.waitForOutput(containing: "/tasks/oom {\"container_id\":\"\(name)\"}"), "\(events.outputSoFar)")
    #expect(events.waitForOutput(containing: "/tasks/exit"))
    events.signal(SIGTERM)
    _ = events.wait()
    let kill = traced.kill
    #expect(kill.text("victim", "cgroup", "path") == "/default/" + name)
    #expect(kill.text("victim", "comm") == "dd")
    for place in ["victim", "limit"] {
      #expect(kill.text(place, "container", "runtime") == "containerd", "\(place)")
      #expect(kill.text(place, "container", "id") == name, "\(place)")
    }
  }

  @Test("`oomwitness containers` lists it with the kill that its engine does not tell, and follows it as it happens")
  func listed() throws { try ListedContainer("cserver", by: engine).check(runtime: "containerd", name: "cserver") }
}
