// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Report

/// What sets the limits, parsed back by PyYAML: names are anybody's, and none may break out of its place.
@Suite struct LimitManifestTests {
  static let mebibyte: Int64 = 1 << 20

  static let names = [
    "web", "a: b", "- x", "#", "a # b", "\"", "'", "\\", "a\nb: c", "a\r\nb", "\t", "{a: 1}", "[x]", "&a", "*a",
    "!!python/x",
    "| ", ">", "%", "@", "`", "null", "~", "true", "1e3", "0x10", "", " a ", "😀", "é", "\u{85}", "\u{2028}", "\u{feff}",
    "\u{7f}", "\u{1b}[31m", "\u{202e}", "\u{fffe}", "---", "...", "a: &x [1]", "{{ x }}", "$HOME", "${x}", "<<", "?",
    String(repeating: "x", count: 300), "日本語", "x: |\n  y",
  ]

  private static func advised(
    _ subject: LimitSubject, verdict: AdvisedLimit.Verdict = .raise, limit: Int64 = 768, request: Int64? = 512,
    high: Int64? = 640
  ) -> AdvisedLimit {
    var evidence = LimitEvidence(subject)
    evidence.limitBytes = .bytes(512 * mebibyte)
    var advised = AdvisedLimit(
      evidence, verdict: verdict, load: .database, headroomPercent: 30, confidence: .low, because: "few kills are known"
    )
    advised.limitBytes = limit * mebibyte
    advised.requestBytes = request.map { $0 * mebibyte }
    advised.highBytes = high.map { $0 * mebibyte }
    advised.oomScoreAdj = -200
    advised.reasons = ["It was killed.\nreally: \u{1b}[31m # yes"]
    return advised
  }

  private static func container(
    name: String?, service: String? = nil, project: String? = nil, unit: String? = "docker.service"
  ) -> LimitSubject {
    var container = ContainerRef(runtime: "docker", id: String(repeating: "ab", count: 32))
    (container.name, container.composeService, container.composeProject) = (name, service, project)
    var cgroup = CgroupRef(path: KernelName("/docker/x"))
    cgroup.owner = CgroupOwner(unit: unit, container: container)
    return .cgroup(cgroup)
  }

  private static func workload(_ name: String, kind: WorkloadRef.Kind = .deployment, isInit: Bool = false)
    -> LimitSubject
  {
    .workload(WorkloadRef(namespace: name, kind: kind, name: name, container: name, isInit: isInit))
  }

  /// What PyYAML makes of the files, by this expression over `documents`; each line is JSON.
  private static func parsed(_ files: [LimitManifest], _ expression: String) -> String {
    let paths = files.map { Python.temporaryFile($0.text) }
    defer { for path in paths { unlink(path) } }
    let script = """
      import json, sys, yaml
      documents = [yaml.safe_load(open(path, encoding="utf-8", newline="")) for path in sys.argv[1:]]
      for line in \(expression): print(json.dumps(line))
      """
    return Python.run(script, paths).output
  }

  private static let mayParse = Requirement.mustRun || Python.run("import yaml", []).status == 0

  /// The names as Python's json.dumps has them.
  private static func dumped(_ names: [String]) -> String {
    let path = Python.temporaryFile(names.map { "\(Array($0.unicodeScalars).map(\.value))" }.joined(separator: "\n"))
    defer { unlink(path) }
    let script =
      "import json, sys\nfor line in open(sys.argv[1]): print(json.dumps(''.join(map(chr, json.loads(line)))))"
    return Python.run(script, [path]).output
  }

  @Test("each name comes back from a patch as it was", .enabled(if: mayParse, "needs python3-yaml"))
  func patchNames() {
    let set = KubernetesPatch.files(
      LimitManifestTests.names.map { LimitManifestTests.advised(LimitManifestTests.workload($0)) }
    ) { $0 }
    #expect(set.files.count == LimitManifestTests.names.count && set.left.isEmpty)
    let container = "d['spec']['template']['spec']['containers'][0]"
    for place in ["d['metadata']['name']", "d['metadata']['namespace']", "\(container)['name']"] {
      let found = LimitManifestTests.parsed(set.files, "[\(place) for d in documents]")
      #expect(found == LimitManifestTests.dumped(LimitManifestTests.names), "\(place)")
    }
    let shapes = LimitManifestTests.parsed(
      set.files,
      "set(str([list(d), list(d['metadata']), list(d['spec']), len(\(container)), \(container)['resources']]) for d in documents)"
    )
    #expect(
      shapes == "\"[['apiVersion', 'kind', 'metadata', 'spec'], ['name', 'namespace'], ['template'], 2, "
        + "{'requests': {'memory': '512Mi'}, 'limits': {'memory': '768Mi'}}]\"\n")
  }

  @Test("each name comes back from an override file as it was", .enabled(if: mayParse, "needs python3-yaml"))
  func overrideNames() {
    let named = LimitManifestTests.names.filter { !$0.isEmpty }
    for (project, isLabelled) in [("shop", true), ("a\nb: # c", true), ("", false)] {
      let set = ComposeOverride.files(
        named.map {
          let label = isLabelled ? $0 : nil
          return LimitManifestTests.advised(
            LimitManifestTests.container(name: $0, service: label, project: isLabelled ? project : nil))
        })
      #expect(set.files.count == 1 && set.left.isEmpty)
      #expect(LimitManifestTests.parsed(set.files, "documents[0]['services']") == LimitManifestTests.dumped(named))
      let values = LimitManifestTests.parsed(
        set.files, "set(str(service) for service in documents[0]['services'].values()) | set(documents[0])")
      #expect(
        Set(values.split(separator: "\n")) == [
          "\"services\"",
          "\"{'mem_limit': '768m', 'mem_reservation': '512m', 'memswap_limit': '768m', 'oom_score_adj': -200}\"",
        ])
    }
  }

  static let swaps: [(ByteLimit?, String)] = [
    (nil, "768m"), (.unlimited, "-1"), (.bytes(0), "768m"), (.bytes(256 << 20), "1g"), (.bytes(-5), "768m"),
    (.bytes(.max), "768m"), (.bytes(1), "805306369b"),
  ]

  @Test("memory and swap together keep the swap that there was", arguments: swaps)
  func swap(limit: ByteLimit?, expected: String) throws {
    var advised = LimitManifestTests.advised(LimitManifestTests.container(name: "web"))
    advised.evidence.swapLimitBytes = limit
    let text = try #require(ComposeOverride.files([advised]).files.first).text
    #expect(
      text.contains("memswap_limit: \(expected)\n") || text.contains("memswap_limit: \"\(expected)\"\n"), "\(text)")
  }

  @Test("replicas of a service are one, with the highest limit; projects are files of their own")
  func projects() {
    let set = ComposeOverride.files([
      LimitManifestTests.advised(LimitManifestTests.container(name: "a-1", service: "a", project: "one"), limit: 800),
      LimitManifestTests.advised(LimitManifestTests.container(name: "a-2", service: "a", project: "one"), limit: 900),
      LimitManifestTests.advised(
        LimitManifestTests.container(name: "b-1", service: "a", project: "../two"), limit: 800),
      LimitManifestTests.advised(LimitManifestTests.container(name: nil)),
      LimitManifestTests.advised(LimitManifestTests.container(name: "x"), verdict: .keep),
    ])
    #expect(set.files.map(\.fileName) == ["one.override.yaml", "_.._two.override.yaml"])
    #expect(set.files[0].text.contains("900m") && !set.files[0].text.contains("800m"))
    #expect(set.left.map(\.reason) == ["neither its Compose service nor its name is known"])
    #expect(set.unchanged == 1)
  }

  static let kinds: [(WorkloadRef.Kind, String?)] = [
    (.deployment, "apps/v1"), (.statefulSet, "apps/v1"), (.daemonSet, "apps/v1"), (.replicaSet, "apps/v1"),
    (.replicationController, "v1"), (.cronJob, "batch/v1"), (.job, nil), (.pod, nil), (.node, nil), (.other, nil),
  ]

  @Test("a patch goes to what keeps the pods, and where there is none that is said", arguments: kinds)
  func kind(kind: WorkloadRef.Kind, version: String?) {
    let set = KubernetesPatch.files([LimitManifestTests.advised(LimitManifestTests.workload("db", kind: kind))]) { $0 }
    #expect(set.files.count == (version == nil ? 0 : 1) && set.left.count == (version == nil ? 1 : 0))
    guard let version, let file = set.files.first else { return }
    #expect(file.text.contains("apiVersion: \"\(version)\"\nkind: \"\(kind.rawValue)\"\n"))
    #expect(file.text.contains("jobTemplate:") == (kind == .cronJob))
    #expect(
      file.apply("p.yaml") == [
        "kubectl patch \(kind.rawValue.lowercased()) db --namespace db --type strategic --patch-file p.yaml"
      ])
  }

  static let pods: [(String, WorkloadRef.Kind?, String)] = [
    ("cart-5d4f8c7b9d-x2x5z", .deployment, "cart"), ("a-b-5d4f8c7b9d-x2x5z", .deployment, "a-b"),
    ("db-0", .statefulSet, "db"),
    ("my-db-12", .statefulSet, "my-db"), ("agent-x2x5z", nil, ""), ("cart", nil, ""), ("-0", .statefulSet, ""),
    ("", nil, ""),
    ("cart-words-aeiou", nil, ""), ("kube-apiserver-node1", nil, ""), ("x-1234567890123", nil, ""),
  ]

  @Test("of a pod on this host its name tells what keeps it, or nothing does", arguments: pods)
  func pod(name: String, kind: WorkloadRef.Kind?, workload: String) {
    var pod = PodRef()
    (pod.namespace, pod.pod, pod.container) = ("shop", name, "app")
    var cgroup = CgroupRef(path: KernelName("/x"))
    cgroup.owner = CgroupOwner(container: ContainerRef(runtime: nil, id: "1"), pod: pod)
    let set = KubernetesPatch.files([LimitManifestTests.advised(.cgroup(cgroup))]) { $0 }
    #expect(set.files.first?.text.contains("kind: \"\(kind?.rawValue ?? "")\"") == (kind == nil ? nil : true))
    #expect(set.files.first?.text.contains("  name: \"\(workload)\"\n") == (kind == nil ? nil : true))
    #expect(set.left.count == (kind == nil ? 1 : 0))
    #expect(ComposeOverride.files([LimitManifestTests.advised(.cgroup(cgroup))]).files.isEmpty)
  }

  @Test("a unit's drop-in has its section, and what is no unit has none")
  func units() {
    func unit(_ name: String?) -> AdvisedLimit {
      var cgroup = CgroupRef(path: KernelName("/system.slice/x"))
      if let name { cgroup.owner = CgroupOwner(unit: name) }
      return LimitManifestTests.advised(.cgroup(cgroup))
    }
    let set = UnitLimits.files([
      unit("db.service"), unit("run-1.scope"), unit(nil),
      LimitManifestTests.advised(LimitManifestTests.container(name: "x")),
    ])
    #expect(set.files.map(\.fileName) == ["db.service.d/50-oomwitness-limits.conf"])
    #expect(set.files[0].text.hasSuffix("[Service]\nMemoryHigh=640M\nMemoryMax=768M\n"))
    #expect(set.left.count == 3)
    let lines = set.files[0].text.split(separator: "\n")
    #expect(lines.filter { !$0.hasPrefix("#") }.count == 3, "a reason may not begin a line of its own")
    #expect(
      set.files[0].apply("x.conf") == [
        "install -D -m 0644 x.conf '/etc/systemd/system/db.service.d/50-oomwitness-limits.conf'",
        "systemctl daemon-reload",
      ])
  }

  static let heaps: [(Int64, LimitEvidence.JVMHeap?, percent: Int, says: String)] = [
    (1024, nil, 75, "the JVM then takes a quarter"), (256, nil, 50, "128.0 MiB for the heap"),
    (1024, .bytes(1024 << 20), 75, "leaves 0 KiB for that: too little"), (1024, .bytes(.max), 75, "too little"),
    (1024, .bytes(512 << 20), 75, "will do"), (1024, .hundredthsOfPercent(8050), 75, "80.5 is more than that"),
    (1024, .hundredthsOfPercent(5000), 75, "50.0 will do"), (1, nil, 50, "512 KiB for the heap"),
  ]

  @Test("a JVM's heap leaves room below the limit", arguments: heaps)
  func heap(limit: Int64, heap: LimitEvidence.JVMHeap?, percent: Int, says: String) throws {
    var advised = LimitManifestTests.advised(LimitManifestTests.container(name: "x"), limit: limit)
    #expect(JVMNotes.files([advised]).files.isEmpty)
    advised.load = .jvm
    advised.evidence.jvmHeap = heap
    let text = try #require(JVMNotes.files([advised]).files.first).text
    #expect(text.contains(says), "\(text)")
    #expect(text.contains("-XX:MaxRAMPercentage=\(percent).0"), "\(text)")
  }

  @Test(
    "what will do is in no file, and a leak only where it has another limit", arguments: AdvisedLimit.Verdict.allCases)
  func verdicts(verdict: AdvisedLimit.Verdict) {
    let count = KubernetesPatch.files([LimitManifestTests.advised(LimitManifestTests.workload("a"), verdict: verdict)])
    { $0 }.files.count
    #expect(count == (verdict == .keep || verdict == .unknown ? 0 : 1))
    let same = LimitManifestTests.advised(LimitManifestTests.workload("a"), verdict: verdict, limit: 512)
    if verdict == .leak { #expect(KubernetesPatch.files([same]) { $0 }.files.isEmpty) }
  }

  @Test("names of files hold nothing of a shell's or a folder's, and are distinct")
  func fileNames() {
    let set = KubernetesPatch.files(
      (LimitManifestTests.names + ["../../etc/passwd", "a/b", "a b", "a_b", "-x", ".x"])
        .map { LimitManifestTests.advised(LimitManifestTests.workload($0)) }
    ) { $0 }
    let names = set.files.map(\.fileName)
    #expect(Set(names).count == names.count)
    for name in names {
      #expect(name.utf8.count <= 200 && !name.hasPrefix(".") && !name.hasPrefix("-"))
      #expect(
        name.unicodeScalars.allSatisfy {
          $0.isASCII && ($0.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains($0))
        })
    }
  }

  static let sizes: [(Int64, String, String, String)] = [
    (768 << 20, "768Mi", "768m", "768M"), (2 << 30, "2Gi", "2g", "2G"), (1536 << 20, "1536Mi", "1536m", "1536M"),
    (1, "1", "1b", "1"), (1025, "1025", "1025b", "1025"), (4096, "4Ki", "4k", "4K"),
    (.max, "\(Int64.max)", "\(Int64.max)b", "\(Int64.max)"),
    (0, "0", "0b", "0"),
  ]

  @Test("sizes are exact in each one's own units", arguments: sizes)
  func size(bytes: Int64, kubernetes: String, compose: String, systemd: String) {
    #expect(SizeText.kubernetes(bytes) == kubernetes)
    #expect(SizeText.compose(bytes) == compose)
    #expect(SizeText.systemd(bytes) == systemd)
  }
}
