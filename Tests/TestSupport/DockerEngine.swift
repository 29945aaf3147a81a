// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Docker's engine with state, containerd and socket of its own; no network, no firewall rule, no storage driver that mounts.
public final class DockerEngine: ContainerEngine {
  public static let refusal = Requirement.engine("/usr/sbin/dockerd", "/usr/bin/docker", "/usr/sbin/runc")
  public static let image = "oomwitness-box"

  public let folder: EngineFolder
  private let daemon: Daemon

  public init() throws(EngineFailure) {
    folder = EngineFolder()
    if let why = folder.makeImage(DockerEngine.image) { throw EngineFailure(why) }
    let path = folder.path
    Files.write("{}", to: path + "/daemon.json")
    daemon = Daemon(
      "/usr/sbin/dockerd",
      [
        "--data-root", path + "/data", "--exec-root", path + "/exec", "--host", "unix://\(path)/d.sock", "--pidfile",
        path + "/d.pid", "--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none",
        "--exec-opt", "native.cgroupdriver=cgroupfs", "--config-file", path + "/daemon.json",
      ])
    guard daemon.isReady({ self.docker("version").status == 0 }) else {
      throw EngineFailure("dockerd does not answer: \(stopped())")
    }
    let imported = docker("import", path + "/image.tar", DockerEngine.image)
    guard imported.status == 0 else { throw EngineFailure("docker import", imported) }
  }

  /// The client's answer.
  public func docker(_ arguments: String...) -> Program.Ended { docker(arguments) }

  public func docker(_ arguments: [String]) -> Program.Ended {
    let environment = [
      "DOCKER_HOST": "unix://\(folder.path)/d.sock", "DOCKER_CONFIG": folder.path, "DOCKER_BUILDKIT": "0",
    ]
    return Program.run("/usr/bin/docker", arguments, environment: environment)
  }

  public func create(_ order: ContainerOrder) throws(EngineFailure) -> String {
    var arguments = ["create", "--name", order.name, "--network", "none"]
    if let limit = order.limitMiB { arguments += ["--memory", "\(limit)m", "--memory-swap", "\(limit)m"] }
    if let parent = order.cgroupParent { arguments += ["--cgroup-parent", parent] }
    for (name, value) in order.labels { arguments += ["--label", "\(name)=\(value)"] }
    let created = docker(arguments + [DockerEngine.image] + order.command)
    guard created.status == 0 else { throw EngineFailure("docker create", created) }
    return String(created.output.prefix { $0 != "\n" })
  }

  public func run(_ id: String) -> Program.Ended { docker("start", "--attach", id) }

  public func start(_ id: String) -> Program.Ended { docker("start", id) }

  /// What Docker says of it: whether it was an OOM, and the exit code of pid 1.
  public func verdict(_ id: String) -> String {
    let said = docker("inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", id)
    return said.status == 0 ? String(said.output.prefix { $0 != "\n" }) : said.errors
  }

  public func stop() { _ = stopped() }

  private func stopped() -> String {
    let all = docker("ps", "--all", "--quiet").output.split(separator: "\n").map(String.init)
    if !all.isEmpty { _ = docker(["rm", "--force"] + all) }
    let errors = daemon.stop()
    folder.remove()
    EngineFolder.removeEmptyCgroups("/docker")
    return errors
  }
}
