// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestSupport
import Testing

/// `oomwitness limits` as users and scripts meet it: lists of pods, files that it writes, and groups of this machine.
@Suite struct LimitsTests {
  private static func limits(_ arguments: [String]) -> Program.Ended {
    Program.run(Program.oomwitness, ["limits"] + arguments)
  }

  private static let started = Atomic(0)

  /// A folder that goes with its object, and all in it.
  private final class Folder {
    let path = "/tmp/oomwitness-limits-\(getpid())-\(LimitsTests.started.add(1, ordering: .relaxed).newValue)"

    init() { mkdir(path, 0o755) }
    deinit { _ = Program.run("/bin/rm", ["-rf", path]) }

    func file(_ name: String, _ text: String) -> String {
      Files.write(text, to: "\(path)/\(name)")
      return "\(path)/\(name)"
    }
  }

  /// A container of a Deployment with two replicas that were killed, a StatefulSet that was not, a Job and a static pod.
  private static let pods = """
    {"apiVersion":"v1","kind":"List","items":[
    \(pod("cart-5d4f8-aaaaa", "ReplicaSet", "cart-5d4f8", killed: true)),
    \(pod("cart-5d4f8-bbbbb", "ReplicaSet", "cart-5d4f8", killed: true)),
    \(pod("db-0", "StatefulSet", "db", killed: false)),
    \(pod("move-xyz", "Job", "move", killed: true)), \(pod("etcd-n1", "Node", "n1", killed: true))
    ]}
    """

  private static func pod(_ name: String, _ kind: String, _ owner: String, killed: Bool) -> String {
    let last = killed ? "{\"terminated\":{\"reason\":\"OOMKilled\",\"exitCode\":137}}" : "{}"
    return """
      {"kind":"Pod","metadata":{"name":"\(name)","namespace":"shop","labels":{"pod-template-hash":"5d4f8"},
      "ownerReferences":[{"kind":"\(kind)","name":"\(owner)","controller":true}]},"spec":{"initContainers":[{"name":"init",
      "image":"busybox"}],"containers":[{"name":"app","image":"example.org/\(owner):1","resources":{"limits":
      {"memory":"512Mi"},"requests":{"memory":"256Mi"}}}]},"status":{"containerStatuses":[{"name":"app","restartCount":2,
      "lastState":\(last),"state":{"running":{}}}]}}
      """
  }

  @Test("a cluster's replicas are one row, with their kills and restarts together")
  func cluster() {
    let folder = Folder()
    let ended = LimitsTests.limits(["--kubernetes", folder.file("pods.json", LimitsTests.pods)])
    #expect(ended.status == 0 && ended.errors == "")
    let rows = ended.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(
      rows.first { $0.last == "shop/deployment/cart/app" }?.dropLast(2).joined(separator: " ")
        == "512.0 MiB - - 2 4 raise 768.0 MiB 512.0 MiB")
    #expect(ended.output.contains("\nshop/deployment/cart/app: raise its limit\n"))
    #expect(ended.output.hasSuffix("\n3 to change, 0 will do, of 5 too little is known.\n"), "\(ended.output)")
  }

  @Test("JSON is what its schema allows", .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
  func schema() {
    let folder = Folder()
    let path = folder.file("pods.json", LimitsTests.pods)
    for arguments in [["--kubernetes", path], [], ["--log", "/dev/null"]] {
      let ended = LimitsTests.limits(arguments + ["--output", "json"])
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(SchemaJudge.judged("limits.v1.schema.json", ended.output) == "judged: True\n")
    }
  }

  @Test("a list comes through a pipe and made smaller, and names choose from it")
  func names() {
    let folder = Folder()
    let path = folder.file("pods.json", LimitsTests.pods)
    let piped = Program.run(
      "/bin/sh", ["-c", "gzip < \(path) | \(Program.oomwitness) limits --kubernetes - shop/cart"])
    #expect(piped.status == 0)
    #expect(piped.output.contains("shop/deployment/cart/app") && !piped.output.contains("db"))
    for name in ["cart", "shop/deployment/cart", "shop/deployment/cart/app"] {
      let ended = LimitsTests.limits(["--kubernetes", path, name])
      #expect(ended.status == 0 && ended.output.contains("shop/deployment/cart/app"), "\(name)")
    }
  }

  @Test("a list of five thousand pods is read, and replicas that are far apart are still one")
  func large() {
    let folder = Folder()
    let names = (0..<5000).map {
      LimitsTests.pod("w\($0 % 500)-5d4f8-\($0)", "ReplicaSet", "w\($0 % 500)-5d4f8", killed: $0 < 500)
    }
    let path = folder.file("pods.json", "{\"items\":[" + names.joined(separator: ",\n") + "]}")
    let ended = LimitsTests.limits(["--kubernetes", path, "--output", "json"])
    #expect(ended.status == 0 && ended.output.hasPrefix("{\"source\":\"kubernetes\",\"pods\":5000,"))
    #expect(ended.output.ranges(of: "\"verdict\":\"raise\"").count == 500)
    #expect(ended.output.ranges(of: "\"replicas\":10").count == 1000)
  }

  static let bad: [(String, String)] = [
    ("", "FILE is empty (`kubectl get pods -A -o json` prints what is wanted)"),
    ("{\"items\":[{\"metadata\":{\"na", "FILE:1:27: this JSON ends in the middle: it was cut off"),
    ("{\"items\":[}", "FILE:1:11: this is no JSON: '}' cannot come here"),
    ("No resources found\n", "FILE:1:1: this is no JSON: 'N' cannot come here"),
    ("\u{1b}[31m", "FILE:1:1: this is no JSON: '\\x1b' cannot come here"),
    (
      "{\"kind\":\"Deployment\\u001b\"}",
      "FILE holds no list of pods but a Deployment\\x1b (`kubectl get pods -A -o json` prints one)"
    ),
    ("{\"kind\":\"List\",\"items\":[]}", "FILE is a list without a pod"),
    ("[1,2]", "FILE holds no list of pods but something else (`kubectl get pods -A -o json` prints one)"),
  ]

  @Test("what is no list of pods is one sentence and status 1, and nothing is written", arguments: bad)
  func badInput(text: String, sentence: String) {
    let folder = Folder()
    let path = folder.file("pods.json", text)
    let target = folder.path + "/out.yaml"
    for (name, arguments) in [
      (path, ["limits", "--kubernetes", path]), ("standard input", ["limits", "--kubernetes", "-"]),
    ] {
      let all = arguments + ["--write", "kubernetes", "--to", target]
      let ended = Program.run("/bin/sh", ["-c", "exec \"$0\" \"$@\" < \(path)", Program.oomwitness] + all)
      #expect(ended.status == 1 && ended.output == "")
      #expect(ended.errors == "oomwitness: \(sentence.replacing("FILE", with: name))\n")
    }
    #expect(Files.names(in: folder.path) == ["pods.json"])
  }

  @Test("a name that nothing has, and one that two have, are one sentence and status 1")
  func wrongNames() {
    let folder = Folder()
    let two = LimitsTests.pods.replacing("{\"apiVersion\"", with: "{\"apiVersion\"").replacing(
      "\"items\":[", with: "\"items\":[" + LimitsTests.pod("x", "DaemonSet", "cart", killed: true) + ",")
    let path = folder.file("pods.json", two)
    let target = folder.path + "/out.yaml"
    let write = ["--write", "kubernetes", "--to", target, "--kubernetes", path]
    let ambiguous = LimitsTests.limits(write + ["cart"])
    #expect(
      ambiguous.errors == "oomwitness: 'cart' may be 2 workloads: DaemonSet shop/cart, Deployment shop/cart "
        + "(say NAMESPACE/NAME or NAMESPACE/KIND/NAME)\n")
    let unknown = LimitsTests.limits(write + ["no\u{1b}ne"])
    #expect(
      unknown.errors == "oomwitness: there is no workload 'no\\x1bne' in \(path) (NAMESPACE/NAME as kubectl has it)\n")
    let host = LimitsTests.limits(["--write", "systemd", "--to", target, "no-such-container"])
    #expect(
      host.errors == "oomwitness: 'no-such-container' is no cgroup, pid, container, pod or unit of this host "
        + "(`oomwitness cgroup` and `oomwitness containers` list them)\n")
    let gone = LimitsTests.limits(["--kubernetes", "/nonexistent"])
    #expect(gone.errors == "oomwitness: cannot open /nonexistent: no such file or directory\n")
    for ended in [ambiguous, unknown, host, gone] { #expect(ended.status == 1 && ended.output == "") }
    #expect(Files.names(in: folder.path) == ["pods.json"])
  }

  static let usage: [([String], String)] = [
    (["--to", "x"], "Error: --to is for --write"), (["--write", "compose", "--force"], "Error: --force is for --to"),
    (["--write", "helm"], "Error: The value 'helm' is invalid for '--write <write>'."),
    (["--write", "compose", "--to", ""], "Error: --to takes a path"),
    (["--write", "jvm", "--output", "json"], "Error: --write shows a file, and --output json a document: take one"),
    (["--kubernetes", "x", "--log", "y"], "Error: --log is for this host, and --kubernetes for a cluster: take one"),
    (
      ["--kubernetes", "x", "--write", "compose"],
      "Error: what --kubernetes reads is written by --write kubernetes or jvm"
    ),
  ]

  @Test("options that do not go together are wrong usage", arguments: usage)
  func wrongUsage(arguments: [String], sentence: String) {
    let ended = LimitsTests.limits(arguments)
    #expect(ended.status == 64 && ended.output == "")
    #expect(ended.errors.hasPrefix(sentence), "\(ended.errors)")
  }

  @Test("a file is shown first, written where it is told to, and not written over unless that is said")
  func writing() {
    let folder = Folder()
    let path = folder.file("pods.json", LimitsTests.pods)
    let base = ["--kubernetes", path, "--write", "kubernetes"]
    let target = folder.path + "/out.yaml"
    let shown = LimitsTests.limits(base)
    #expect(shown.status == 0 && shown.output.contains("memory: \"768Mi\""))
    #expect(
      shown.errors.split(separator: "\n").sorted() == [
        "oomwitness: shop/job/move/app is not in it: a Job's template cannot be changed: give its maker the new limit",
        "oomwitness: shop/node/etcd-n1/app is not in it: it is a static pod: change its file on the node",
      ])
    #expect(Files.names(in: folder.path) == ["pods.json"])
    let written = LimitsTests.limits(base + ["--to", target])
    #expect(written.status == 0)
    #expect(
      written.output == "Written: \(target)\n  kubectl patch deployment cart --namespace shop --type strategic "
        + "--patch-file \(target)\n")
    #expect(Files.text(target) == shown.output)
    Files.write("mine", to: target)
    let refused = LimitsTests.limits(base + ["--to", target])
    #expect(refused.status == 1 && refused.output == "")
    #expect(refused.errors.hasSuffix("\(target) is there already (--force writes over it); nothing was written\n"))
    #expect(Files.text(target) == "mine")
    #expect(LimitsTests.limits(base + ["--to", target, "--force"]).status == 0)
    #expect(Files.text(target) == shown.output)
    for odd in ["/dev/null", "/dev/full"] {
      let ended = LimitsTests.limits(base + ["--to", odd, "--force"])
      #expect(ended.status == 1 && ended.errors.hasSuffix("\(odd) is no regular file; nothing was written\n"))
    }
    let below = LimitsTests.limits(base + ["--to", path + "/x.yaml"])
    #expect(below.status == 1 && below.output == "")
    #expect(Files.names(in: folder.path) == ["out.yaml", "pods.json"])
  }

  @Test("several files go into a folder, all or none")
  func folders() {
    let folder = Folder()
    let path = folder.file(
      "pods.json",
      LimitsTests.pods.replacing("\"StatefulSet\"", with: "\"DaemonSet\"")
        .replacing("\"lastState\":{}", with: "\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\"}}"))
    let base = ["--kubernetes", path, "--write", "kubernetes"]
    let file = LimitsTests.limits(base + ["--to", folder.path + "/out.yaml"])
    #expect(file.status == 1)
    #expect(
      file.errors.hasSuffix("these are 2 files: give --to a folder, as \(folder.path)/out.yaml/; nothing was written\n")
    )
    let target = folder.path + "/a/b/"
    #expect(LimitsTests.limits(base + ["--to", target]).status == 0)
    let names = ["shop-daemonset-db.yaml", "shop-deployment-cart.yaml"]
    #expect(Files.names(in: target) == names)
    unlink(target + names[0])
    Files.write("mine", to: target + names[1])
    #expect(LimitsTests.limits(base + ["--to", target]).status == 1)
    #expect(Files.names(in: target) == [names[1]] && Files.text(target + names[1]) == "mine")
  }

  /// kubectl as it is installed; it needs no cluster for this.
  private static let kubectl: String? = [
    "/usr/bin/kubectl", "/usr/local/bin/kubectl", "/usr/lib/google-cloud-sdk/bin/kubectl",
    Repository.root + "/.build/python/bin/kubectl",
  ]
  .first { access($0, X_OK) == 0 }

  @Test(
    "kubectl takes the patch, and leaves all else of the object as it was",
    .enabled(if: (kubectl != nil || Requirement.mustRun) && Python.mayRun, "needs kubectl"))
  func patch() throws {
    let folder = Folder()
    let patch = folder.path + "/p.yaml"
    let pods = folder.file("pods.json", LimitsTests.pods)
    #expect(LimitsTests.limits(["--kubernetes", pods, "--write", "kubernetes", "--to", patch]).status == 0)
    let template = """
      {"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"sidecar","image":"s","resources":{"limits":
      {"memory":"1Gi"}}},{"name":"app","image":"i","env":[{"name":"A","value":"B"}],"resources":{"limits":
      {"memory":"512Mi","cpu":"1"},"requests":{"memory":"256Mi"}}}]}}
      """
    let object = folder.file(
      "object.json",
      "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"cart\",\"namespace\":\"shop\"},"
        + "\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":\(template)}}")
    let patched = Program.run(
      try #require(LimitsTests.kubectl),
      ["patch", "--local", "-f", object, "--patch-file", patch, "--type", "strategic", "-o", "json"])
    #expect(patched.status == 0, "\(patched.errors)")
    let script = """
      import json, sys
      for container in json.load(open(sys.argv[1]))["spec"]["template"]["spec"]["containers"]:
          print(container["name"], container["image"], container.get("env"), container["resources"])
      """
    let read = Python.run(script, [folder.file("patched.json", patched.output)])
    #expect(
      read.output.split(separator: "\n").sorted() == [
        "app i [{'name': 'A', 'value': 'B'}] {'limits': {'cpu': '1', 'memory': '768Mi'}, 'requests': {'memory': '512Mi'}}",
        "sidecar s None {'limits': {'memory': '1Gi'}}",
      ])
  }

  @Test(
    "a group that was killed is told to be raised, from its own counters and this host's log",
    .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func killed() {
    let number = LimitsTests.started.add(1, ordering: .relaxed).newValue
    let group = ScratchCgroup("oomwitness-limits-\(getpid())-\(number)", limitBytes: 32 << 20)
    let died = group.run("tail /dev/zero")
    #expect(died.status != 0)
    let ended = LimitsTests.limits([group.path, "--output", "json"])
    #expect(ended.status == 0, "\(ended.errors)")
    let lines = Line.all(in: ended.output)
    #expect(lines.count == 1)
    #expect(
      ended.output.contains("\"verdict\":\"raise\",\"recommended\":{\"limit_bytes\":50331648,"), "\(ended.output)")
    #expect(ended.output.contains("\"counted\":1"), "\(ended.output)")
    if access("/dev/kmsg", R_OK) == 0 { #expect(ended.output.contains("\"logged\":1,"), "\(ended.output)") }
    let text = LimitsTests.limits([])
    #expect(text.status == 0 && text.output.contains("\n\(group.path): raise its limit\n"), "\(text.output)")
    let unit = LimitsTests.limits([group.path, "--write", "systemd"])
    #expect(unit.status == 0 && unit.output == "")
    #expect(unit.errors.contains("\(group.path) is not in it: it is no unit of systemd's\n"))
  }

  @Test("a log that is named is read in place of this host's, and has to be there")
  func logs() {
    let missing = LimitsTests.limits(["--log", "/nonexistent"])
    #expect(missing.status == 1 && missing.output == "")
    #expect(missing.errors == "oomwitness: cannot open /nonexistent: no such file or directory\n")
    #expect(LimitsTests.limits(["--log", "/dev/null"]).status == 0)
  }
}
