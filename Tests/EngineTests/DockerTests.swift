// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Kills in containers of a real dockerd: what it says of them, and what we do.
@Suite(
  .serialized, .realKills,
  .enabled(if: Requirement.mustRun || DockerEngine.refusal == nil, Comment(rawValue: DockerEngine.refusal ?? "")),
  .engine { try DockerEngine() })
struct DockerTests {
  private static let uid = "5f1c0a9e-3d52-4d0a-9b57-0e6f4f1f7a10"
  /// What the kubelet's dockershim put on each container. Source: Kubernetes 1.20, pkg/kubelet/types/labels.go.
  private static let kubernetesLabels = [
    "io.kubernetes.pod.name": "cart-0", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": uid,
    "io.kubernetes.container.name": "web", "io.kubernetes.docker.type": "container",
  ]

  private let engine: DockerEngine

  init() throws { engine = try #require(EngineScope.engine as? DockerEngine) }

  @Test("pid 1 is killed: Docker says so, and we say who, and in which container")
  func firstProcess() throws {
    let traced = try TracedContainer(ContainerOrder("one", ContainerOrder.hog), by: engine)
    #expect(traced.status == 137)
    #expect(engine.verdict(traced.id) == "true 137")
    let kill = traced.kill
    #expect(kill.text("victim", "comm") == "dd")
    #expect(kill.array("victim", "cmdline")?.first as? String == "/bin/dd")
    for place in ["victim", "limit"] {
      #expect(kill.text(place, "container", "runtime") == "docker", "\(place)")
      #expect(kill.text(place, "container", "id") == traced.id, "\(place)")
      #expect(kill.text(place, "container", "name") == "one", "\(place)")
      #expect(kill.text(place, "container", "image") == DockerEngine.image, "\(place)")
    }
    #expect(kill.text("explanation")?.contains("one") == true)
  }

  @Test(
    "a child is killed and pid 1 ends well: Docker says an OOM with exit code 0 and names nobody; we name the child")
  func child() throws {
    let traced = try TracedContainer(ContainerOrder("child", ContainerOrder.hogOfShell), by: engine)
    #expect(traced.status == 0)
    #expect(engine.verdict(traced.id) == "true 0")
    #expect(traced.kill.text("victim", "comm") == "dd")
    #expect(traced.kill.text("victim", "parent_comm") == "sh")
    #expect(traced.kill.text("victim", "container", "name") == "child")
  }

  @Test("a pattern of the guard's means a container's name as well as its id")
  func guardPattern() throws {
    let id = try engine.create(ContainerOrder("shop-web", ["/bin/sleep", "100000"]))
    #expect(engine.start(id).status == 0)
    for (pattern, isMeant) in [("^shop-web$", true), (id, true), ("^web$", false)] {
      let said = Program.run(
        Program.oomwitness,
        ["guard", "status", "--cgroup", "/docker/" + id, "--prefer", "container=" + pattern, "--output", "ndjson"])
      let line = try #require(Line.all(in: said.output).first, "\(said.errors)")
      #expect(line.text("victim", "comm") == "sleep")
      #expect((line.number("bonus_pages") ?? 0 > 0) == isMeant, "\(pattern)")
    }
    _ = engine.docker("rm", "--force", id)
  }

  @Test("labels of Kubernetes below a pod's cgroup are told as the pod")
  func kubernetes() throws {
    var order = ContainerOrder("k8s_web_cart-0_shop_\(DockerTests.uid)_0", ContainerOrder.hogOfShell)
    order.cgroupParent = "/kubepods/burstable/pod" + DockerTests.uid
    order.labels = DockerTests.kubernetesLabels
    defer { EngineFolder.removeEmptyCgroups(order.cgroupParent!) }
    let kill = try TracedContainer(order, by: engine).kill
    for (field, value) in [
      ("namespace", "shop"), ("pod", "cart-0"), ("container", "web"), ("pod_uid", DockerTests.uid),
      ("qos_class", "Burstable"),
    ] {
      #expect(kill.text("victim", "kubernetes", field) == value, "\(field)")
    }
    #expect(kill.text("victim", "container", "runtime") == "docker")
  }

  @Test("the limit is the pod's alone: Docker blames the container, which has none; we name both")
  func parentLimit() throws {
    let uid = DockerTests.uid.replacing("5f1c0a9e", with: "6a000000")
    let parent = "/kubepods/besteffort/pod" + uid
    let pod = ScratchCgroup(String(parent.dropFirst()), limitBytes: 50 << 20)
    defer { withExtendedLifetime(pod) { EngineFolder.removeEmptyCgroups(parent) } }
    var order = ContainerOrder("unlimited", ContainerOrder.hog)
    (order.cgroupParent, order.limitMiB) = (parent, nil)
    order.labels = DockerTests.kubernetesLabels.merging(["io.kubernetes.pod.uid": uid]) { $1 }
    let traced = try TracedContainer(order, by: engine)
    // Docker 20.10 says `true`, or `false` where the exit comes to it before the event: seen once in many runs, on a busy host.
    #expect(["true 137", "false 137"].contains(engine.verdict(traced.id)))
    #expect(engine.docker("inspect", "--format", "{{.HostConfig.Memory}}", traced.id).output == "0\n")
    #expect(traced.kill.text("limit", "cgroup", "path") == parent)
    #expect(traced.kill.text("limit", "kubernetes", "pod_uid") == uid)
    #expect(traced.kill.text("limit", "container", "id") == nil)
    #expect(traced.kill.text("victim", "cgroup", "path") == parent + "/" + traced.id)
    #expect(traced.kill.text("victim", "container", "name") == "unlimited")
  }

  @Test("labels of Compose are told as project and service")
  func compose() throws {
    var order = ContainerOrder("shop-db-1", ContainerOrder.hog)
    order.labels = ["com.docker.compose.project": "shop", "com.docker.compose.service": "db"]
    let kill = try TracedContainer(order, by: engine).kill
    #expect(kill.text("victim", "container", "compose_project") == "shop")
    #expect(kill.text("victim", "container", "compose_service") == "db")
  }

  @Test("this host's log names the container for as long as its state is there")
  func log() throws {
    RealKills.awaitReports()
    let traced = try TracedContainer(ContainerOrder("logged", ContainerOrder.hog), by: engine)
    let logged = try #require(traced.logged)
    #expect(["log", "kmsg"].contains(logged.text("source")))
    #expect(logged.text("victim", "comm") == "dd")
    #expect(logged.text("victim", "container", "name") == "logged")
    #expect(engine.docker("rm", traced.id).status == 0)
    let later = try #require(traced.logged)
    #expect(later.text("victim", "container", "name") == nil)
    #expect(later.text("victim", "container", "id") == traced.id)
  }

  @Test("`oomwitness containers` lists it with the kill that its engine does not tell, and follows it as it happens")
  func listed() throws { try ListedContainer("server", by: engine).check(runtime: "docker", name: "server") }
}
