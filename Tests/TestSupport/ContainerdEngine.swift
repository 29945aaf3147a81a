// SPDX-License-Identifier: Apache-2.0
import Glibc

/// containerd with state of its own, driven by ctr: a container has the name that was given to it, and no other.
public final class ContainerdEngine: ContainerEngine {
  public static let refusal = Requirement.engine("/usr/bin/containerd", "/usr/bin/ctr", "/usr/sbin/runc")
  public static let image = "docker.io/library/oomwitness-box:latest"

  public let folder: EngineFolder
  private let daemon: Daemon

  public init() throws(EngineFailure) {
    folder = EngineFolder()
    if let why = folder.makeImage("oomwitness-box") { throw EngineFailure(why) }
    let path = folder.path
    let configuration = """
      version = 2
      root = "\(path)/root"
      state = "\(path)/state"
      disabled_plugins = ["io.containerd.grpc.v1.cri"]
      [grpc]
        address = "\(path)/c.sock"
      [plugins."io.containerd.internal.v1.opt"]
        path = "\(path)/opt"

      """
    Files.write(configuration, to: path + "/containerd.toml")
    daemon = Daemon("/usr/bin/containerd", ["--config", path + "/containerd.toml"])
    guard daemon.isReady({ self.ctr("version").status == 0 }) else {
      throw EngineFailure("containerd does not answer: \(stopped())")
    }
    let imported = ctr("images", "import", "--snapshotter", "native", path + "/archive.tar")
    guard imported.status == 0 else { throw EngineFailure("ctr images import", imported) }
  }

  public func ctr(_ arguments: String...) -> Program.Ended { ctr(arguments) }

  public func ctr(_ arguments: [String]) -> Program.Ended {
    Program.run("/usr/bin/ctr", ["--address", folder.path + "/c.sock"] + arguments)
  }

  /// `ctr events`, for as long as it is not signalled.
  public func events() -> Program { Program("/usr/bin/ctr", ["--address", folder.path + "/c.sock", "events"]) }

  public func create(_ order: ContainerOrder) throws(EngineFailure) -> String {
    var arguments = ["containers", "create", "--snapshotter", "native"]
    if let limit = order.limitMiB { arguments += ["--memory-limit", "\(limit << 20)"] }
    if let parent = order.cgroupParent { arguments += ["--cgroup", parent + "/" + order.name] }
    for (name, value) in order.labels { arguments += ["--label", "\(name)=\(value)"] }
    // ctr takes the command's options for its own.
    let created = ctr(arguments + [ContainerdEngine.image, order.name, "--"] + order.command)
    guard created.status == 0 else { throw EngineFailure("ctr containers create", created) }
    return order.name
  }

  public func run(_ id: String) -> Program.Ended { ctr("tasks", "start", id) }

  public func start(_ id: String) -> Program.Ended { ctr("tasks", "start", "--detach", id) }

  public func stop() { _ = stopped() }

  private func stopped() -> String {
    for id in ctr("containers", "list", "--quiet").output.split(separator: "\n").map(String.init) {
      _ = ctr("tasks", "delete", "--force", id)
      _ = ctr("containers", "delete", id)
    }
    let errors = daemon.stop()
    folder.remove()
    EngineFolder.removeEmptyCgroups("/default")
    return errors
  }
}
