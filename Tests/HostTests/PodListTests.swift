// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Host

/// What of a list of pods is read: sizes, who keeps the pods, and what ended for memory.
@Suite struct PodListTests {
  static let quantities: [(String, Int64?)] = [
    ("0", 0), ("1", 1), ("512Mi", 512 << 20), ("1.5Gi", 1536 << 20), ("1Ki", 1024), ("1Ei", 1 << 60), ("8Ei", .max),
    ("129e6", 129_000_000), ("129E6", 129_000_000), ("1e-3", 1), ("1M", 1_000_000), ("1k", 1000),
    ("1E", 1_000_000_000_000_000_000),
    ("128974848000m", 128_974_848), ("1500m", 2), ("1u", 1), ("1n", 1), ("0.5Ki", 512), (".5Ki", 512), ("5.", 5),
    ("+7", 7),
    ("9223372036854775807", .max), ("99999999999999999999999999999999999999", .max), ("1e999", .max), ("1e-999", 1),
    ("0e999", 0), ("0.000000000000000000000000000001", 1), ("1e18", 1_000_000_000_000_000_000), ("1e19", .max),
    ("00012", 12),
    ("", nil), ("-1", nil), ("Mi", nil), (".", nil), ("+", nil), ("1mi", nil), ("1K", nil), ("1 Mi", nil),
    ("1MiB", nil),
    ("1e", nil), ("1e1.5", nil), ("1e+", nil), ("0x10", nil), ("१", nil), ("1Gi1", nil),
    ("1e99999999999999999999", nil),
  ]

  @Test("a size is what Kubernetes takes it for", arguments: quantities)
  func quantity(text: String, bytes: Int64?) { #expect(Quantity.bytes(text) == bytes) }

  static func read(_ text: String, piece: Int = 4096) -> Result<PodList, PodList.Fault> {
    var rest = Array(text.utf8)[...]
    do throws(PodList.Fault) {
      return .success(
        try PodList {
          defer { rest = rest.dropFirst(piece) }
          return Array(rest.prefix(piece))
        })
    } catch { return .failure(error) }
  }

  /// A pod with one container, `c`.
  static func pod(
    _ name: String, owner: String = "", labels: String = "", resources: String = "{}", status: String = "{}",
    annotations: String = ""
  ) -> String {
    """
    {"metadata":{"name":"\(name)","namespace":"shop","labels":{\(labels)},"annotations":{\(annotations)},
    "ownerReferences":[\(owner)]},"spec":{"containers":[{"name":"c","image":"i","command":["/usr/bin/java","-x"],
    "resources":\(resources)}]},"status":{"containerStatuses":[\(status)]}}
    """
  }

  static func owner(_ kind: String, _ name: String, controller: Bool = true) -> String {
    "{\"kind\":\"\(kind)\",\"name\":\"\(name)\",\"controller\":\(controller)}"
  }

  static let hash = "\"pod-template-hash\":\"5d4f8\""
  static let owners: [(String, String)] = [
    (pod("cart-5d4f8-abcde", owner: owner("ReplicaSet", "cart-5d4f8"), labels: hash), "shop/deployment/cart/c"),
    (pod("cart-abcde", owner: owner("ReplicaSet", "cart"), labels: hash), "shop/replicaset/cart/c"),
    (pod("x", owner: owner("ReplicaSet", "-5d4f8"), labels: hash), "shop/replicaset/-5d4f8/c"),
    (pod("x", owner: owner("ReplicaSet", "cart-5d4f8")), "shop/replicaset/cart-5d4f8/c"),
    (pod("db-0", owner: owner("StatefulSet", "db")), "shop/statefulset/db/c"),
    (pod("a-xyz", owner: owner("DaemonSet", "a")), "shop/daemonset/a/c"),
    (pod("j-xyz", owner: owner("Job", "j")), "shop/job/j/c"),
    (pod("j-xyz", owner: owner("Job", "nightly-28812345")), "shop/cronjob/nightly/c"),
    (pod("j-xyz", owner: owner("Job", "migrate-1234")), "shop/job/migrate-1234/c"),
    (pod("j-xyz", owner: owner("Job", "-28812345")), "shop/job/-28812345/c"),
    (pod("etcd-n1", owner: owner("Node", "n1")), "shop/node/etcd-n1/c"),
    (pod("etcd-n1", annotations: "\"kubernetes.io/config.mirror\":\"x\""), "shop/node/etcd-n1/c"),
    (pod("alone"), "shop/pod/alone/c"), (pod("x", owner: owner("Rollout", "r")), "shop/other/r/c"),
    (pod("x", owner: owner("Foo", "f", controller: false) + "," + owner("StatefulSet", "s")), "shop/statefulset/s/c"),
  ]

  @Test("a container is of what keeps its pods", arguments: owners)
  func kept(pod: String, name: String) throws {
    let list = try PodListTests.read("{\"kind\":\"List\",\"items\":[\(pod)]}").get()
    #expect(list.evidence.map(\.subject.name) == [name])
    #expect(list.evidence.first?.programs == ["java"] && list.evidence.first?.image == "i")
    // A pod alone, as `kubectl get pod NAME` prints it.
    let alone = try PodListTests.read("{\"kind\":\"Pod\"," + pod.dropFirst()).get()
    #expect(alone.evidence == list.evidence)
  }

  @Test("replicas are merged: the higher limit, all restarts, and each end for memory")
  func merged() throws {
    func status(_ state: String, _ last: String, restarts: Int) -> String {
      "{\"name\":\"c\",\"restartCount\":\(restarts),\"state\":\(state),\"lastState\":\(last)}"
    }
    let killed = "{\"terminated\":{\"reason\":\"OOMKilled\",\"exitCode\":137}}"
    let failed = "{\"terminated\":{\"reason\":\"Error\",\"exitCode\":137}}"
    func replica(_ number: Int, _ limit: String, _ status: String) -> String {
      PodListTests.pod(
        "db-\(number)", owner: PodListTests.owner("StatefulSet", "db"),
        resources: "{\"limits\":{\"memory\":\(limit),\"cpu\":\"1\"},\"requests\":{\"memory\":\"64Mi\"}}", status: status
      )
    }
    let pods = [
      replica(0, "\"128Mi\"", status("{\"running\":{}}", killed, restarts: 3)),
      replica(1, "\"256Mi\"", status(killed, killed, restarts: 2)),
      replica(2, "134217728", status(failed, failed, restarts: 1)),
    ]
    let list = try PodListTests.read("{\"items\":[\(pods.joined(separator: ","))]}", piece: 7).get()
    let evidence = try #require(list.evidence.first)
    #expect(list.evidence.count == 1 && list.pods == 3)
    #expect(evidence.limitBytes == .bytes(256 << 20) && evidence.requestBytes == 64 << 20)
    #expect(evidence.replicas == 3 && evidence.restarts == 6)
    #expect(evidence.kills.ended == 3 && evidence.kills.mostLimitBytes == 256 << 20)
  }

  @Test("init containers are their own; what is of another kind, without a name or without a size is counted")
  func others() throws {
    let pod = """
      {"metadata":{"name":"a"},"spec":{"initContainers":[{"name":"c"}],"containers":[{"name":"c","resources":
      {"limits":{"memory":"lots"}}},{"image":"nameless"},5]},"status":{"initContainerStatuses":[{"name":"c",
      "lastState":{"terminated":{"reason":"OOMKilled"}}}],"containerStatuses":"none"}}
      """
    let list = try PodListTests.read("{\"items\":[\(pod),{\"kind\":\"Service\"},{},null,{\"metadata\":[]},\"x\"]}")
      .get()
    #expect(list.pods == 1 && list.otherObjects == 5 && list.badQuantities == 1)
    #expect(list.evidence.map(\.subject.name) == ["default/pod/a/c", "default/pod/a/c"])
    #expect(
      list.evidence.map(\.limitBytes) == [nil, .unlimited] || list.evidence.map(\.limitBytes) == [.unlimited, nil])
    #expect(list.evidence.map(\.kills.ended).reduce(0, +) == 1)
  }

  static let bad: [(String, PodList.Fault)] = [
    ("", .nothing), (" \n\t", .nothing), ("{}", .noPodList(kind: nil)), ("[]", .noPodList(kind: nil)),
    ("5", .noPodList(kind: nil)),
    ("\"x\"", .noPodList(kind: nil)), ("null", .noPodList(kind: nil)),
    ("{\"kind\":\"Deployment\",\"spec\":{}}", .noPodList(kind: "Deployment")),
    ("{\"items\":5,\"kind\":\"List\"}", .noPodList(kind: "List")), ("{\"kind\":\"List\",\"items\":[]}", .noPods),
    ("{\"kind\":\"List\",\"items\":[{\"kind\":\"Service\"}]}", .noPods), ("{\"items\":[{\"kind\":\"Pod\"}]}", .noPods),
    ("{\"kind\":\"Pod\"}", .noPodList(kind: "Pod")),
    ("{\"items\":[", .json(.init(reason: .endsEarly, line: 1, column: 11))),
    ("{\"items\":[{}]}\n}", .json(.init(reason: .unexpected(0x7d), line: 2, column: 1))),
    ("NAME READY\n", .json(.init(reason: .unexpected(0x4e), line: 1, column: 1))),
    (
      "{\"items\":[{\"metadata\":{\"name\":\"a\" \"b\"}}]}",
      .json(.init(reason: .unexpected(0x22), line: 1, column: 35))
    ),
  ]

  @Test("what is no list of pods is refused", arguments: bad)
  func refused(text: String, fault: PodList.Fault) { #expect(PodListTests.read(text) == .failure(fault)) }

  @Test("a list that is cut anywhere is refused, and nothing of it is taken")
  func cut() {
    let whole = Array("{\"kind\":\"List\",\"items\":[\(PodListTests.owners[0].0)]}".utf8)
    for count in 0..<whole.count {
      let text = String(decoding: whole.prefix(count), as: UTF8.self)
      switch PodListTests.read(text) {
      case .failure(.json(let fault)): #expect(fault.reason == .endsEarly)
      case .failure(.nothing): #expect(count == 0)
      default: Issue.record("\(count) bytes were taken")
      }
    }
  }
}
