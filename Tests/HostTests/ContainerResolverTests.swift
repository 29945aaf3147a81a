// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Testing

@testable import Host

private typealias Made = ContainerFixtures

@Suite("Whose a cgroup is, by the files that each runtime keeps")
struct ContainerResolverTests {
  /// Files, a path, and whom it belongs to in words: `runtime id name image project/service pod | namespace pod container uid
  /// class static | unit`, `-` for what is not known.
  struct Row: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var files: [String: String]
    var path: String
    var said: String

    init(_ name: String, _ files: [String: String], _ path: String, _ said: String) {
      (testDescription, self.files, self.path, self.said) = (name, files, path, said)
    }
  }

  static func said(_ owner: CgroupOwner?) -> String {
    guard let owner else { return "nobody" }
    func words(_ values: [String?]) -> String { values.map { $0 ?? "-" }.joined(separator: " ") }
    let container = owner.container.map {
      words([
        $0.runtime, String($0.id.prefix(4)), $0.name, $0.image, $0.composeProject, $0.composeService,
        $0.pod.map { String($0.prefix(4)) },
      ])
    }
    let pod = owner.pod.map {
      words([
        $0.namespace, $0.pod, $0.container, $0.podUID.map { String($0.prefix(8)) }, $0.qosClass?.rawValue,
        $0.isStatic.map(String.init),
      ])
    }
    return [container, pod, owner.unit].map { $0 ?? "none" }.joined(separator: " | ")
  }

  static let dockerFile = "var/lib/docker/containers/\(Made.id)/config.v2.json"
  static let pod = "/kubepods/burstable/pod\(Made.uid)"
  static let task = "run/containerd/io.containerd.runtime.v2.task"

  static let engines: [Row] = [
    Row(
      "Docker with Compose", [dockerFile: Made.docker(name: "/shop-web-1", labels: Made.compose)], "/docker/\(Made.id)",
      "docker 0a0a shop-web-1 shop/web:7 shop web - | none | none"),
    Row(
      "Docker with a cgroup parent of its own", [dockerFile: Made.docker(name: "/web")], "/batch/\(Made.id)",
      "docker 0a0a web shop/web:7 - - - | none | none"),
    Row(
      "Docker with systemd's driver, nothing of it readable", [:], "/system.slice/docker-\(Made.id).scope",
      "docker 0a0a - - - - - | none | docker-\(Made.id).scope"),
    Row(
      "Docker's data root by daemon.json",
      [
        "etc/docker/daemon.json": #"{"debug":true,"data-root":"/srv/docker/"}"#,
        "srv/docker/containers/\(Made.id)/config.v2.json": Made.docker(name: "/web"),
      ], "/docker/\(Made.id)", "docker 0a0a web shop/web:7 - - - | none | none"),
    Row(
      "Docker's data root by what its bundle mounts",
      [
        "\(task)/moby/\(Made.id)/config.json": Made.bundle("", mount: "/x/y/containers/\(Made.id)/hostname"),
        "x/y/containers/\(Made.id)/config.v2.json": Made.docker(name: "/web"),
      ], "/docker/\(Made.id)", "docker 0a0a web shop/web:7 - - - | none | none"),
    Row(
      "a bundle of Docker's alone", ["\(task)/moby/\(Made.id)/config.json": Made.bundle("")], "/x/\(Made.id)",
      "docker 0a0a - - - - - | none | none"),
    Row(
      "ctr", ["\(task)/default/c1/config.json": Made.bundle("")], "/default/c1",
      "containerd c1 - - - - - | none | none"),
    Row(
      "a path like ctr's, and no bundle", ["\(task)/default/c2/config.json": Made.bundle("")], "/default/c1", "nobody"),
    Row(
      "nerdctl", ["\(task)/default/\(Made.id)/config.json": Made.bundle(#""nerdctl/name":"web""#)],
      "/default/\(Made.id)",
      "containerd 0a0a web - - - - | none | none"),
    Row(
      "containerd's state by its configuration",
      [
        "etc/containerd/config.toml": "version = 2\n  state = \"/srv/ctd\" # here\n[grpc]\nstate = \"/no\"\n",
        "srv/ctd/io.containerd.runtime.v2.task/ns/c1/config.json": Made.bundle(""),
      ], "/ns/c1/deeper", "containerd c1 - - - - - | none | none"),
    Row(
      "Podman",
      [
        "var/lib/containers/storage/vfs-containers/containers.json":
          "[\(Made.podmanEntry(Made.id2, "db")),\(Made.podmanEntry(Made.id, "web"))]"
      ], "/machine.slice/libpod-\(Made.id).scope/container",
      "podman 0a0a web localhost/bb:latest - - - | none | libpod-\(Made.id).scope"),
    Row(
      "Podman in a pod, storage by storage.conf",
      [
        "etc/containers/storage.conf": "[storage]\ndriver = \"vfs\"\ngraphroot = \"/srv/st\"\n",
        "srv/st/overlay-containers/containers.json": "[\(Made.podmanEntry(Made.id, "web"))]",
        "srv/st/overlay-containers/\(Made.id)/userdata/config.json": Made.bundle(Made.podman),
      ], "/libpod_parent/\(Made.id2)/libpod-\(Made.id)", "podman 0a0a web localhost/bb:latest - - 0b0b | none | none"),
    Row(
      "Podman of a user",
      [
        "etc/passwd": "maria:x:1000:1000::/home/maria:/bin/sh\n",
        "home/maria/.local/share/containers/storage/overlay-containers/containers.json":
          "[\(Made.podmanEntry(Made.id, "web"))]",
      ], "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(Made.id).scope",
      "podman 0a0a web localhost/bb:latest - - - | none | user@1000.service"),
    Row(
      "nspawn", ["run/systemd/machines/web": Made.machine(class: "container", service: "systemd-nspawn")],
      "/machine.slice/machine-web.scope/payload", "nspawn web - - - - - | none | machine-web.scope"),
    Row(
      "libvirt's containers", ["run/systemd/machines/web": Made.machine(class: "container", service: "libvirt-lxc")],
      "/machine.slice/machine-web.scope", "lxc web - - - - - | none | machine-web.scope"),
    Row(
      "a virtual machine is none", ["run/systemd/machines/web": Made.machine(class: "vm", service: "systemd-vmspawn")],
      "/machine.slice/machine-web.scope", "none | none | machine-web.scope"),
    Row("LXC", [:], "/lxc.payload.mail/system.slice/a.service", "lxc mail - - - - - | none | none"),
    Row("a unit", [:], "/system.slice/a.service", "none | none | a.service"),
    Row("the root", [:], "/", "nobody"),
  ]

  static let kubernetes: [Row] = [
    Row(
      "Docker's shim of the kubelet",
      [
        dockerFile: Made.docker(
          name: "/k8s_web_cart-0_shop_\(Made.uid)_0", labels: Made.dockershim("web", type: "container"))
      ], "\(pod)/\(Made.id)",
      "docker 0a0a k8s_web_cart-0_shop_\(Made.uid)_0 shop/web:7 - - - | shop cart-0 web 01234567 Burstable false | none"
    ),
    Row(
      "Docker's sandbox",
      [dockerFile: Made.docker(name: "/k8s_POD", labels: Made.dockershim("POD", type: "podsandbox"))],
      "\(pod)/\(Made.id)", "docker 0a0a k8s_POD shop/web:7 - - - | shop cart-0 - 01234567 Burstable false | none"),
    Row(
      "Docker with the kubelet's labels and no such cgroup",
      [dockerFile: Made.docker(name: "/a", labels: Made.dockershim("web", type: "container"))], "/docker/\(Made.id)",
      "docker 0a0a a shop/web:7 - - - | shop cart-0 web 01234567 - false | none"),
    Row(
      "containerd", ["\(task)/k8s.io/\(Made.id)/config.json": Made.bundle(Made.cri("web", type: "container"))],
      "\(pod)/\(Made.id)",
      "containerd 0a0a web docker.io/shop/web:7 - - - | shop cart-0 web 01234567 Burstable - | none"),
    Row(
      "containerd's sandbox of a static pod",
      ["\(task)/k8s.io/\(Made.id)/config.json": Made.bundle(Made.cri("", type: "sandbox", uid: Made.hash))],
      "/kubepods/pod\(Made.hash)/\(Made.id)",
      "containerd 0a0a - docker.io/shop/web:7 - - - | shop cart-0 - 01234567 Guaranteed true | none"),
    Row(
      "k3s",
      [
        "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/\(Made.id)/config.json":
          Made.bundle(Made.cri("web", type: "container"))
      ], "\(pod)/\(Made.id)",
      "containerd 0a0a web docker.io/shop/web:7 - - - | shop cart-0 web 01234567 Burstable - | none"),
    Row(
      "CRI-O",
      [
        "run/containers/storage/overlay-containers/\(Made.id)/userdata/config.json":
          Made.bundle(Made.crio("web", type: "container"))
      ], "\(pod)/crio-\(Made.id)",
      "cri-o 0a0a k8s_web_cart-0_shop_\(Made.uid)_0 quay.io/shop/web:7 - - - | shop cart-0 web 01234567 Burstable true | none"
    ),
    Row(
      "CRI-O by its index alone",
      [
        "var/lib/containers/storage/overlay-containers/containers.json":
          #"[{"id":"\#(Made.id)","names":["n"],"metadata":"{\"pod-name\":\"x\",\"name\":\"k8s_web_cart-0_shop_u_0\"}"}]"#
      ], "\(pod)/crio-\(Made.id)",
      "cri-o 0a0a k8s_web_cart-0_shop_u_0 - - - - | shop cart-0 web 01234567 Burstable - | none"),
    Row(
      "the kubelet's links to logs", ["var/log/containers/cart-0_shop_web-\(Made.id).log": ""], "\(pod)/\(Made.id)",
      "- 0a0a - - - - - | shop cart-0 web 01234567 Burstable - | none"),
    Row(
      "the kubelet's folder of a pod", ["var/log/pods/shop_cart-0_\(Made.uid)/web/0.log": ""], pod,
      "none | shop cart-0 - 01234567 Burstable - | none"),
    Row(
      "the kubelet's folder of a static pod", ["var/log/pods/kube-system_etcd-n1_\(Made.hash)/etcd/0.log": ""],
      "/kubepods/besteffort/pod\(Made.hash)/\(Made.id)",
      "- 0a0a - - - - - | kube-system etcd-n1 - 01234567 BestEffort true | none"),
    Row(
      "Docker in a pod's container: the pod's names are of the outer one",
      [
        "\(task)/k8s.io/\(Made.id2)/config.json": Made.bundle(Made.cri("dind", type: "container")),
        dockerFile: Made.docker(name: "/not-this-hosts-child"),
      ], "\(pod)/\(Made.id2)/docker/\(Made.id3)",
      "docker 0c0c - - - - - | shop cart-0 dind 01234567 Burstable - | none"),
    Row(
      "kind: the node is Docker's, what is in it is not this host's to know", [dockerFile: Made.docker(name: "/node")],
      "/docker/\(Made.id)/kubelet\(pod)/\(Made.id3)", "- 0c0c - - - - - | - - - 01234567 Burstable - | none"),
    Row(
      "kind: a pod's own group is in the node", [dockerFile: Made.docker(name: "/node")],
      "/docker/\(Made.id)/kubelet\(pod)", "docker 0a0a node shop/web:7 - - - | - - - 01234567 Burstable - | none"),
  ]

  @Test("engines", arguments: engines)
  func engine(row: Row) throws { try check(row) }

  @Test("pods", arguments: kubernetes)
  func pods(row: Row) throws { try check(row) }

  private func check(_ row: Row) throws {
    let fixture = try Fixture(row.files)
    let resolver = ContainerResolver(root: fixture.root)
    #expect(ContainerResolverTests.said(resolver.owner(ofCgroup: KernelName(row.path))) == row.said)
    #expect(resolver.filesRefused == 0, "\(resolver.lastFileRefused?.text ?? "")")
  }

  @Test("where nothing may wait nobody's home is looked into")
  func homes() throws {
    let row = try #require(ContainerResolverTests.engines.first { $0.testDescription == "Podman of a user" })
    let fixture = try Fixture(row.files)
    let resolver = ContainerResolver(root: fixture.root, readsHomes: false)
    let said = ContainerResolverTests.said(resolver.owner(ofCgroup: KernelName(row.path)))
    #expect(said == "podman 0a0a - - - - - | none | user@1000.service")
  }

  // MARK: Wrong and hostile

  static let broken: [(String, String)] = [
    ("half of it", String(Made.docker(name: "/web").dropLast(9))), ("nothing", ""), ("no JSON", "<html>"),
    ("two documents", Made.docker(name: "/web") + Made.docker(name: "/web")),
    ("NUL", Made.docker(name: "/w\u{0}b")), ("too deep", String(repeating: "[", count: 100_000)),
    ("too large", #"{"Name":"/web"}"# + String(repeating: " ", count: StateFiles.fileBytesMax)),
  ]

  @Test("a file that cannot be used is not known, and is counted", arguments: broken)
  func brokenFiles(name: String, text: String) throws {
    let fixture = try Fixture([ContainerResolverTests.dockerFile: text])
    let resolver = ContainerResolver(root: fixture.root)
    let owner = resolver.owner(ofCgroup: KernelName("/docker/\(Made.id)"))
    #expect(owner?.container == ContainerRef(runtime: "docker", id: Made.id))
    #expect(resolver.filesRefused > 0)
    #expect(resolver.lastFileRefused?.text.hasSuffix("config.v2.json") == true)
  }

  @Test("values of other kinds than they should have are not known, and the rest is")
  func otherKinds() throws {
    let text =
      #"{"Name":7,"Config":{"Image":"i","Labels":{"com.docker.compose.project":[],"com.docker.compose.service":"s"}}}"#
    let fixture = try Fixture([ContainerResolverTests.dockerFile: text])
    let owner = ContainerResolver(root: fixture.root).owner(ofCgroup: KernelName("/docker/\(Made.id)"))
    #expect(ContainerResolverTests.said(owner) == "docker 0a0a - i - s - | none | none")
  }

  @Test("a pipe or a folder in a file's place holds nobody up")
  func traps() throws {
    let fixture = try Fixture()
    fixture.makeDirectory("var/lib/docker/containers/\(Made.id)")
    fixture.makeDirectory("run/containerd/io.containerd.runtime.v2.task/moby/\(Made.id)/config.json")
    let pipe = fixture.root + "/" + ContainerResolverTests.dockerFile
    try #require(mkfifo(pipe, 0o600) == 0)
    defer { unlink(pipe) }
    let resolver = ContainerResolver(root: fixture.root)
    #expect(resolver.owner(ofCgroup: KernelName("/docker/\(Made.id)"))?.container?.name == nil)
    #expect(resolver.filesRefused >= 2)
  }

  @Test("a path leads to no file but of an id or of a plain name")
  func traversal() throws {
    let fixture = try Fixture(["run/containerd/config.json": Made.bundle(""), "run/systemd/x": "CLASS=container\n"])
    let resolver = ContainerResolver(root: fixture.root)
    for path in ["/../..", "/./..", "/moby/..", "/machine.slice/machine-\\x2e\\x2e\\x2fx.scope", "/a\u{0}b/c"] {
      #expect(resolver.owner(ofCgroup: KernelName(path))?.container == nil, "\(path)")
    }
  }
}
