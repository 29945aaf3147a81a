// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Podman with storage of its own. It has no daemon: each container has a conmon that ends with it.
public final class PodmanEngine: ContainerEngine {
  public static let refusal = Requirement.engine("/usr/bin/podman", "/usr/bin/conmon", "/usr/sbin/runc")
  public static let image = "oomwitness-box"

  public let folder: EngineFolder

  /// runc, since crun 1.8 takes no memory limit where cgroup v1 and v2 are both mounted. The limits of resources are what
  /// anybody may set: podman's own default needs CAP_SYS_RESOURCE. A pod's first container needs an image with an entrypoint.
  private static let configuration = """
    [containers]
    default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
    cgroups = "enabled"
    netns = "none"
    [engine]
    runtime = "runc"
    cgroup_manager = "cgroupfs"
    events_logger = "file"
    infra_image = "localhost/pause:latest"

    """

  public init() throws(EngineFailure) {
    folder = EngineFolder()
    if let why = folder.makeImage(PodmanEngine.image) { throw EngineFailure(why) }
    Files.write(PodmanEngine.configuration, to: folder.path + "/containers.conf")
    let tar = folder.path + "/image.tar"
    let entry = "ENTRYPOINT [\"/bin/sleep\",\"100000\"]"
    for arguments in [[tar, PodmanEngine.image], ["--change", entry, tar, "pause"]] {
      let ended = podman(["import"] + arguments)
      guard ended.status == 0 else { throw EngineFailure("podman import", ended) }
    }
  }

  public func podman(_ arguments: String...) -> Program.Ended { podman(arguments) }

  public func podman(_ arguments: [String]) -> Program.Ended {
    let path = folder.path
    let place = [
      "--root", path + "/root", "--runroot", path + "/run", "--tmpdir", path + "/tmp", "--storage-driver", "vfs",
    ]
    // conmon leaves a file `oom` in the folder that it was started in. Source: conmon, src/oom.c, write_oom_files().
    return Program.run(
      "/bin/sh", ["-c", "cd \(path); exec /usr/bin/podman \"$@\"", "podman"] + place + arguments,
      environment: ["CONTAINERS_CONF": path + "/containers.conf"])
  }

  public func create(_ order: ContainerOrder) throws(EngineFailure) -> String { try create(order, pod: nil) }

  /// - Parameter pod: the name of a pod that `podman pod create` has made.
  public func create(_ order: ContainerOrder, pod: String?) throws(EngineFailure) -> String {
    var arguments = ["create", "--name", order.name]
    arguments += pod.map { ["--pod", $0] } ?? ["--network", "none"]
    if let limit = order.limitMiB { arguments += ["--memory", "\(limit)m", "--memory-swap", "\(limit)m"] }
    if let parent = order.cgroupParent { arguments += ["--cgroup-parent", parent] }
    for (name, value) in order.labels { arguments += ["--label", "\(name)=\(value)"] }
    let created = podman(arguments + ["localhost/" + PodmanEngine.image] + order.command)
    guard created.status == 0 else { throw EngineFailure("podman create", created) }
    return String(created.output.prefix { $0 != "\n" })
  }

  public func run(_ id: String) -> Program.Ended { podman("start", "--attach", id) }

  public func start(_ id: String) -> Program.Ended { podman("start", id) }

  /// What podman says of it: whether it was an OOM, and the exit code of pid 1.
  public func verdict(_ id: String) -> String {
    let said = podman("inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", id)
    return said.status == 0 ? String(said.output.prefix { $0 != "\n" }) : said.errors
  }

  public func stop() {
    _ = podman("pod", "rm", "--force", "--time", "0", "--all")
    _ = podman("rm", "--force", "--time", "0", "--all")
    folder.remove()
    EngineFolder.removeEmptyCgroups("/libpod_parent/conmon")
  }
}
