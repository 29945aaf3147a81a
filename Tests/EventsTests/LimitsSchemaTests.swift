// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

/// The schema of `limits` against what its encoder can write: all fields, and as few as there may be.
@Suite(.enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
struct LimitsSchemaTests {
  private static var full: [AdvisedLimit] {
    var container = ContainerRef(runtime: "docker", id: String(repeating: "0f", count: 32))
    (container.name, container.image, container.composeProject, container.composeService) = ("a", "b", "c", "d")
    var pod = PodRef()
    (pod.namespace, pod.pod, pod.container, pod.podUID) = ("a", "b", "c", "d")
    (pod.qosClass, pod.isStatic) = (.burstable, false)
    var cgroup = CgroupRef(path: KernelName(bytes: [0x2f, 0xff]))
    cgroup.owner = CgroupOwner(unit: "a.service", container: container, pod: pod)
    var evidence = LimitEvidence(.cgroup(cgroup))
    (evidence.limitBytes, evidence.swapLimitBytes, evidence.requestBytes) = (.bytes(1), .bytes(2), 3)
    (evidence.usageBytes, evidence.workingSetBytes, evidence.peakBytes) = (4, 5, 6)
    (evidence.ageSeconds, evidence.hostBytes, evidence.programs, evidence.image) = (7, 8, ["x\u{1b}"], "i")
    (evidence.kills.counted, evidence.kills.mostLimitBytes, evidence.kills.mostVictimBytes) = (1, 2, 3)
    evidence.growth = LimitEvidence.Growth(program: KernelName(bytes: [0xff]), firstBytes: 1, lastBytes: 2, kills: 3)
    (evidence.restarts, evidence.jvmHeap) = (9, .bytes(10))
    var all = advised(evidence)
    (all.neededBytes, all.limitBytes, all.requestBytes, all.highBytes, all.oomScoreAdj) = (1, 4, 2, 3, -200)
    all.reasons = ["Because.", "\"\n"]
    var bare = advised(LimitEvidence(.cgroup(CgroupRef(path: KernelName("/a")))))
    (bare.evidence.limitBytes, bare.evidence.jvmHeap) = (.unlimited, .hundredthsOfPercent(7550))
    let workloads = WorkloadRef.Kind.allCases.map { kind in
      advised(
        LimitEvidence(
          .workload(WorkloadRef(namespace: "n", kind: kind, name: "w", container: "c", isInit: true))))
    }
    return [all, bare] + workloads
  }

  private static func advised(_ evidence: LimitEvidence) -> AdvisedLimit {
    AdvisedLimit(evidence, verdict: .raise, load: .jvm, headroomPercent: 25, confidence: .low, because: "why")
  }

  @Test("the schema has each field that a document can have, and no others")
  func fields() {
    let sources: [LimitsDocument.Source] = [
      .host(groupsOmitted: 0), .kubernetes(pods: 1, otherObjects: 0, dropped: 0, badQuantities: 0),
    ]
    let lines = sources.map { source in
      var json = JSONWriter(reserving: 1024)
      LimitsDocument(source: source, advice: LimitsSchemaTests.full).encode(into: &json)
      return String(decoding: json.bytes, as: UTF8.self) + "\n"
    }
    #expect(SchemaJudge.judged("limits.v1.schema.json", lines.joined(), wantsAllFields: true) == "judged: True\n")
  }

  @Test("all verdicts, loads and confidences are in the schema")
  func values() {
    var all = AdvisedLimit.Verdict.allCases.map { verdict in
      AdvisedLimit(
        LimitsSchemaTests.full[1].evidence, verdict: verdict, load: .web, headroomPercent: 0, confidence: .high,
        because: "")
    }
    all += AdvisedLimit.LoadKind.allCases.map { load in
      AdvisedLimit(
        LimitsSchemaTests.full[1].evidence, verdict: .keep, load: load, headroomPercent: 0, confidence: .medium,
        because: "")
    }
    var json = JSONWriter(reserving: 1024)
    LimitsDocument(source: .host(groupsOmitted: 1), advice: all).encode(into: &json)
    let line = String(decoding: json.bytes, as: UTF8.self) + "\n"
    #expect(SchemaJudge.judged("limits.v1.schema.json", line) == "judged: True\n")
    #expect(LimitsDocument.sorted(all).map(\.verdict).prefix(4) == [.leak, .raise, .set, .lower])
  }
}
