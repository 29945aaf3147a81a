// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// The image of deploy/Containerfile, run as deploy/README.md says, tells a kill in another container.
@Suite(
  .serialized, .realKills,
  .enabled(if: Requirement.mustRun || DockerEngine.refusal == nil, Comment(rawValue: DockerEngine.refusal ?? "")),
  .engine { try DockerEngine() })
struct DockerImageTests {
  private let engine: DockerEngine

  init() throws { engine = try #require(EngineScope.engine as? DockerEngine) }

  /// The words of the `docker run` of a page, or of another engine's, without the engine and with its lines joined.
  static func runLine(in page: String, of engine: String = "docker") -> [String]? {
    guard let start = page.range(of: "\n\(engine) run "), let end = page[start.upperBound...].range(of: "\n```") else {
      return nil
    }
    let text = page[page.index(after: start.lowerBound)..<end.lowerBound].replacing("\\\n", with: "")
    return text.split(separator: " ").dropFirst().map(String.init)
  }

  @Test("it is the program and nothing else, and starts with no more rights than the page gives it")
  func image() throws {
    let folder = engine.folder.path + "/image"
    mkdir(folder, 0o755)
    #expect(Program.run("/usr/bin/strip", ["-o", folder + "/oomwitness", Program.oomwitness]).status == 0)
    let built = engine.docker(
      "build", "--tag", "oomwitness:0.1", "--file", Repository.root + "/deploy/Containerfile", folder)
    #expect(built.status == 0, "\(built.errors)")
    #expect(engine.docker("run", "--rm", "--network=none", "oomwitness:0.1", "--version").output.hasPrefix("0.1"))

    let page = try #require(Files.text(Repository.root + "/deploy/README.md"))
    var words = try #require(DockerImageTests.runLine(in: page))
    words[0...1] = ["run", "--detach"]  // not --rm: its log is read
    // Docker before 23 knows neither right: the page says what stands for both.
    if engine.docker("version", "--format", "{{.Server.Version}}").output.hasPrefix("20.") {
      words = words.filter { $0 != "--cap-add=PERFMON" }.map { $0 == "--cap-add=BPF" ? "--cap-add=SYS_ADMIN" : $0 }
    }
    words = words.map { $0.replacing("/var/lib/docker", with: engine.folder.path + "/data") }
    let witness = engine.docker(words)
    #expect(witness.status == 0, "\(witness.errors)")
    #expect(waits { log().contains("stream_start") }, "\(log())")
    let id = try engine.create(ContainerOrder("watched", ContainerOrder.hogOfShell))
    #expect(engine.run(id).status == 0)
    #expect(waits { log().contains("oom_outcome") }, "\(log())")
    let kill = try #require(
      Line.all(in: log()).first { $0.type == "oom_kill" && $0.text("victim", "container", "id") == id })
    #expect(kill.text("victim", "container", "name") == "watched")
    #expect(kill.text("victim", "container", "runtime") == "docker")
    #expect(kill.text("victim", "comm") == "dd")
    #expect(kill.array("victim", "cmdline")?.first as? String == "/bin/dd")
    #expect(kill.number("limit", "limit_pages") == (50 << 20) / 4096)
  }

  /// Standard output alone.
  private func log() -> String { engine.docker("logs", "oomwitness").output }

  private func waits(_ isSo: () -> Bool) -> Bool {
    for _ in 0..<100 {
      if isSo() { return true }
      usleep(100_000)
    }
    return false
  }
}
