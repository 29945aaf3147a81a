// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What a cgroup's path says of who runs there.
@Suite struct KillPlaceTests {
  static let id = String(repeating: "0f", count: 32)
  static let uid = "01234567-89ab-cdef-0123-456789abcdef"

  static let rows: [(String, KillPlace)] = [
    ("/system.slice/db.service", .unit("db.service")),
    ("/system.slice/docker-\(id).scope", .container(ContainerRef(runtime: "docker", id: id))),
    ("/docker/\(id)", .container(ContainerRef(runtime: "docker", id: id))),
    ("/machine.slice/libpod-\(id).scope/container", .container(ContainerRef(runtime: "podman", id: id))),
    ("/kubepods/besteffort/pod\(uid)/\(id)", .pod(uid: uid)),
    (
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(uid.replacing("-", with: "_")).slice/"
        + "cri-containerd-\(id).scope", .pod(uid: uid)
    ),
    ("/kubepods.slice/kubepods-pod\(uid.replacing("-", with: "_")).slice", .pod(uid: uid)),
    ("/kubelet/kubepods/pod\(String(repeating: "a", count: 32))", .pod(uid: String(repeating: "a", count: 32))),
    ("/pod\(uid)", .cgroup(KernelName("/pod\(uid)"))),
    ("/kubepods/pod; rm -rf ~", .cgroup(KernelName("/kubepods/pod; rm -rf ~"))),
    ("/kubepods/podabc", .cgroup(KernelName("/kubepods/podabc"))),
    ("/", .cgroup(KernelName("/"))),
  ]

  @Test("the outermost that outlives a restart", arguments: rows)
  func place(path: String, place: KillPlace) {
    #expect(KillPlace(cgroupPath: KernelName(path)) == place)
  }

  @Test("no path, no place")
  func unknown() {
    #expect(KillPlace(cgroupPath: nil) == .unknown && KillPlace.unknown.name == nil)
  }
}
