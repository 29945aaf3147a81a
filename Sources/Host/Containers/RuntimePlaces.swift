// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Where the runtimes of this host keep their state: the usual places, those that their configuration names, and those that a
/// running one was started with.
struct RuntimePlaces {
  /// Places of one kind; what programs beyond that name is left out.
  static let placesMax = 16
  /// Processes that are looked at in one search; the smallest pids first.
  static let processesMax = 32_768

  /// Docker's data roots. Source: dockerd(8), --data-root.
  private(set) var dockerRoots = ["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"]
  /// Source: containerd-config.toml(5), state; k3s, k0s and MicroK8s by their documentation.
  private(set) var containerdStates = [
    "/run/containerd", "/run/docker/containerd/daemon", "/run/k3s/containerd", "/run/k0s/containerd",
    "/var/snap/microk8s/common/run/containerd",
  ]
  /// Source: containers-storage.conf(5), runroot and graphroot: CRI-O's bundles are in the first, Podman's in the second.
  private(set) var storageRoots = ["/run/containers/storage", "/var/lib/containers/storage"]

  private let files: StateFiles
  private let root: String

  /// The usual places and those of configuration files.
  init(files: StateFiles, root: String) {
    (self.files, self.root) = (files, root)
    readDockerConfiguration("/etc/docker/daemon.json")
    readContainerdConfiguration("/etc/containerd/config.toml")
    for file in ["/usr/share/containers/storage.conf", "/etc/containers/storage.conf"] {
      for key in ["runroot", "graphroot"] { add(files.setting(key, in: file, section: "storage"), to: \.storageRoots) }
    }
  }

  /// Of the user's own engines, which have no daemon whose arguments could be read.
  static func rootless(home: String) -> (docker: String, storage: String) {
    (home + "/.local/share/docker", home + "/.local/share/containers/storage")
  }

  mutating func add(dockerRoot: String) { add(dockerRoot, to: \.dockerRoots) }

  private mutating func readDockerConfiguration(_ path: String) {
    let found = files.document(path) { (json) throws(JSONReader.Fault) in
      var roots: [String] = []
      try json.object { (json, name) throws(JSONReader.Fault) in
        guard name == "data-root" || name == "graph" else { return false }
        if let text = try json.text() { roots.append(text) }
        return true
      }
      return roots
    }
    for root in found ?? [] { add(root, to: \.dockerRoots) }
  }

  private mutating func readContainerdConfiguration(_ path: String) {
    add(files.setting("state", in: path), to: \.containerdStates)
  }

  // MARK: Running programs

  /// Looks at all processes for the daemons and monitors of engines that root runs: what another user's process says of
  /// itself would let it give containers false names.
  ///
  /// File: /proc/PID/comm, and of these programs cmdline.
  mutating func search(processes: ProcReader) {
    for pid in ((try? processes.pids()) ?? []).prefix(RuntimePlaces.processesMax) {
      guard let comm = (try? processes.comm(pid: pid)) ?? nil else { continue }
      switch comm.text {
      case "dockerd", "containerd", "conmon", "crio": take(pid, comm.text, processes)
      default: break
      }
    }
  }

  private mutating func take(_ pid: Int32, _ comm: String, _ processes: ProcReader) {
    var status = stat()
    guard stat("\(root)/proc/\(pid)", &status) == 0, status.st_uid == 0 || !root.isEmpty,
      let cmdline = (try? processes.cmdline(pid: pid)) ?? nil
    else { return }
    let arguments = cmdline.map(\.text)
    func value(_ names: String...) -> String? { RuntimePlaces.value(names, in: arguments) }
    switch comm {
    case "dockerd":
      add(value("--data-root", "--graph", "-g"), to: \.dockerRoots)
      if let file = value("--config-file") { readDockerConfiguration(file) }
      if let exec = value("--exec-root") { add(exec + "/containerd/daemon", to: \.containerdStates) }
    case "containerd":
      add(value("--state"), to: \.containerdStates)
      if let file = value("--config", "-c") { readContainerdConfiguration(file) }
    case "crio":
      add(value("--runroot"), to: \.storageRoots)
      add(value("--root"), to: \.storageRoots)
    default:
      // ROOT/DRIVER-containers/ID/userdata
      guard let bundle = value("-b", "--bundle"), bundle.hasSuffix("/userdata") else { return }
      let parts = bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
      guard parts.last?.hasSuffix("-containers") == true else { return }
      add(parts.dropLast().joined(separator: "/"), to: \.storageRoots)
    }
  }

  /// Of `--name value` or `--name=value`, the last.
  private static func value(_ names: [String], in arguments: [String]) -> String? {
    var found: String?
    for (place, argument) in arguments.enumerated() {
      for name in names {
        if argument == name, place + 1 < arguments.count { found = arguments[place + 1] }
        if argument.hasPrefix(name + "=") { found = String(argument.dropFirst(name.utf8.count + 1)) }
      }
    }
    return found
  }

  private mutating func add(_ path: String?, to places: WritableKeyPath<RuntimePlaces, [String]>) {
    guard var path, path.hasPrefix("/"), path.utf8.count < 4096 else { return }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    guard !self[keyPath: places].contains(path), self[keyPath: places].count < RuntimePlaces.placesMax else { return }
    self[keyPath: places].append(path)
  }
}
