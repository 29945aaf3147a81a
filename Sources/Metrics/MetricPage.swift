// SPDX-License-Identifier: Apache-2.0
import Events

/// The families, in the order of the page. Names and labels are a contract: docs/metrics.md.
struct MetricPage {
  private var text: Exposition

  init(_ text: consuming Exposition) { self.text = text }

  mutating func finish() -> [UInt8] { text.finish() }

  mutating func write(_ state: MetricState) {
    writeKills(state)
    writeOutcomes(state)
    writeLosses(state)
    writePressure(state)
    writeGuard(state)
    writeStream(state)
  }

  // MARK: What happened

  private mutating func writeKills(_ state: MetricState) {
    text.family("oomwitness_kills", .counter, "Processes that the kernel killed for memory, by whose memory ran out.")
    for scope in Scope.allCases { text.sample(.number(state.kills[scope]), ("scope", scope.rawValue)) }
    text.sample(.number(state.kills[nil]), ("scope", "unknown"))
    text.family("oomwitness_kills_by_source", .counter, "The same kills, by what saw them.")
    for source in Source.allCases where source != .log {
      text.sample(.number(state.sources[source]), ("source", source.rawValue))
    }
    let family = (
      name: "oomwitness_kernel_counted_kills", help: "The same kills as /proc/vmstat's oom_kill counts them."
    )
    text.family(family.name, .counter, family.help)
    text.sample(.number(state.kernelCount))
    text.family(
      "oomwitness_kills_before_start", .counter, "Kills told from the kernel's log that happened before the start.")
    text.sample(.number(state.pastKills))
    write(
      state.cgroups, "oomwitness_cgroup_kills", "Kills by the victim's control group, where it is known.")
    write(state.pods, "oomwitness_pod_kills", "Kills by the victim's Kubernetes pod.")
    write(state.containers, "oomwitness_container_kills", "Kills by the victim's container.")
    write(state.units, "oomwitness_unit_kills", "Kills by the victim's systemd unit.")
    write(
      state.afterGuard, "oomwitness_kills_after_guard_action",
      "Kills in spite of a guard that had acted shortly before.")
    text.family(
      "oomwitness_no_kills", .counter, "Times when the kernel was out of memory and killed nobody, by why.")
    for reason in OOMNoKill.Reason.allCases {
      text.sample(.number(state.noKills[reason]), ("reason", reason.rawValue))
    }
  }

  private mutating func writeOutcomes(_ state: MetricState) {
    text.family("oomwitness_outcomes", .counter, "Victims that were followed, by whether their exit was seen.")
    text.sample(.number(state.outcomesExited), ("exited", "true"))
    text.sample(.number(state.outcomesUnknown), ("exited", "false"))
    text.family("oomwitness_reapers", .counter, "What the kernel's oom_reaper did for these victims.")
    for reaper in OOMOutcome.Reaper.allCases {
      text.sample(.number(state.reapers[reaper]), ("result", reaper.rawValue))
    }
    text.family("oomwitness_freed_bytes", .counter, "Memory that victims of the kernel gave back by their end.")
    text.sample(.number(state.freedBytes))
    histogram("oomwitness_exit_seconds", "From the kill to the exit of the last thread.", state.exit)
    histogram("oomwitness_memory_freed_seconds", "From the kill to when its memory was given back.", state.memoryFreed)
    histogram("oomwitness_reaper_seconds", "From the kill to the end of the oom_reaper's work.", state.reaper)
    histogram(
      "oomwitness_decision_to_event_seconds", "From the kernel's decision to our event.", state.decisionToEvent)
  }

  private mutating func writeLosses(_ state: MetricState) {
    func each(_ counts: CaseCounts<Loss.Reason>) {
      for reason in Loss.Reason.allCases { text.sample(.number(counts[reason]), ("reason", reason.rawValue)) }
    }
    text.family("oomwitness_losses", .counter, "Loss lines of the stream, by reason.")
    each(state.losses)
    text.family("oomwitness_lost_records", .counter, "Records or lines that were lost, kills among them.")
    each(state.lostRecords)
    text.family("oomwitness_lost_kernel_counts", .counter, "Kills as the kernel counts them that no event tells of.")
    each(state.lostKernelCounts)
    text.family(
      "oomwitness_found_kernel_counts", .counter, "Of these, or of the kernel's count, those that were told after all.")
    each(state.foundKernelCounts)
  }

  private mutating func writePressure(_ state: MetricState) {
    text.family(
      "oomwitness_pressure_level", .gauge, "Memory pressure now: 0 normal, 1 low, 2 medium, 3 critical.")
    for target in state.pressure { text.sample(.number(Int64(target.level.rawValue)), ("target", target.name)) }
    text.family("oomwitness_pressure_changes", .counter, "Changes of the pressure level, by the level reached.")
    for level in PressureLevel.allCases { text.sample(.number(state.pressureChanges[level]), ("level", level.name)) }
  }

  private mutating func writeGuard(_ state: MetricState) {
    write(state.guardActions, "oomwitness_guard_actions", "What guards did before the kernel had to.")
    histogram(
      "oomwitness_guard_threshold_to_signal_seconds", "From the reading that crossed a threshold to our signal.",
      state.thresholdToSignal)
    histogram("oomwitness_guard_signal_to_exit_seconds", "From our first signal to the exit.", state.signalToExit)
    text.family("oomwitness_guard_freed_bytes", .counter, "Memory that our guard's victims gave back by their end.")
    text.sample(.number(state.guardFreedBytes))
    text.family("oomwitness_policy_actions", .counter, "Processes whose oom_score_adj a rule set, or failed to set.")
    for cause in PolicyAction.Cause.allCases {
      text.sample(.number(state.policyApplied[cause]), ("outcome", "applied"), ("cause", cause.rawValue))
      text.sample(.number(state.policyFailed[cause]), ("outcome", "failed"), ("cause", cause.rawValue))
    }
  }

  // MARK: The witness itself

  private mutating func writeStream(_ state: MetricState) {
    text.family("oomwitness_events", .counter, "Lines of the stream, by type.")
    for type in MetricState.LineType.allCases { text.sample(.number(state.lines[type]), ("type", type.rawValue)) }
    if let start = state.start { write(start) }
    text.family("oomwitness_reconciles", .counter, "How often our account was held against /proc/vmstat's oom_kill.")
    text.sample(.number(state.looks))
    let books = state.books ?? MetricBooks(told: 0, lost: 0, growth: 0, difference: 0)
    text.family(
      "oomwitness_reconcile_difference", .gauge, "By how much the two differed at the last look: growth - told - lost.")
    text.sample(.number(books.difference))
    text.family(
      "oomwitness_reconcile_told", .gauge, "Kernel counts told or filtered since the start, at the last look.")
    text.sample(.number(books.told))
    text.family("oomwitness_reconcile_lost", .gauge, "Kernel counts told as lost since the start, at the last look.")
    text.sample(.number(books.lost))
    guard let growth = books.growth else { return }
    text.family(
      "oomwitness_reconcile_vmstat_growth", .gauge,
      "Growth of /proc/vmstat's oom_kill since the start, at the last look.")
    text.sample(.number(growth))
  }

  private mutating func write(_ start: StreamStart) {
    text.family("oomwitness_build", .info, "The version that runs, and on what.")
    text.sample(
      .number(1), ("version", start.version), ("kernel", start.kernelRelease), ("architecture", start.architecture))
    text.family(
      "oomwitness_source_rung", .gauge, "What sees the kills: 4 fentry, 3 kprobe, 2 tracepoint, 1 the kernel's log.")
    let rung: Int64 =
      switch start.source {
      case .fentry: 4
      case .kprobe: 3
      case .tracepoint: 2
      case .kmsg: 1
      case .log: 0
      }
    text.sample(.number(rung))
    text.family("oomwitness_probe_attached", .gauge, "1 where the kernel took this probe, 0 where it refused it.")
    var seen: Set<String> = []
    for probe in start.probes where seen.insert(probe.name).inserted {
      text.sample(.number(probe.refusal == nil ? 1 : 0), ("probe", probe.name))
    }
    let attached = start.probes.count { $0.refusal == nil }
    text.family("oomwitness_probes", .gauge, "Probes, by whether the kernel took them.")
    text.sample(.number(Int64(attached)), ("state", "attached"))
    text.sample(.number(Int64(start.probes.count - attached)), ("state", "refused"))
  }

  private mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
    text.family(name, .histogram, help)
    text.histogram(histogram)
  }

  private mutating func write(_ table: SeriesTable, _ name: String, _ help: String) {
    text.family(name, .counter, help)
    for (key, count) in table.sorted { text.sample(.number(count), Array(zip(table.labels, key.values))) }
  }
}

extension MetricPage {
  mutating func write(_ readings: MetricReadings) {
    write(readings.sinks)
    text.family("oomwitness_lines_taken", .counter, "Lines that were handed over to be delivered.")
    text.sample(.number(readings.linesTaken))
    text.family("oomwitness_lines_refused", .counter, "Lines for which there was no room on the way to delivery.")
    text.sample(.number(readings.linesRefused))
    if let spool = readings.spool {
      text.family("oomwitness_spool_bytes", .gauge, "Size of the spool on disk.")
      text.sample(.number(spool.bytes))
      text.family("oomwitness_spool_segments", .gauge, "Files of the spool.")
      text.sample(.number(Int64(spool.segments)))
      text.family("oomwitness_spool_failing", .gauge, "1 where lines are kept in memory alone, since the disk fails.")
      text.sample(.number(spool.isFailing ? 1 : 0))
    }
    if let history = readings.history { write(history) }
    guard let programs = readings.programs else { return }
    text.family("oomwitness_bpf_run_seconds", .counter, "Time that our BPF programs took.")
    for program in programs { text.sample(.nanoseconds(program.runNanoseconds), ("program", program.name)) }
    text.family("oomwitness_bpf_runs", .counter, "How often our BPF programs ran.")
    for program in programs { text.sample(.number(program.runs), ("program", program.name)) }
  }

  private mutating func write(_ history: MetricReadings.History) {
    text.family("oomwitness_history_bytes", .gauge, "Bytes in use in the file of the history.")
    text.sample(.number(history.bytes))
    text.family("oomwitness_history_lines", .counter, "Lines stored in the history.")
    text.sample(.number(history.storedLines))
    text.family("oomwitness_history_dropped_lines", .counter, "Lines that found no room while it could not be written.")
    text.sample(.number(history.droppedLines))
    text.family("oomwitness_history_files_set_aside", .counter, "Files of the history that were damaged.")
    text.sample(.number(history.filesSetAside))
    text.family("oomwitness_history_failing", .gauge, "1 where nothing can be stored in the history.")
    text.sample(.number(history.isFailing ? 1 : 0))
  }

  private mutating func write(_ sinks: [MetricReadings.Sink]) {
    func family(
      _ name: String, _ kind: Exposition.Kind, _ help: String, _ value: (MetricReadings.Sink) -> Int64
    ) {
      text.family(name, kind, help)
      for sink in sinks { text.sample(.number(value(sink)), ("sink", sink.name)) }
    }
    family("oomwitness_sink_up", .gauge, "0 where the last attempt to deliver failed.") { $0.isUp ? 1 : 0 }
    family("oomwitness_sink_queue_lines", .gauge, "Lines that wait for this sink, before its filter.") {
      $0.queuedLines
    }
    family("oomwitness_sink_queue_bytes", .gauge, "The same in bytes.") { $0.queuedBytes }
    family("oomwitness_sink_delivered_lines", .counter, "Lines delivered.") { $0.deliveredLines }
    family("oomwitness_sink_filtered_lines", .counter, "Lines that the sink's filter kept out.") { $0.filteredLines }
    family("oomwitness_sink_dropped_lines", .counter, "Lines lost, for whatever reason.") { $0.droppedLines }
    family("oomwitness_sink_failures", .counter, "Attempts to deliver that failed.") { $0.failures }
  }

  mutating func write(_ requests: RequestCounts) {
    text.family("oomwitness_metrics_requests", .counter, "Requests for metrics, by the status of the answer.")
    for (status, count) in zip(HTTPAnswer.statuses, requests.answers) {
      text.sample(.number(count), ("code", "\(status)"))
    }
    text.family("oomwitness_metrics_evictions", .counter, "Connections that were closed to make room for others.")
    text.sample(.number(requests.evicted))
  }

  mutating func write(_ process: ProcessReading, startMicroseconds: Int64?) {
    func family(
      _ name: String, _ kind: Exposition.Kind, _ help: String, _ value: Exposition.Value?
    ) {
      guard let value else { return }
      text.family(name, kind, help)
      text.sample(value)
    }
    family(
      "process_cpu_seconds", .counter, "Total user and system CPU time spent in seconds.",
      process.cpuMicroseconds.map { .microseconds($0) })
    family(
      "process_resident_memory_bytes", .gauge, "Resident memory size in bytes.",
      process.residentBytes.map { .number($0) })
    family(
      "process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.", process.virtualBytes.map { .number($0) })
    family("process_open_fds", .gauge, "Number of open file descriptors.", process.openDescriptors.map { .number($0) })
    family(
      "process_max_fds", .gauge, "Maximum number of open file descriptors.", process.descriptorsMax.map { .number($0) })
    family(
      "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.",
      startMicroseconds.map { .microseconds($0) })
  }
}
