// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import KernelLog
import Policy
import Witness

/// What this host tells of those whose limits are asked for: its control groups, and the kills of a log.
struct HostLimits {
  private let survey: LimitSurvey
  private let kills: KillsAtLimits

  /// Groups that were not looked at.
  var omitted: Int { survey.omitted }

  /// - Parameter logs: in place of this host's own.
  init(logs: [String]) throws {
    survey = try LimitSurvey()
    kills = KillsAtLimits(
      try logs.isEmpty ? HostLimits.hostKills() : HostLimits.kills(logs), pageSizeBytes: HostIdentity.pageSizeBytes)
  }

  /// All containers and all else that has a limit or was killed; or what is named.
  func evidence(_ names: [String]) throws -> [LimitEvidence] {
    let targets = try survey.targets()
    if survey.omitted > 0 { Diagnostic.say("\(survey.omitted) groups were not looked at: there are too many of them") }
    let chosen = try names.isEmpty ? listed(targets) : named(names, targets)
    var containersOfPods: [PodRef: Int] = [:]
    func pod(_ target: LimitSurvey.Target) -> PodRef? {
      guard target.isContainer, var pod = target.owner?.pod else { return nil }
      pod.container = nil
      return pod
    }
    for target in targets { if let pod = pod(target) { containersOfPods[pod, default: 0] += 1 } }
    return try chosen.compactMap { target in
      guard var evidence = try survey.evidence(target) else { return nil }
      kills.add(to: &evidence, isAlone: pod(target).map { containersOfPods[$0] == 1 } ?? true)
      return names.isEmpty && HostLimits.isEmpty(evidence) ? nil : evidence
    }
  }

  /// A group that holds containers is theirs together, as the kubelet's: its limit is not of what it used, and it is told
  /// of only where it was hit.
  private func listed(_ targets: [LimitSurvey.Target]) -> [LimitSurvey.Target] {
    var holders: Set<KernelName> = []
    for target in targets where target.isContainer {
      guard let path = target.cgroup.path else { continue }
      holders.formUnion(CgroupReader.ancestorPaths(of: path))
    }
    return targets.filter { target in
      if target.isContainer || kills.has(target.cgroup) { return true }
      return target.isLimited && !(target.cgroup.path.map(holders.contains) ?? true)
    }
  }

  /// Nothing runs there, and nothing ever did.
  private static func isEmpty(_ evidence: LimitEvidence) -> Bool {
    (evidence.peakBytes ?? evidence.usageBytes ?? 0) == 0 && evidence.kills.number == 0
      && evidence.limitBytes?.bytes == nil
  }

  /// Of a pod its containers; of all else the group itself, or what it is a part of.
  private func named(_ names: [String], _ targets: [LimitSurvey.Target]) throws -> [LimitSurvey.Target] {
    var wanted: Set<KernelName> = []
    for name in names {
      let path = try survey.path(named: name)
      let around = targets.compactMap(\.cgroup.path).filter { path.isAtOrBelow($0) }
      guard let nearest = around.max(by: { $0.bytes.count < $1.bytes.count }) else {
        throw Diagnostic.fail(
          "'\(TerminalText.safe(name))' is in the root group, which has no limit but the host's memory")
      }
      wanted.insert(nearest)
    }
    let pods = targets.filter { target in
      target.cgroup.path.map(wanted.contains) == true && HostLimits.isPod(target, among: targets)
    }.compactMap(\.cgroup.path)
    return targets.filter { target in
      guard let path = target.cgroup.path else { return false }
      if wanted.contains(path) { return !pods.contains(path) }
      return target.isContainer && pods.contains { path.isAtOrBelow($0) }
    }
  }

  /// A pod's own group, with containers below it.
  private static func isPod(_ target: LimitSurvey.Target, among targets: [LimitSurvey.Target]) -> Bool {
    guard target.owner?.pod != nil, !target.isContainer, let path = target.cgroup.path else { return false }
    return targets.contains { $0.isContainer && $0.cgroup.path?.isAtOrBelow(path) == true }
  }

  /// This host's log: where it cannot be read, that is said, and the advice rests on the rest.
  private static func hostKills() throws -> KillStatistics {
    var statistics = KillStatistics()
    let host = try TracedHost()
    var log = KeptHostLog(host, numbers: DecisionNumbers(), clock: Clock())
    do {
      try log.read { located, wall in
        guard case .oomKill(let kill) = located.logged.event else { return }
        let time = EventTime(wallNanoseconds: wall, monotonicNanoseconds: located.logged.monotonicNanoseconds)
        statistics.add(kill, host: located.host, boot: located.bootID, at: time)
      }
    } catch {
      Diagnostic.say("no kill is known from a log: the advice rests on what cgroups tell")
    }
    return statistics
  }

  private static func kills(_ files: [String]) throws -> KillStatistics {
    // Else localtime(3) looks at its file again for each line.
    setenv("TZ", ":/etc/localtime", 0)
    var statistics = KillStatistics()
    let (numbers, clock) = (DecisionNumbers(), Clock())
    let source = LogSource(source: .log, pageSizeBytes: HostIdentity.pageSizeBytes)
    for (place, path) in files.enumerated() {
      var log = LogFile(source, calendar: LogCalendar(nowWallNanoseconds: clock.wall), numbers: numbers)
      func take(_ located: LocatedEvent) {
        guard case .oomKill(let kill) = located.logged.event else { return }
        let time = EventTime(
          wallNanoseconds: located.logged.wallNanoseconds, monotonicNanoseconds: located.logged.monotonicNanoseconds)
        statistics.add(kill, host: located.host, boot: located.bootID ?? "log \(place + 1)", at: time)
      }
      do throws(HostError) {
        let file = try AheadReader(ReadableFile(path: path)) { LogFile.places(in: $0) }
        while try file.next({ piece, places in log.take(piece, places: places, tell: take) }) {}
      } catch {
        throw Diagnostic.fail(Wording.sentence(error))
      }
      log.end(tell: take)
    }
    return statistics
  }
}
