// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What a cgroup's path alone says, for each manager, driver and version. Shapes were taken from running engines (docker
/// 20.10, podman 4.3, containerd 1.6, ctr, runc, crun, nspawn) and from the sources that CgroupPath names.
@Suite struct CgroupPathTests {
  /// One path and what it says. `qos` as Kubernetes writes it, `above`: containers that the pod itself is in.
  struct Row: CustomTestStringConvertible, Sendable {
    var path: String
    var runtime: String?
    var id: String?
    var unit: String?
    var uid: String?
    var qos: String?
    var above = 0
    var isStatic: Bool?
    var user: UInt32?
    var testDescription: String { path }
  }

  static let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  static let id2 = String(repeating: "fe", count: 32)
  static let short = String(id.dropLast())
  static let build = "k3v9x0qzr7c1w5t8y2n4m6b1a"
  static let uid = "01234567-89ab-cdef-0123-456789abcdef"
  static let uid_ = "01234567_89ab_cdef_0123_456789abcdef"
  static let hash = "0123456789abcdef0123456789abcdef"
  static let pods = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(uid_).slice"
  static let kind = "/docker/\(id2)/kubelet/kubepods/burstable/pod\(uid)"
  static let kindV2 =
    "/system.slice/docker-\(id2).scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice"
    + "/kubelet-kubepods-besteffort-pod\(uid_).slice"
  static let user = "/user.slice/user-1000.slice/user@1000.service"

  // MARK: Engines

  static let engines: [Row] = [
    Row(path: "/docker/\(id)", runtime: "docker", id: id),
    Row(path: "/docker/\(id)/init", runtime: "docker", id: id),
    Row(path: "/system.slice/docker-\(id).scope", runtime: "docker", id: id, unit: "docker-\(id).scope"),
    Row(path: "/docker/buildx/\(id)", runtime: "docker", id: id),
    Row(path: "/batch.slice/docker-\(id).scope", runtime: "docker", id: id, unit: "docker-\(id).scope"),
    Row(path: "/batch/\(id)", runtime: nil, id: id),
    Row(path: "/ecs/task-7/\(id)", runtime: nil, id: id),
    Row(path: "/../../docker/\(id)", runtime: "docker", id: id),
    Row(path: "/docker/buildkit/\(build)", runtime: "buildkit", id: build),
    Row(path: "/system.slice/docker-\(build).scope", runtime: "buildkit", id: build, unit: "docker-\(build).scope"),
    Row(path: "/system.slice/buildkit-\(build).scope", runtime: "buildkit", id: build, unit: "buildkit-\(build).scope"),
    Row(path: "/docker/\(id)/buildkit/\(build)", runtime: "buildkit", id: build),
    Row(path: "/default/\(id)", runtime: nil, id: id),
    Row(path: "/system.slice/nerdctl-\(id).scope", runtime: "containerd", id: id, unit: "nerdctl-\(id).scope"),
    Row(
      path: "\(user)/user.slice/nerdctl-\(id).scope", runtime: "containerd", id: id, unit: "user@1000.service",
      user: 1000),
    Row(path: "/machine.slice/libpod-\(id).scope", runtime: "podman", id: id, unit: "libpod-\(id).scope"),
    Row(path: "/machine.slice/libpod-\(id).scope/container", runtime: "podman", id: id, unit: "libpod-\(id).scope"),
    Row(path: "/libpod_parent/libpod-\(id)", runtime: "podman", id: id),
    Row(path: "/libpod_parent/\(id2)/libpod-\(id)", runtime: "podman", id: id),
    Row(
      path: "/machine.slice/machine-libpod_pod_\(id2).slice/libpod-\(id).scope/container", runtime: "podman", id: id,
      unit: "libpod-\(id).scope"),
    Row(
      path: "\(user)/user.slice/libpod-\(id).scope/container", runtime: "podman", id: id, unit: "user@1000.service",
      user: 1000),
    Row(
      path: "\(user)/user.slice/user-libpod_pod_\(id2).slice/libpod-\(id).scope", runtime: "podman", id: id,
      unit: "user@1000.service", user: 1000),
    Row(path: "/system.slice/web.service/libpod-payload-\(id)", runtime: "podman", id: id, unit: "web.service"),
    Row(path: "/lxc.payload.web", runtime: "lxc", id: "web"),
    Row(path: "/lxc.payload.web/system.slice/nginx.service", runtime: "lxc", id: "web"),
    Row(path: "/lxc.payload/web", runtime: "lxc", id: "web"),
    Row(path: "/lxc/101", runtime: "lxc", id: "101"),
    Row(path: "/lxc/101/ns/system.slice/cron.service", runtime: "lxc", id: "101"),
    Row(path: "/lxc/101/ns/lxc/inner_1", runtime: "lxc", id: "inner_1"),
    Row(path: "/lxc/101/ns/docker/\(id)", runtime: "docker", id: id),
    Row(path: "/machine.slice/machine-web.scope", runtime: "nspawn", id: "web", unit: "machine-web.scope"),
    Row(
      path: "/machine.slice/machine-a\\x2db.scope/payload/system.slice/foo.service", runtime: "nspawn", id: "a-b",
      unit: "machine-a\\x2db.scope"),
    Row(
      path: "/machine.slice/systemd-nspawn@deb\\x2d12.service/payload", runtime: "nspawn", id: "deb-12",
      unit: "systemd-nspawn@deb\\x2d12.service"),
    Row(
      path: "/machine.slice/machine-lxc\\x2d7\\x2dold.scope", runtime: "lxc", id: "lxc-7-old",
      unit: "machine-lxc\\x2d7\\x2dold.scope"),
    Row(
      path: "/machine.slice/machine-web.scope/payload/system.slice/docker-\(id).scope", runtime: "docker", id: id,
      unit: "machine-web.scope"),
  ]

  // MARK: Kubernetes

  static let kubernetes: [Row] = [
    Row(
      path: "\(pods)/cri-containerd-\(id).scope", runtime: "containerd", id: id, unit: "cri-containerd-\(id).scope",
      uid: uid, qos: "Burstable"),
    Row(
      path: "\(pods)/crio-\(id).scope/container", runtime: "cri-o", id: id, unit: "crio-\(id).scope", uid: uid,
      qos: "Burstable"),
    Row(
      path: "\(pods)/docker-\(id).scope", runtime: "docker", id: id, unit: "docker-\(id).scope", uid: uid,
      qos: "Burstable"),
    Row(path: pods, uid: uid, qos: "Burstable"),
    Row(
      path: "/kubepods.slice/kubepods-pod\(uid_).slice/cri-containerd-\(id).scope", runtime: "containerd", id: id,
      unit: "cri-containerd-\(id).scope", uid: uid, qos: "Guaranteed"),
    Row(
      path: "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod\(hash).slice/crio-\(id).scope",
      runtime: "cri-o", id: id, unit: "crio-\(id).scope", uid: hash, qos: "BestEffort", isStatic: true),
    Row(path: "/kubepods/burstable/pod\(uid)/\(id)", runtime: nil, id: id, uid: uid, qos: "Burstable"),
    Row(path: "/kubepods/besteffort/pod\(uid)/\(id)/nested", runtime: nil, id: id, uid: uid, qos: "BestEffort"),
    Row(path: "/kubepods/pod\(uid)/\(id)", runtime: nil, id: id, uid: uid, qos: "Guaranteed"),
    Row(
      path: "/kubepods/burstable/pod\(hash)/\(id)", runtime: nil, id: id, uid: hash, qos: "Burstable", isStatic: true),
    Row(path: "/kubepods/burstable/pod\(uid)/crio-\(id)", runtime: "cri-o", id: id, uid: uid, qos: "Burstable"),
    Row(path: "/kubelet/kubepods/pod\(uid)", uid: uid, qos: "Guaranteed"),
    Row(
      path: "/kubepods-burstable-pod\(uid_).slice:cri-containerd:\(id)", runtime: "containerd", id: id, uid: uid,
      qos: "Burstable"),
    Row(
      path: "/system.slice/containerd.service/kubepods-besteffort-pod\(uid_).slice:cri-containerd:\(id)",
      runtime: "containerd", id: id, unit: "containerd.service", uid: uid, qos: "BestEffort"),
    Row(path: "\(kind)/\(id)", runtime: nil, id: id, uid: uid, qos: "Burstable", above: 1),
    Row(path: kind, runtime: "docker", id: id2, uid: uid, qos: "Burstable", above: 1),
    Row(
      path: "\(kindV2)/cri-containerd-\(id).scope", runtime: "containerd", id: id, unit: "docker-\(id2).scope",
      uid: uid,
      qos: "BestEffort", above: 1),
    Row(
      path: "/kubepods/burstable/pod\(uid)/\(id2)/docker/\(id)", runtime: "docker", id: id, uid: uid, qos: "Burstable"),
    Row(path: "/docker/\(id2)/docker/\(id)", runtime: "docker", id: id),
    Row(path: "/docker/\(id2)/system.slice/docker-\(id).scope", runtime: "docker", id: id),
  ]

  // MARK: Units alone

  static let units: [Row] = [
    Row(path: "/system.slice/nginx.service", unit: "nginx.service"),
    Row(path: "\(user)/app.slice/app-firefox-77.scope", unit: "user@1000.service", user: 1000),
    Row(path: "/user.slice/user-1000.slice/session-3.scope", unit: "session-3.scope", user: 1000),
    Row(path: "/init.scope", unit: "init.scope"),
    Row(path: "/system.slice/lxc.service", unit: "lxc.service"),
    Row(path: "/system.slice/docker.service", unit: "docker.service"),
    Row(path: "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt", unit: "machine-qemu\\x2d1\\x2dvm.scope"),
    Row(path: "/machine.slice/libpod-conmon-\(id).scope", unit: "libpod-conmon-\(id).scope"),
    Row(path: "\(pods)/crio-conmon-\(id).scope", unit: "crio-conmon-\(id).scope", uid: uid, qos: "Burstable"),
    Row(path: "/docker/\(id2)/libpod_parent/conmon", runtime: "docker", id: id2),
  ]

  // MARK: Wrong and hostile

  static let junk: [Row] = [
    Row(path: ""), Row(path: "/"), Row(path: "////"), Row(path: "/docker"), Row(path: "/docker/web"),
    Row(path: "/docker/\(short)"), Row(path: "/docker/\(id)0"), Row(path: "/docker/\(id.uppercased())"),
    Row(path: "/system.slice/docker-\(short).scope", unit: "docker-\(short).scope"),
    Row(path: "/system.slice/docker-\(id)0.scope", unit: "docker-\(id)0.scope"),
    Row(path: "/system.slice/mydocker-\(id).scope", unit: "mydocker-\(id).scope"),
    Row(path: "/docker/\(short)\u{1b}"), Row(path: "/docker/\n\(id.dropFirst())"), Row(path: "/docker/\(id) "),
    Row(path: "/docker/\(short)\u{434}"), Row(path: "/docker-\(id).scope.scope", unit: "docker-\(id).scope.scope"),
    Row(path: "/libpod_parent/\(id)"), Row(path: "/libpod_parent/conmon"),
    Row(path: "/lxc.payload."), Row(path: "/lxc.payload..."), Row(path: "/lxc/.."), Row(path: "/lxc/a b"),
    Row(path: "/lxc.monitor.web"), Row(path: "/lxc"), Row(path: "/srv/lxc/web"),
    Row(path: "/lxc.payload.\(String(repeating: "a", count: 256))"),
    Row(path: "/machine.slice/machine-.scope", unit: "machine-.scope"),
    Row(path: "/machine.slice/machine-\\x2e\\x2e.scope", unit: "machine-\\x2e\\x2e.scope"),
    Row(path: "/machine.slice/machine-a\\x2fb.scope", unit: "machine-a\\x2fb.scope"),
    Row(path: "/machine.slice/machine-a\\x.scope", unit: "machine-a\\x.scope"),
    Row(path: "/other.slice/machine-web.scope", unit: "machine-web.scope"),
    Row(path: "/kubepods"), Row(path: "/kubepods/burstable"), Row(path: "/kubepods/pod"), Row(path: "/pod\(uid)"),
    Row(path: "/kubepods/pod\(uid.dropLast())"), Row(path: "/kubepods/pod\(uid)0"), Row(path: "/kubepods/pod\(hash)0"),
    Row(path: "/kubepods/pod\(uid_)"), Row(path: "/kubepods/pod\(uid.replacing("a", with: "g"))"),
    Row(path: "/kubepods/silver/pod\(uid)"), Row(path: "/kubepods/burstable/x/pod\(uid)"),
    Row(path: "/kubepods.slice/kubepods-silver-pod\(uid_).slice"),
    Row(path: "/kubepods.slice/kubepods-burstable-besteffort-pod\(uid_).slice"),
    Row(path: "/a.slice:docker"), Row(path: "/a.slice::\(id)"), Row(path: "/a:b:c"),
    Row(path: "/buildkit/\(build.uppercased())"), Row(path: "/buildkit/\(build)0"),
    Row(path: "/user.slice/user-.slice"), Row(path: "/user.slice/user-99999999999.slice"),
    Row(path: "/user.slice/user-0x1.slice"),
    Row(path: String(repeating: "/a", count: 2048) + "/docker/\(id)"),
  ]

  @Test("engines", arguments: engines) func engine(row: Row) { check(row) }
  @Test("pods", arguments: kubernetes) func pod(row: Row) { check(row) }
  @Test("units, sessions and monitors", arguments: units) func unit(row: Row) { check(row) }
  @Test("wrong and hostile", arguments: junk) func wrong(row: Row) { check(row) }

  private func check(_ row: Row) {
    let path = CgroupPath(KernelName(row.path))
    #expect(path.containers.last?.runtime == row.runtime && path.containers.last?.id == row.id)
    #expect(path.unit == row.unit && path.userID == row.user)
    #expect(path.pod?.podUID == row.uid && path.pod?.qosClass?.rawValue == row.qos)
    #expect(path.pod?.isStatic == row.isStatic && path.containersAbovePod == row.above)
    let owner = CgroupOwner(path: KernelName(row.path))
    #expect((owner == nil) == (row.id == nil && row.unit == nil && row.uid == nil))
    #expect(owner?.container == path.containers.last && owner?.pod == path.pod && owner?.unit == path.unit)
  }

  @Test("there are 60 paths and more, and 20 of them are wrong")
  func count() {
    let right = CgroupPathTests.engines + CgroupPathTests.kubernetes + CgroupPathTests.units
    #expect(right.count >= 40 && CgroupPathTests.junk.count >= 20 && right.count + CgroupPathTests.junk.count >= 60)
    #expect(Set((right + CgroupPathTests.junk).map(\.path)).count == right.count + CgroupPathTests.junk.count)
  }

  @Test("bytes that are no text are no name, and hide none")
  func bytes() {
    let broken: [UInt8] = [0x2f, 0xff, 0xfe]
    #expect(CgroupOwner(path: KernelName(bytes: broken)) == nil)
    #expect(CgroupOwner(path: KernelName(bytes: Array("/lxc.payload.a".utf8) + [0xff])) == nil)
    #expect(CgroupOwner(path: KernelName(bytes: Array("/docker/\(CgroupPathTests.short)".utf8) + [0xc3])) == nil)
    let inside = Array("/docker/\(CgroupPathTests.id)".utf8) + broken
    #expect(CgroupOwner(path: KernelName(bytes: inside))?.container?.id == CgroupPathTests.id)
    #expect(
      CgroupOwner(path: KernelName(bytes: broken + Array("/docker/\(CgroupPathTests.id)".utf8)))?.container?.runtime
        == "docker")
  }
}
