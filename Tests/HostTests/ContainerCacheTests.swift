// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Testing

@testable import Host

private typealias Made = ContainerFixtures

@Suite("What was known of a container stands some minutes after its end")
struct ContainerCacheTests {
  /// A clock that a test sets.
  private final class Clock {
    var now: Int64 = 0
  }

  private static let file = "var/lib/docker/containers/\(Made.id)/config.v2.json"
  private static let path = KernelName("/docker/\(Made.id)")

  @Test("kept while fresh, read again after that, kept once more when the files are gone, and then forgotten")
  func life() throws {
    let fixture = try Fixture([ContainerCacheTests.file: Made.docker(name: "/web")])
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    func name() -> String? { resolver.owner(ofCgroup: ContainerCacheTests.path)?.container?.name }
    #expect(name() == "web")
    try fixture.write(KernelName(ContainerCacheTests.file), Array(Made.docker(name: "/renamed").utf8))
    clock.now = ContainerResolver.freshNanoseconds - 1
    #expect(name() == "web")
    clock.now = ContainerResolver.freshNanoseconds
    #expect(name() == "renamed")
    unlink(fixture.root + "/" + ContainerCacheTests.file)
    let end = clock.now + ContainerResolver.freshNanoseconds + ContainerResolver.keptNanoseconds
    for moment in [clock.now + ContainerResolver.freshNanoseconds, end - 1] {
      clock.now = moment
      #expect(name() == "renamed")
    }
    clock.now = end
    #expect(name() == nil)
  }

  @Test("what is not known is asked again soon")
  func negative() throws {
    let fixture = try Fixture()
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    func name() -> String? { resolver.owner(ofCgroup: ContainerCacheTests.path)?.container?.name }
    #expect(name() == nil)
    try fixture.write(KernelName(ContainerCacheTests.file), Array(Made.docker(name: "/web").utf8))
    clock.now = ContainerResolver.negativeNanoseconds - 1
    #expect(name() == nil)
    clock.now = ContainerResolver.negativeNanoseconds
    #expect(name() == "web")
  }

  @Test("room is bounded: what was longest not asked for goes first")
  func bounded() throws {
    let fixture = try Fixture()
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    for number in 0...ContainerResolver.entriesMax {
      clock.now = Int64(number)
      _ = resolver.owner(ofCgroup: KernelName("/system.slice/a\(number).service"))
    }
    #expect(resolver.count == ContainerResolver.entriesMax * 3 / 4 + 1)
    #expect(resolver.entriesDropped == ContainerResolver.entriesMax / 4)
  }

  @Test("a pod's own group has the names that its container told")
  func podOfContainer() throws {
    let labels = Made.dockershim("web", type: "container")
    let fixture = try Fixture([ContainerCacheTests.file: Made.docker(name: "/a", labels: labels)])
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    let pod = "/kubepods/burstable/pod\(Made.uid)"
    #expect(resolver.owner(ofCgroup: KernelName(pod))?.pod?.pod == nil)
    #expect(resolver.owner(ofCgroup: KernelName("\(pod)/\(Made.id)"))?.displayName == "shop/cart-0/web")
    clock.now = ContainerResolver.negativeNanoseconds
    let owner = resolver.owner(ofCgroup: KernelName(pod))
    #expect(owner?.displayName == "shop/cart-0" && owner?.pod?.container == nil && owner?.pod?.isStatic == false)
  }

  @Test("an index is read again when it has changed, and the one before stands while it is half written")
  func index() throws {
    let file = "var/lib/containers/storage/vfs-containers/containers.json"
    let fixture = try Fixture([file: "[\(Made.podmanEntry(Made.id, "web"))]"])
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    func name(_ id: String) -> String? {
      resolver.owner(ofCgroup: KernelName("/libpod_parent/libpod-\(id)"))?.container?.name
    }
    #expect(name(Made.id) == "web" && name(Made.id2) == nil)
    try fixture.write(KernelName(file), Array("[\(Made.podmanEntry(Made.id2, "db"))".utf8))
    clock.now = ContainerResolver.negativeNanoseconds
    #expect(name(Made.id2) == nil && resolver.filesRefused > 0)
    try fixture.write(KernelName(file), Array("[\(Made.podmanEntry(Made.id2, "db")),{},7]".utf8))
    clock.now *= 2
    #expect(name(Made.id2) == "db" && name(Made.id) == "web")
  }

  @Test("engines are found by what they were started with, and searched for once a group")
  func running() throws {
    let cmdline = ["dockerd", "--data-root=/a", "-H", "x", "--exec-root", "/e"].joined(separator: "\0") + "\0"
    let conmon = ["conmon", "-n", "web", "-b", "/p/vfs-containers/\(Made.id2)/userdata"].joined(separator: "\0")
    let fixture = try Fixture([
      "proc/7/comm": "dockerd\n", "proc/7/cmdline": cmdline, "proc/8/comm": "conmon\n", "proc/8/cmdline": conmon,
      "proc/9/comm": "containerd\n", "proc/9/cmdline": "containerd\0-c\0/c.toml\0", "c.toml": "state='/s'\n",
      "proc/self/mounts": "", "a/containers/\(Made.id)/config.v2.json": Made.docker(name: "/web"),
      "p/vfs-containers/containers.json": "[\(Made.podmanEntry(Made.id2, "db"))]",
      "s/io.containerd.runtime.v2.task/k8s.io/\(Made.id3)/config.json": Made.bundle(Made.cri("web", type: "container")),
    ])
    let resolver = ContainerResolver(root: fixture.root) { 0 }
    #expect(resolver.owner(ofCgroup: KernelName("/docker/\(Made.id)"))?.container?.name == "web")
    #expect(resolver.owner(ofCgroup: KernelName("/libpod_parent/libpod-\(Made.id2)"))?.container?.name == "db")
    let pod = "/kubepods/pod\(Made.uid)/\(Made.id3)"
    #expect(resolver.owner(ofCgroup: KernelName(pod))?.displayName == "shop/cart-0/web")
  }

  @Test("an engine that starts later is found at once, and when much was searched in vain after a moment")
  func searches() throws {
    let fixture = try Fixture(["proc/7/comm": "a\n"])
    let clock = Clock()
    let resolver = ContainerResolver(root: fixture.root) { clock.now }
    func name(_ path: String) -> String? { resolver.owner(ofCgroup: KernelName(path))?.displayName }
    func start(_ pid: Int, state: String, container: String) throws {
      try fixture.write(KernelName("proc/\(pid)/comm"), Array("containerd\n".utf8))
      try fixture.write(KernelName("proc/\(pid)/cmdline"), Array("containerd\0--state=\(state)\0".utf8))
      try fixture.write(
        KernelName("\(state)/io.containerd.runtime.v2.task/default/\(container)/config.json"),
        Array(Made.bundle("").utf8))
    }
    resolver.prepare()
    try start(8, state: "/s", container: "c1")
    // A container's path alone asks for a search; names of containerd's are known after one.
    _ = name("/docker/\(Made.id)")
    #expect(name("/default/c1") == "c1")
    #expect(name("/default/c2") == nil)
    for number in 10..<50 { _ = name("/docker/" + String(Made.id.dropLast(2)) + "\(number)") }
    try start(9, state: "/t", container: "c3")
    _ = name("/docker/\(Made.id2)")
    #expect(name("/default/c3") == nil)
    clock.now = ContainerResolver.negativeNanoseconds
    _ = name("/docker/\(Made.id3)")
    #expect(name("/default/c3") == "c3")
  }

  @Test("a process is its group's, and one that is gone nobody's")
  func process() throws {
    let fixture = try Fixture([
      "proc/7/cgroup": "4:memory:/docker/\(Made.id)\n0::/\n", ContainerCacheTests.file: Made.docker(name: "/web"),
      "proc/8/cgroup": "junk",
    ])
    let resolver = ContainerResolver(root: fixture.root)
    #expect(resolver.owner(ofPID: 7)?.container?.name == "web")
    #expect(resolver.owner(ofPID: 8) == nil && resolver.owner(ofPID: 9) == nil)
  }
}
