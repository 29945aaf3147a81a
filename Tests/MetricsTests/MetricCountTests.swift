// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Metrics

/// What each event counts.
@Suite struct MetricCountTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var event: Event
    /// Samples that are other than before, beside the one of its type.
    var changed: [String]
    var isPast = false
  }

  static let owner: CgroupOwner = {
    var container = ContainerRef(runtime: "containerd", id: String(repeating: "0c", count: 32))
    var pod = PodRef()
    (pod.namespace, pod.pod, pod.container, pod.podUID) = ("shop", "cart-0", "web", "1-2")
    container.image = "shop/web:7"
    return CgroupOwner(unit: "kubelet.service", container: container, pod: pod)
  }()

  static func kill(_ change: (inout OOMKill) -> Void) -> Event {
    var kill = OOMKill(
      decision: Decision(id: 1), source: .kprobe, victim: Victim(pid: 1, comm: KernelName("hog"), kernelCount: 2))
    change(&kill)
    return .oomKill(kill)
  }

  static func outcome(_ exited: Bool, _ change: (inout OOMOutcome) -> Void = { _ in }) -> Event {
    var outcome = OOMOutcome(decisionID: 1, pid: 1, comm: KernelName("hog"), exited: exited)
    change(&outcome)
    return .oomOutcome(outcome)
  }

  static func noKill(_ repeated: Int?) -> Event {
    var noKill = OOMNoKill(reason: .chosenTaskDying, source: .fentry)
    noKill.repeated = repeated
    return .oomNoKill(noKill)
  }

  static func pressure(_ level: PressureLevel, from: PressureLevel, _ path: String? = nil) -> Event {
    let group = path.map { CgroupRef(path: KernelName($0)) }
    let reading = PressureReading(cgroup: group, totalPages: 100, availablePages: 1)
    return .pressure(PressureEvent(level: level, previous: from, causes: [.memory], reading: reading))
  }

  static func guardAction(
    _ outcome: GuardAction.Outcome, by: String = "oomwitness", _ change: (inout GuardAction) -> Void = { _ in }
  ) -> Event {
    var action = GuardAction(by: by, outcome: outcome)
    change(&action)
    return .guardAction(action)
  }

  static func policy(_ outcome: PolicyAction.Outcome) -> Event {
    .policyAction(
      PolicyAction(
        outcome: outcome, cause: .exec, pid: 1, comm: KernelName("x"), rule: "ssh", adjWanted: -900))
  }

  /// 1 ms: in the bucket of 1 ms, and in all above it.
  static func buckets(_ name: String, from: String) -> [String] {
    let bounds = [
      "0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
      "0.5", "1",
    ]
    return bounds.drop { $0 != from }.map { "\(name)_bucket{le=\"\($0)\"} 1" }
      + ["\(name)_bucket{le=\"+Inf\"} 1", "\(name)_count 1"]
  }

  static let rows: [Row] = [
    Row(
      testDescription: "a kill of which little is known", event: kill { _ in },
      changed: [
        #"oomwitness_kills_total{scope="unknown"} 1"#, #"oomwitness_kills_by_source_total{source="kprobe"} 1"#,
        "oomwitness_kernel_counted_kills_total 2",
      ]),
    Row(
      testDescription: "a kill of which all is known",
      event: kill {
        $0.scope = .memcg
        $0.victim.cgroup = CgroupRef(path: KernelName("/kubepods/x"))
        $0.victim.cgroup?.owner = owner
        $0.afterGuardAction = AfterGuardAction(
          by: "earlyoom", signal: .SIGTERM, pid: 8, comm: KernelName("x"), milliseconds: 120)
        $0.decisionToEventMicroseconds = 1000
      },
      changed: [
        #"oomwitness_kills_total{scope="memcg"} 1"#, #"oomwitness_kills_by_source_total{source="kprobe"} 1"#,
        "oomwitness_kernel_counted_kills_total 2", #"oomwitness_cgroup_kills_total{cgroup="/kubepods/x"} 1"#,
        #"oomwitness_pod_kills_total{namespace="shop",pod="cart-0"} 1"#,
        #"oomwitness_container_kills_total{namespace="shop",pod="cart-0",container="web",runtime="containerd"} 1"#,
        #"oomwitness_unit_kills_total{unit="kubelet.service"} 1"#,
        #"oomwitness_kills_after_guard_action_total{by="earlyoom"} 1"#,
        "oomwitness_decision_to_event_seconds_sum 0.001",
      ] + buckets("oomwitness_decision_to_event_seconds", from: "0.001")),
    Row(
      testDescription: "a kill of before the start", event: kill { $0.scope = .system },
      changed: ["oomwitness_kills_before_start_total 1"], isPast: true),
    Row(
      testDescription: "the outcome of a kill of before", event: outcome(true) { $0.exitMicroseconds = 5 }, changed: [],
      isPast: true),
    Row(
      testDescription: "an outcome that was not seen", event: outcome(false),
      changed: [#"oomwitness_outcomes_total{exited="false"} 1"#]),
    Row(
      testDescription: "an outcome without times",
      event: outcome(true) {
        $0.reaper = .skipped
        $0.freedBytes = 4096
      },
      changed: [
        #"oomwitness_outcomes_total{exited="true"} 1"#, #"oomwitness_reapers_total{result="skipped"} 1"#,
        "oomwitness_freed_bytes_total 4096",
      ]),
    Row(
      testDescription: "a time beyond the last bucket",
      event: outcome(true) { $0.exitMicroseconds = 61_500_000 },
      changed: [
        #"oomwitness_outcomes_total{exited="true"} 1"#, "oomwitness_exit_seconds_sum 61.5",
        "oomwitness_exit_seconds_count 1", #"oomwitness_exit_seconds_bucket{le="+Inf"} 1"#,
      ]),
    Row(
      testDescription: "nobody killed", event: noKill(nil),
      changed: [#"oomwitness_no_kills_total{reason="chosen_task_dying"} 1"#]),
    Row(
      testDescription: "nobody killed, again and again", event: noKill(41),
      changed: [#"oomwitness_no_kills_total{reason="chosen_task_dying"} 42"#]),
    Row(
      testDescription: "a loss", event: .loss(Loss(reason: .ringFull, kernelCount: 2, records: 9, detail: "")),
      changed: [
        #"oomwitness_losses_total{reason="ring_full"} 1"#, #"oomwitness_lost_records_total{reason="ring_full"} 9"#,
        #"oomwitness_lost_kernel_counts_total{reason="ring_full"} 2"#,
      ]),
    Row(
      testDescription: "a loss that is taken back",
      event: .loss(Loss(reason: .vmstatMismatch, kernelCount: -3, records: 0, detail: "")),
      changed: [
        #"oomwitness_losses_total{reason="vmstat_mismatch"} 1"#,
        #"oomwitness_found_kernel_counts_total{reason="vmstat_mismatch"} 3"#,
      ]),
    Row(
      testDescription: "pressure of the system", event: pressure(.medium, from: .low),
      changed: [
        #"oomwitness_pressure_level{target="system"} 2"#, #"oomwitness_pressure_changes_total{level="medium"} 1"#,
      ]),
    Row(
      testDescription: "pressure of a group", event: pressure(.critical, from: .normal, "/app"),
      changed: [
        #"oomwitness_pressure_level{target="/app"} 3"#, #"oomwitness_pressure_changes_total{level="critical"} 1"#,
      ]),
    Row(
      testDescription: "what was done about pressure is no change", event: pressure(.low, from: .low),
      changed: [#"oomwitness_pressure_level{target="system"} 1"#]),
    Row(
      testDescription: "a signal of our guard",
      event: guardAction(.sent) {
        $0.signal = .SIGTERM
        $0.thresholdToSignalMicroseconds = 1000
      },
      changed: [
        #"oomwitness_guard_actions_total{by="oomwitness",outcome="sent",signal="SIGTERM"} 1"#,
        "oomwitness_guard_threshold_to_signal_seconds_sum 0.001",
      ] + buckets("oomwitness_guard_threshold_to_signal_seconds", from: "0.001")),
    Row(
      testDescription: "a signal of another's guard",
      event: guardAction(.sent, by: "earlyoom") { $0.signal = .SIGKILL },
      changed: [#"oomwitness_guard_actions_total{by="earlyoom",outcome="sent",signal="SIGKILL"} 1"#]),
    Row(
      testDescription: "nobody to take", event: guardAction(.nobody),
      changed: [#"oomwitness_guard_actions_total{by="oomwitness",outcome="nobody"} 1"#]),
    Row(
      testDescription: "a rule", event: policy(.applied),
      changed: [#"oomwitness_policy_actions_total{outcome="applied",cause="exec"} 1"#]),
    Row(
      testDescription: "a rule that failed", event: policy(.failed),
      changed: [#"oomwitness_policy_actions_total{outcome="failed",cause="exec"} 1"#]),
    Row(
      testDescription: "the start of a stream",
      event: .streamStart(
        StreamStart(
          version: "1.0", kernelRelease: "6.18", architecture: "x86_64", pageSizeBytes: 4096, source: .tracepoint,
          probes: [
            .init(name: "fentry", refusal: "the kernel refuses it"), .init(name: "raw_tp:mark_victim", refusal: nil),
          ], unavailable: [])),
      changed: [
        #"oomwitness_build_info{version="1.0",kernel="6.18",architecture="x86_64"} 1"#, "oomwitness_source_rung 2",
        #"oomwitness_probe_attached{probe="fentry"} 0"#, #"oomwitness_probe_attached{probe="raw_tp:mark_victim"} 1"#,
        #"oomwitness_probes{state="attached"} 1"#, #"oomwitness_probes{state="refused"} 1"#,
      ]),
    Row(testDescription: "the end of a stream", event: .streamEnd(StreamEnd()), changed: []),
  ]

  @Test("each event changes what it says, and nothing else", arguments: rows)
  func changes(row: Row) {
    let book = MetricBook()
    func lines() -> Set<String> {
      Set(
        MetricPageTests.page(book).split(separator: "\n").map(String.init).filter {
          !$0.hasPrefix("process_") && !$0.hasPrefix("#")
        })
    }
    let before = lines()
    book.take(row.event, at: MetricPageTests.time(), isPast: row.isPast)
    let type = "oomwitness_events_total{type=\"\(row.event.typeName)\"} 1"
    #expect(lines().subtracting(before).sorted() == (row.changed + [type]).sorted())
  }

  @Test("every type of line has a series")
  func types() {
    let named = Set(MetricCountTests.rows.map { "\($0.event.typeName)" })
    #expect(named == Set(MetricState.LineType.allCases.map(\.rawValue)))
  }

  @Test("the sum of the buckets' counts is the count, and times add up")
  func histograms() {
    var histogram = Histogram(bounds: Histogram.exit)
    let times: [Int64?] = [nil, 0, 1, 1000, 1001, 60_000_000, 60_000_001, -5, Int64.max, Int64.max]
    for time in times { histogram.add(time) }
    #expect(histogram.total == 9)
    #expect(histogram.counts.reduce(0, +) == 6)
    #expect(histogram.counts[0] == 4)
    #expect(histogram.counts[1] == 1)
    #expect(histogram.sumMicroseconds == .max)
    #expect(Histogram.exit == Histogram.exit.sorted() && Histogram.event == Histogram.event.sorted())
  }

  @Test("what is watched begins as normal, and what is no longer watched is absent")
  func watched() {
    let book = MetricBook()
    func levels() -> [String] {
      MetricPageTests.page(book).split(separator: "\n").map(String.init).filter {
        $0.hasPrefix("oomwitness_pressure_level{")
      }
    }
    book.watchPressure(of: [nil, KernelName("/app")])
    #expect(
      levels() == [
        #"oomwitness_pressure_level{target="system"} 0"#, #"oomwitness_pressure_level{target="/app"} 0"#,
      ])
    book.take(MetricCountTests.pressure(.low, from: .normal, "/app"), at: MetricPageTests.time())
    #expect(levels().last == #"oomwitness_pressure_level{target="/app"} 1"#)
    book.watchPressure(of: [nil])
    #expect(levels() == [#"oomwitness_pressure_level{target="system"} 0"#])
    for number in 0..<400 {
      book.take(MetricCountTests.pressure(.low, from: .normal, "/app\(number)"), at: MetricPageTests.time())
    }
    #expect(levels().count == MetricState.pressureTargetsMax)
  }
}
