// SPDX-License-Identifier: Apache-2.0
import Events

/// All that is counted from events, from zero.
struct MetricState: Sendable {
  /// The types of lines, by the name that the stream has for them.
  enum LineType: String, CaseIterable, Sendable {
    case streamStart = "stream_start"
    case oomKill = "oom_kill"
    case oomOutcome = "oom_outcome"
    case oomNoKill = "oom_no_kill"
    case loss
    case pressure
    case policyAction = "policy_action"
    case guardAction = "guard_action"
    case streamEnd = "stream_end"
  }

  /// One whose pressure is watched: the system, or a cgroup's path.
  struct PressureTarget: Sendable {
    var name: String
    var level: PressureLevel
  }

  /// The system, and as many groups as `oomwitness pressure` takes.
  static let pressureTargetsMax = 257
  static let systemName = "system"
  /// Guards that are known by name are fewer.
  private static let guardsMax = 64

  private(set) var lines = CaseCounts<LineType>()
  private(set) var kills = CaseCounts<Scope>()
  private(set) var sources = CaseCounts<Source>()
  private(set) var kernelCount: Int64 = 0
  private(set) var pastKills: Int64 = 0
  private(set) var cgroups: SeriesTable
  private(set) var pods: SeriesTable
  private(set) var containers: SeriesTable
  private(set) var units: SeriesTable
  private(set) var afterGuard = SeriesTable(
    labels: ["by"], limit: guardsMax, present: [SeriesTable.Key(first: "oomwitness")])
  private(set) var decisionToEvent = Histogram(bounds: Histogram.event)
  private(set) var exit = Histogram(bounds: Histogram.exit)
  private(set) var memoryFreed = Histogram(bounds: Histogram.exit)
  private(set) var reaper = Histogram(bounds: Histogram.exit)
  private(set) var reapers = CaseCounts<OOMOutcome.Reaper>()
  private(set) var outcomesExited: Int64 = 0
  private(set) var outcomesUnknown: Int64 = 0
  private(set) var freedBytes: Int64 = 0
  private(set) var noKills = CaseCounts<OOMNoKill.Reason>()
  private(set) var losses = CaseCounts<Loss.Reason>()
  private(set) var lostRecords = CaseCounts<Loss.Reason>()
  private(set) var lostKernelCounts = CaseCounts<Loss.Reason>()
  private(set) var foundKernelCounts = CaseCounts<Loss.Reason>()
  private(set) var pressure: [PressureTarget] = []
  private(set) var pressureChanges = CaseCounts<PressureLevel>()
  private(set) var guardActions: SeriesTable
  private(set) var thresholdToSignal = Histogram(bounds: Histogram.event)
  private(set) var signalToExit = Histogram(bounds: Histogram.exit)
  private(set) var guardFreedBytes: Int64 = 0
  private(set) var policyApplied = CaseCounts<PolicyAction.Cause>()
  private(set) var policyFailed = CaseCounts<PolicyAction.Cause>()
  private(set) var start: StreamStart?
  var books: MetricBooks?
  var looks: Int64 = 0
  private var latest: Int64 = 0

  init(seriesMax: Int) {
    cgroups = SeriesTable(labels: ["cgroup"], limit: seriesMax)
    pods = SeriesTable(labels: ["namespace", "pod"], limit: seriesMax, other: 1)
    containers = SeriesTable(labels: ["namespace", "pod", "container", "runtime"], limit: seriesMax, other: 2)
    units = SeriesTable(labels: ["unit"], limit: seriesMax)
    var actions = [SeriesTable.Key(first: "oomwitness", second: GuardAction.Outcome.nobody.rawValue)]
    for outcome in GuardAction.Outcome.allCases where outcome != .nobody {
      for signal in GuardAction.Signal.allCases {
        actions.append(SeriesTable.Key(first: "oomwitness", second: outcome.rawValue, third: signal.rawValue))
      }
    }
    guardActions = SeriesTable(labels: ["by", "outcome", "signal"], limit: MetricState.guardsMax, present: actions)
  }

  /// - Parameter isPast: it happened before the start, and is told from the kernel's log.
  mutating func take(_ event: Event, at time: EventTime, isPast: Bool) {
    latest = max(latest, time.monotonicNanoseconds ?? 0)
    switch event {
    case .streamStart(let start):
      lines.add(.streamStart)
      self.start = start
    case .oomKill(let kill):
      lines.add(.oomKill)
      if isPast { pastKills += 1 } else { take(kill) }
    case .oomOutcome(let outcome):
      lines.add(.oomOutcome)
      if !isPast { take(outcome) }
    case .oomNoKill(let noKill):
      lines.add(.oomNoKill)
      noKills.add(noKill.reason, 1 + Int64(noKill.repeated ?? 0))
    case .loss(let loss):
      lines.add(.loss)
      losses.add(loss.reason)
      lostRecords.add(loss.reason, max(0, loss.records))
      if loss.kernelCount >= 0 {
        lostKernelCounts.add(loss.reason, loss.kernelCount)
      } else {
        foundKernelCounts.add(loss.reason, -loss.kernelCount)
      }
    case .pressure(let event):
      lines.add(.pressure)
      take(event)
    case .policyAction(let action):
      lines.add(.policyAction)
      if action.outcome == .applied { policyApplied.add(action.cause) } else { policyFailed.add(action.cause) }
    case .guardAction(let action):
      lines.add(.guardAction)
      take(action)
    case .streamEnd: lines.add(.streamEnd)
    }
  }

  /// What is watched from now on; each begins as normal.
  mutating func watch(_ targets: [KernelName?]) {
    pressure = targets.prefix(MetricState.pressureTargetsMax).map {
      PressureTarget(name: $0?.text ?? MetricState.systemName, level: .normal)
    }
  }

  private mutating func take(_ kill: OOMKill) {
    kills.add(kill.scope)
    sources.add(kill.source)
    kernelCount += Int64(kill.victim.kernelCount)
    decisionToEvent.add(kill.decisionToEventMicroseconds)
    if let after = kill.afterGuardAction { afterGuard.add(SeriesTable.Key(first: after.by), at: latest) }
    guard let cgroup = kill.victim.cgroup else { return }
    if let path = cgroup.path { cgroups.add(SeriesTable.Key(first: path.text), at: latest) }
    guard let owner = cgroup.owner else { return }
    if let unit = owner.unit { units.add(SeriesTable.Key(first: unit), at: latest) }
    let (namespace, pod) = (owner.pod?.namespace ?? "", owner.pod?.pod ?? owner.pod?.podUID ?? "")
    if !pod.isEmpty { pods.add(SeriesTable.Key(first: namespace, second: pod), at: latest) }
    if let container = owner.container {
      let name = owner.pod?.container ?? container.givenName ?? container.shownName
      containers.add(
        SeriesTable.Key(first: namespace, second: pod, third: name, fourth: container.runtime ?? ""), at: latest)
    }
  }

  private mutating func take(_ outcome: OOMOutcome) {
    if outcome.exited { outcomesExited += 1 } else { outcomesUnknown += 1 }
    exit.add(outcome.exitMicroseconds)
    memoryFreed.add(outcome.memoryFreedMicroseconds)
    reaper.add(outcome.reaperEndMicroseconds)
    if let reaper = outcome.reaper { reapers.add(reaper) }
    freedBytes += max(0, outcome.freedBytes ?? 0)
  }

  private mutating func take(_ event: PressureEvent) {
    if event.level != event.previous { pressureChanges.add(event.level) }
    let name = event.reading.cgroup.map { $0.path?.text ?? "" } ?? MetricState.systemName
    if let place = pressure.firstIndex(where: { $0.name == name }) {
      pressure[place].level = event.level
    } else if pressure.count < MetricState.pressureTargetsMax {
      pressure.append(PressureTarget(name: name, level: event.level))
    }
  }

  private mutating func take(_ action: GuardAction) {
    let key = SeriesTable.Key(
      first: action.by, second: action.outcome.rawValue, third: action.signal?.rawValue ?? "")
    guardActions.add(key, at: latest)
    thresholdToSignal.add(action.thresholdToSignalMicroseconds)
    signalToExit.add(action.signalToExitMicroseconds)
    guardFreedBytes += max(0, action.freedBytes ?? 0)
  }
}
