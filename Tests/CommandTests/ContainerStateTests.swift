// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport
import Testing

/// A container by the name that its runtime's file gives it, and what is said where that file is half written.
@Suite struct ContainerStateTests {
  private static let started = Atomic(0)

  /// Docker's state of one container of ours, in place of this machine's for what `run` starts.
  private final class DockerState {
    let groups = ScratchGroups()
    let id = MadeID.next()
    let path: String
    let cgroup: String
    private let folder: String

    init() {
      path = "/tmp/oomwitness-state-\(getpid())-\(ContainerStateTests.started.add(1, ordering: .relaxed).newValue)"
      folder = path + "/docker/containers/" + id
      cgroup = groups.add("docker/\(id)", limitBytes: 64 << 20)
      groups.start("exec sleep 1000", in: cgroup)
      _ = Program.run("/bin/mkdir", ["-p", folder, "/var/lib/docker"])
    }

    deinit { _ = Program.run("/bin/rm", ["-rf", path]) }

    func write(_ text: String) { Files.write(text, to: folder + "/config.v2.json") }

    func run(_ arguments: [String]) -> Program.Ended {
      let script = "mount --bind '\(path)/docker' /var/lib/docker && exec \"$@\""
      return Program.run("/usr/bin/unshare", ["-m", "sh", "-c", script, "sh", Program.oomwitness] + arguments)
    }
  }

  @Test("a whole file names the container; one that ends anywhere is one sentence, status 1, and nothing written")
  func halfWritten() {
    let state = DockerState()
    let whole =
      "{\"ID\":\"\(state.id)\",\"Name\":\"/half-\(state.id.prefix(12))\","
      + "\"Config\":{\"Image\":\"shop:1\",\"Labels\":{\"com.docker.compose.service\":\"cart\"}}}"
    let name = "half-\(state.id.prefix(12))"
    state.write(whole)
    let found = state.run(["cgroup", name, "--output", "json"])
    #expect(found.status == 0, "\(found.errors)")
    #expect(Line.all(in: found.output).first?.text("group", "path") == state.cgroup)
    let file = state.path + "/limits.yaml"
    for length in [0, 1, whole.utf8.count / 2, whole.utf8.count - 1] {
      state.write(String(whole.prefix(length)))
      for arguments in [["cgroup", name], ["limits", name, "--write", "compose", "--to", file]] {
        let ended = state.run(arguments)
        #expect(ended.status == 1, "\(length) \(arguments)")
        #expect(ended.output == "", "\(length) \(arguments)")
        #expect(
          ended.errors.hasPrefix("oomwitness: '\(name)' is no cgroup, pid, container, pod or unit of this host"))
        #expect(
          ended.errors.hasSuffix("/containers/\(state.id)/config.v2.json is half written or cannot be read\n"),
          "\(ended.errors)")
        #expect(ended.errors.filter { $0 == "\n" }.count == 1)
        #expect(Files.text(file) == nil)
      }
    }
  }
}
