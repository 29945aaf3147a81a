// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A folder below /tmp for one container engine: its state, its sockets and the image that its containers run.
public final class EngineFolder: Sendable {
  /// Short: a socket's path has no more than 107 bytes. Source: unix(7).
  public let path: String

  public init() {
    path = "/tmp/oomw-\(getpid())-\(EngineFolder.made.add(1, ordering: .relaxed).newValue)"
    mkdir(path, 0o755)
  }

  /// Makes `image.tar`, a root with the applets of busybox that the tests run, and `archive.tar`, the same as `docker save`
  /// would write it, for an engine that cannot import a root. The archive is tagged docker.io/library/NAME:latest.
  /// - Returns: what went wrong; nil where it was made.
  public func makeImage(_ name: String) -> String? {
    let script = """
      set -e; cd \(path); mkdir -p root/bin; cp /bin/busybox root/bin/
      for applet in sh dd sleep true; do ln -s busybox root/bin/$applet; done
      tar -C root -cf image.tar .; rm -r root
      layer=$(sha256sum < image.tar | cut -d' ' -f1); mkdir -p archive/$layer; cp image.tar archive/$layer/layer.tar; cd archive
      printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        $layer > config.json
      printf '[{"Config":"config.json","RepoTags":["docker.io/library/\(name):latest"],"Layers":["%s/layer.tar"]}]' \
        $layer > manifest.json
      tar -cf ../archive.tar *; cd ..; rm -r archive
      """
    let ended = Program.run("/bin/sh", ["-c", script])
    return ended.status == 0 ? nil : ended.errors
  }

  /// Unmounts what an engine has left, innermost first, and removes all files.
  public func remove() {
    let mounts = (Files.text("/proc/self/mounts") ?? "").split(separator: "\n").map { $0.split(separator: " ")[1] }
    for mount in mounts.reversed() where mount.hasPrefix(path + "/") {
      umount2(String(mount), Int32(MNT_DETACH))
    }
    _ = Program.run("/bin/rm", ["-rf", "--one-file-system", path])
  }

  /// Removes a group and those above it from each hierarchy, as far as they are empty: engines leave the parents of theirs.
  public static func removeEmptyCgroups(_ path: String) {
    let top = "/sys/fs/cgroup"
    for root in [top] + Files.names(in: top).map({ top + "/" + $0 }) {
      var parts = path.split(separator: "/")
      while !parts.isEmpty, rmdir(root + "/" + parts.joined(separator: "/")) == 0 { parts.removeLast() }
    }
  }

  private static let made = Atomic(0)
}
