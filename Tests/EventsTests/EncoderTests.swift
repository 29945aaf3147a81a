// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct EncoderTests {
  static let time = EventTime(wallNanoseconds: 1_795_554_837_000_000_001, monotonicNanoseconds: 5_456_630_973_115)

  /// The one line of an event in a stream of its own, without its end.
  static func line(_ event: Event) -> String {
    var encoder = NDJSONEncoder(host: "node-1", bootID: "7db7ddf7-32e0-41fc-9727-0f43a0f95d5a", pageSizeBytes: 4096)
    let bytes = encoder.line(event, at: time)
    #expect(bytes.last == UInt8(ascii: "\n"))
    return String(decoding: bytes.dropLast(), as: UTF8.self)
  }

  static func envelope(_ type: String) -> String {
    #"{"schema":"oomwitness.v1","type":"\#(type)","time":"2026-11-24T21:13:57.000000001Z","#
      + #""monotonic_ns":5456630973115,"host":"node-1","boot_id":"7db7ddf7-32e0-41fc-9727-0f43a0f95d5a","seq":1,"#
  }

  static let group = #"{"path":"/a/b","id":16568,"version":2}"#
  static let brokenGroup = #"{"path":"/\#u{fffd}","path_hex":"2ffe","id":7,"version":1}"#
  /// What stands beside a group whose owner is known.
  static let owner =
    #","systemd_unit":"hog.service","container":{"runtime":"podman","id":"\#(String(repeating: "0c", count: 32))","#
    + #""name":"shop-web-1","image":"shop/web:7","compose_project":"shop","compose_service":"web","pod":"shop"},"#
    + #""kubernetes":{"namespace":"shop","pod":"cart-0","container":"web","#
    + #""pod_uid":"11234567-89ab-cdef-0123-456789abcdef","qos_class":"Burstable","is_static":false}"#
  static let name = #""comm":"h\#u{fffd}","comm_hex":"68ff""#
  static let parts = #""anon_pages":8101,"file_pages":1,"shmem_pages":193,"swap_pages":40,"pgtable_pages":25"#
  static let trigger =
    #""trigger":{"pid":50,"tid":51,\#(name),"uid":0,"oom_score_adj":-50,"gfp_mask":3264,"#
    + #""gfp_flags":["GFP_KERNEL"],"order":0,"cgroup":\#(group)\#(owner),"is_victim":false}"#
  static let limit =
    #""limit":{"cgroup":\#(brokenGroup)\#(owner),"limit_pages":8192,"usage_pages":8190,"swap_limit_pages":40,"#
    + #""swap_usage_pages":39,"total_pages":8232,"inferred":false,"#
    + #""ancestors":[{"path":"h\#u{fffd}","path_hex":"68ff","limit_pages":10000,"usage_pages":9000},"#
    + #"{"path":"/","unlimited":true}]}"#

  @Test("a kill with all that can be known is this line")
  func fullKill() {
    let expected = [
      EncoderTests.envelope("oom_kill"),
      #""decision":{"id":3,"path":"scan","message":"Memory cgroup out of memory","kills":2,"index":1},"#,
      #""source":"kprobe","unavailable":["victim.systemd_unit","memory"],"scope":"memcg","#,
      EncoderTests.trigger, ",", EncoderTests.limit, ",",
      #""victim":{"pid":42,"tid":43,"ppid":1,"role":"chosen","kernel_count":2,\#(EncoderTests.name),"uid":1000,"#,
      #""user":"maria","oom_score_adj":100,"start_time":"2026-11-24T21:13:57.000000001Z","age_seconds":5,"#,
      #""cmdline":["hog","h\#u{fffd}",""],"cmdline_hex":["686f67","68ff",""],"exe":"h\#u{fffd}","exe_hex":"68ff","#,
      #""parent_comm":"h\#u{fffd}","parent_comm_hex":"68ff","cgroup":\#(EncoderTests.brokenGroup)"#,
      EncoderTests.owner, #","total_vm_pages":10823,"threads":4},"#,
      #""badness":{"points":9164,"points_source":"kernel","total_pages":8232,"proc_oom_score":700,"#,
      #""reconciled":false,"residue_pages":4,"breakdown":{\#(EncoderTests.parts),"adj_points":800}},"#,
      #""candidates":{"considered":3,"listed":2,"omitted":1,"runner_up_margin":64,"list":["#,
      #"{"pid":42,"tid":43,\#(EncoderTests.name),"uid":1000,"oom_score_adj":100,"cgroup":"#,
      #"\#(EncoderTests.brokenGroup)\#(EncoderTests.owner),"points":9164,"points_source":"kernel","residue_pages":4,"rank":1,"#,
      #""breakdown":{\#(EncoderTests.parts),"adj_points":800},"eligible":true},"#,
      #"{"pid":44,"tid":44,"comm":"db","oom_score_adj":-1000,"eligible":false,"skipped":"oom_score_adj_min"}]},"#,
      #""memory":{"total_pages":71539,"free_pages":1022,"available_pages":900,"buffers_pages":10,"#,
      #""cached_pages":6373,"shmem_pages":907,"slab_reclaimable_pages":2314,"slab_unreclaimable_pages":1654,"#,
      #""page_tables_pages":144,"swap_total_pages":500,"swap_free_pages":0,"#,
      #""zones":[{"node":0,"name":"DMA","free_pages":258,"min_pages":29,"reserve_pages":255},"#,
      #"{"node":0,"name":"DMA32","free_pages":308,"min_pages":1008}]},"#,
      #""pressure_stall":{"some":{"avg10":12.05,"avg60":0.66,"avg300":1.00,"total_us":32641004},"#,
      #""full":{"avg10":0.00,"avg60":0.02,"avg300":0.05,"total_us":2481647}},"#,
      #""after_guard_action":{"by":"earlyoom","signal":"SIGTERM","pid":8,"comm":"h\#u{fffd}","comm_hex":"68ff","#,
      #""milliseconds":120},"#,
      #""explanation":"The kernel killed h\#u{fffd} (pid 42) in container web of pod shop/cart-0, which held 32.4 MiB of memory and 160 KiB in swap, "#,
      #"because this container was at its limit of 32.0 MiB when h\#u{fffd} (pid 50) asked for memory and its "#,
      #"9164 points with an oom_score_adj of 100 were the most among 3 processes, 64 above the next.","#,
      #""latency":{"decision_to_event_us":781}}"#,
    ]
    #expect(EncoderTests.line(.oomKill(Samples.fullKill)) == expected.joined())
  }

  /// What an event of each type says after the envelope.
  static let rows: [(Event, String)] = [
    (
      Event.streamStart(Samples.fullStart),
      #""version":"0.1.0","kernel_release":"6.12.48+deb13-cloud-amd64","architecture":"x86_64","page_size":4096,"#
        + #""source":"fentry","probes":[{"name":"fentry:out_of_memory","attached":true},"#
        + #"{"name":"kprobe","attached":false,"refusal":"no \"kprobes\""}],"#
        + #""unavailable":["oom_outcome.memory_freed_us","oom_outcome.freed_bytes"]}"#
    ),
    (
      .streamStart(Samples.minimalStart),
      #""version":"0","kernel_release":"5.10","architecture":"aarch64","page_size":65536,"source":"kmsg","#
        + #""probes":[]}"#
    ),
    (
      .oomKill(Samples.minimalKill),
      #""decision":{"id":1},"source":"log","victim":{"pid":42,"kernel_count":1,"comm":"hog"},"#
        + #""explanation":"The kernel killed hog (pid 42) because memory ran out."}"#
    ),
    (
      .oomOutcome(Samples.fullOutcome),
      #""decision":{"id":3},"victim":{"pid":42,\#(EncoderTests.name)},"reaper":"finished","reaper_start_us":900,"#
        + #""reaper_end_us":1100,"exited":true,"exit_us":2977,"memory_freed_us":3100,"freed_bytes":34000896}"#
    ),
    (
      .oomOutcome(Samples.minimalOutcome),
      #""decision":{"id":1},"victim":{"pid":42,"comm":"hog"},"exited":false}"#
    ),
    (
      .oomNoKill(Samples.fullNoKill),
      #""reason":"chosen_task_dying","source":"kprobe","scope":"cpuset",\#(trigger),\#(limit),"#
        + #""task":{"pid":42,"tid":43,\#(EncoderTests.name)},"considered":3,"repeated":17}"#
    ),
    (.oomNoKill(Samples.minimalNoKill), #""reason":"no_killable_process","source":"kmsg"}"#),
    (
      .loss(Samples.fullLoss),
      #""reason":"vmstat_mismatch","kernel_count":-1,"records":0,"detail":"told \"2\", counted 1"}"#
    ),
    (.loss(Samples.minimalLoss), #""reason":"ring_full","kernel_count":0,"records":0,"detail":""}"#),
    (
      .pressure(Samples.minimalPressure),
      #""level":"normal","previous_level":"low","causes":[],"page_size":4096,"scope":"system","total_pages":0,"#
        + #""available_pages":-1,"explanation":"Memory pressure on the whole system is normal (was low): "#
        + #"0 KiB can still be had."}"#
    ),
    (
      .policyAction(Samples.fullAction),
      #""action":"set_oom_score_adj","outcome":"failed","cause":"exec","process":{"pid":42,\#(name),"user":"maria","#
        + #""cgroup":\#(brokenGroup)\#(owner)},"rule":"databases","#
        + #""reason":"slow \"recovery\"","oom_score_adj_before":100,"oom_score_adj_wanted":-500,"#
        + #""oom_score_adj_after":100,"shares_memory_with":41,"error":"no right"}"#
    ),
    (
      .policyAction(Samples.minimalAction),
      #""action":"set_oom_score_adj","outcome":"applied","cause":"start","process":{"pid":42,"comm":"hog"},"#
        + #""rule":"r","oom_score_adj_wanted":1}"#
    ),
    (
      .streamEnd(Samples.fullEnd),
      #""kills":7,"kernel_count_told":8,"kernel_count_lost":-1,"vmstat_oom_kill_growth":7,"outcomes":6,"#
        + #""no_kills":5,"lines_dropped":4,"kills_filtered":3,"kills_from_log":2,"kills_backfilled":1,"#
        + #""kernel_count_backfilled":9,"kills_told_before":11,"kernel_count_forgotten":10}"#
    ),
    (
      .streamEnd(Samples.minimalEnd),
      #""kills":0,"kernel_count_told":0,"kernel_count_lost":0,"outcomes":0,"no_kills":0,"lines_dropped":0,"#
        + #""kills_filtered":0}"#
    ),
  ]

  @Test("an event of each other type, or with nothing but what it must have, is this line", arguments: rows)
  func lines(event: Event, fields: String) {
    #expect(EncoderTests.line(event) == EncoderTests.envelope(event.typeName.description) + fields)
  }

  @Test("lines are numbered from 1 without holes, whatever their type, and a stream begins its own count")
  func numbering() {
    var encoder = NDJSONEncoder(host: "h", bootID: nil, pageSizeBytes: 4096)
    #expect(encoder.sequence == 0)
    let events = Samples.full + Samples.minimal
    for (place, event) in events.enumerated() {
      let text = String(
        decoding: encoder.line(event, at: EventTime(wallNanoseconds: 0, monotonicNanoseconds: nil)), as: UTF8.self)
      let envelope =
        #"{"schema":"oomwitness.v1","type":"\#(event.typeName)","time":"1970-01-01T00:00:00.000000000Z","#
        + #""host":"h","seq":\#(place + 1),"#
      #expect(text.hasPrefix(envelope), "\(text)")
      #expect(text.utf8.count { $0 == 0x0a } == 1)
      #expect(text.hasSuffix("}\n"))
    }
    #expect(encoder.sequence == UInt64(events.count))
    #expect(NDJSONEncoder(host: "h", bootID: nil, pageSizeBytes: 4096).sequence == 0)
  }

  @Test("a score that its parts explain is reconciled and has no residue; a computed one is neither")
  func reconciled() {
    func badness(_ points: Pages, _ source: PointsSource) -> String {
      var kill = Samples.minimalKill
      kill.badness = VictimBadness(parts: Samples.parts)
      kill.badness?.points = points
      kill.badness?.pointsSource = source
      kill.badness?.adjPoints = 0
      let line = EncoderTests.line(.oomKill(kill))
      let beginning = line.firstRange(of: #""badness":{"#)
      let end = line.firstRange(of: #","breakdown""#)
      guard let beginning, let end else { return line }
      return String(line[beginning.upperBound..<end.lowerBound])
    }
    #expect(badness(8360, .kernel) == #""points":8360,"points_source":"kernel","reconciled":true"#)
    #expect(
      badness(8300, .kernel) == #""points":8300,"points_source":"kernel","reconciled":false,"residue_pages":-60"#)
    #expect(badness(8300, .computed) == #""points":8300,"points_source":"computed""#)
  }

  /// The fields of an event that tells no more of its kind than this one thing.
  @Test("a part of which nothing is known is absent, and what is half known tells its half")
  func halfKnown() {
    var chosen = OOMNoKill(reason: .chosenTaskDying, source: .fentry)
    chosen.pid = 42
    #expect(
      EncoderTests.line(.oomNoKill(chosen)) == EncoderTests.envelope("oom_no_kill")
        + #""reason":"chosen_task_dying","source":"fentry","task":{"pid":42}}"#)

    var kill = Samples.minimalKill
    kill.victim.cgroup = CgroupRef(version: 2)
    kill.trigger = Trigger()
    kill.trigger?.cgroup = CgroupRef(id: 9)
    kill.limit = Samples.unlimited
    kill.badness = VictimBadness(parts: Samples.parts)
    kill.badness?.pointsSource = .kernel
    #expect(
      EncoderTests.line(.oomKill(kill)) == EncoderTests.envelope("oom_kill")
        + #""decision":{"id":1},"source":"log","trigger":{"cgroup":{"id":9}},"#
        + #""limit":{"unlimited":true,"swap_unlimited":true,"inferred":true},"#
        + #""victim":{"pid":42,"kernel_count":1,"comm":"hog"},"badness":{"breakdown":{\#(EncoderTests.parts)}},"#
        + #""explanation":"The kernel killed hog (pid 42), which held 32.4 MiB of memory and 160 KiB in swap, "#
        + #"because memory ran out."}"#)
  }
}
