// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What people start and limit, by a cgroup's path or by what a runtime told.
@Suite struct KillPlaceTests {
  static let id = String(repeating: "0f", count: 32)
  static let uid = "01234567-89ab-cdef-0123-456789abcdef"

  static func pod(_ uid: String) -> KillPlace {
    var pod = PodRef()
    pod.podUID = uid
    return .pod(pod)
  }

  static let rows: [(String, KillPlace)] = [
    ("/system.slice/db.service", .unit("db.service")),
    ("/system.slice/docker-\(id).scope", .container(ContainerRef(runtime: "docker", id: id))),
    ("/docker/\(id)", .container(ContainerRef(runtime: "docker", id: id))),
    ("/machine.slice/libpod-\(id).scope/container", .container(ContainerRef(runtime: "podman", id: id))),
    ("/kubepods/besteffort/pod\(uid)/\(id)", pod(uid)),
    (
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(uid.replacing("-", with: "_")).slice/"
        + "cri-containerd-\(id).scope", pod(uid)
    ),
    ("/kubepods.slice/kubepods-pod\(uid.replacing("-", with: "_")).slice", pod(uid)),
    ("/kubelet/kubepods/pod\(String(repeating: "a", count: 32))", pod(String(repeating: "a", count: 32))),
    ("/pod\(uid)", .cgroup(KernelName("/pod\(uid)"))),
    ("/kubepods/pod; rm -rf ~", .cgroup(KernelName("/kubepods/pod; rm -rf ~"))),
    ("/kubepods/podabc", .cgroup(KernelName("/kubepods/podabc"))),
    ("/", .cgroup(KernelName("/"))),
  ]

  @Test("the outermost that outlives a restart", arguments: rows)
  func place(path: String, place: KillPlace) {
    #expect(KillPlace(CgroupRef(path: KernelName(path))) == place)
  }

  @Test("no path, no place")
  func unknown() {
    #expect(KillPlace(nil) == .unknown && KillPlace(CgroupRef(id: 7)) == .unknown && KillPlace.unknown.name == nil)
  }

  @Test("a runtime's word goes before the path's, and what it adds makes no second place")
  func told() {
    var pod = PodRef()
    pod.podUID = KillPlaceTests.uid
    (pod.namespace, pod.pod) = ("shop", "cart-0")
    var group = CgroupRef(path: KernelName("/kubepods/pod\(KillPlaceTests.uid)/\(KillPlaceTests.id)"))
    let byPath = KillPlace(group)
    group.owner = CgroupOwner(container: ContainerRef(runtime: "docker", id: KillPlaceTests.id), pod: pod)
    let told = KillPlace(group)
    #expect(told == byPath && told.hashValue == byPath.hashValue)
    #expect(byPath.displayName == nil && told.displayName == "shop/cart-0")
    #expect(byPath.shownName == KernelName(KillPlaceTests.uid) && told.shownName == KernelName("shop/cart-0"))
    pod.podUID = nil
    group.owner = CgroupOwner(pod: pod)
    #expect(KillPlace(group).name == KernelName("shop/cart-0") && KillPlace(group) != byPath)
  }
}
