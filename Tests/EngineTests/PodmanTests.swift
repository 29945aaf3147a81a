// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Kills in containers of a real podman, which never says that it was an OOM on cgroup v1.
@Suite(
  .serialized, .realKills,
  .enabled(if: Requirement.mustRun || PodmanEngine.refusal == nil, Comment(rawValue: PodmanEngine.refusal ?? "")),
  .engine { try PodmanEngine() })
struct PodmanTests {
  private let engine: PodmanEngine

  init() throws { engine = try #require(EngineScope.engine as? PodmanEngine) }

  @Test("pid 1 is killed: podman says exit code 137 and no OOM; we say who, and in which container")
  func firstProcess() throws {
    let traced = try TracedContainer(ContainerOrder("pone", ContainerOrder.hog), by: engine)
    #expect(traced.status == 137)
    if ScratchCgroup.hostVersion == 1 { #expect(engine.verdict(traced.id) == "false 137") }
    let kill = traced.kill
    #expect(kill.text("victim", "comm") == "dd")
    for place in ["victim", "limit"] {
      #expect(kill.text(place, "container", "runtime") == "podman", "\(place)")
      #expect(kill.text(place, "container", "id") == traced.id, "\(place)")
      #expect(kill.text(place, "container", "name") == "pone", "\(place)")
      #expect(kill.text(place, "container", "image")?.hasPrefix("localhost/\(PodmanEngine.image)") == true, "\(place)")
    }
  }

  @Test("a child is killed in a pod's container: podman says that all ended well; we name the child")
  func childInPod() throws {
    let pod = engine.podman("pod", "create", "--name", "shop", "--network", "none")
    #expect(pod.status == 0, "\(pod.errors)")
    let id = try engine.create(ContainerOrder("pchild", ContainerOrder.hogOfShell), pod: "shop")
    let traced = try TracedContainer(id, by: engine)
    #expect(traced.status == 0)
    if ScratchCgroup.hostVersion == 1 { #expect(engine.verdict(id) == "false 0") }
    let path = try #require(traced.kill.text("victim", "cgroup", "path"))
    #expect(path == "/libpod_parent/\(pod.output.prefix { $0 != "\n" })/libpod-\(id)")
    #expect(traced.kill.text("victim", "comm") == "dd")
    #expect(traced.kill.text("victim", "container", "runtime") == "podman")
    #expect(traced.kill.text("victim", "container", "name") == "pchild")
  }

  @Test("`oomwitness containers` lists it with the kill that its engine does not tell, and follows it as it happens")
  func listed() throws { try ListedContainer("pserver", by: engine).check(runtime: "podman", name: "pserver") }

  @Test("the program in a container, run as the page of deploy says, tells a kill in another by BPF")
  func image() throws {
    let folder = engine.folder.path
    let tar =
      "strip -o \(folder)/oomwitness \(Program.oomwitness) && tar -C \(folder) -cf \(folder)/program.tar oomwitness"
    #expect(Program.run("/bin/sh", ["-c", tar]).status == 0)
    let imported = engine.podman(
      "import", "--change", "ENTRYPOINT [\"/oomwitness\"]", folder + "/program.tar", "oomwitness:0.1")
    #expect(imported.status == 0, "\(imported.errors)")
    let page = try #require(Files.text(Repository.root + "/deploy/README.md"))
    var words = try #require(DockerImageTests.runLine(in: page, of: "podman"))
    words[0...1] = ["run", "--detach"]  // not --rm: its log is read
    words = words.map {
      $0.replacing("/var/lib/containers/storage", with: folder + "/root")
        .replacing("/run/containers", with: folder + "/run")
    }
    let witness = engine.podman(words)
    #expect(witness.status == 0, "\(witness.errors)")
    func log() -> String { engine.podman("logs", "oomwitness").output }
    for _ in 0..<100 where !log().contains("stream_start") { usleep(100_000) }
    let traced = try TracedContainer(ContainerOrder("pwatched", ContainerOrder.hogOfShell), by: engine)
    for _ in 0..<50 where !log().contains("oom_outcome") { usleep(100_000) }
    let inside = try #require(
      Line.all(in: log()).first { $0.text("victim", "container", "id") == traced.id }, "\(log())")
    #expect(inside.text("source") == traced.kill.text("source"))
    #expect(inside.number("limit", "limit_pages") == traced.kill.number("limit", "limit_pages"))
    #expect(inside.text("victim", "cgroup", "path") == traced.kill.text("victim", "cgroup", "path"))
    #expect(inside.text("victim", "container", "name") == "pwatched")
  }
}
