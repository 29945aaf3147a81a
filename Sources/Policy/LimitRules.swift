// SPDX-License-Identifier: Apache-2.0
import Events

/// Rules over the limits of cgroups.
struct LimitRules {
  private let statistics: KillStatistics
  private let sizes: Sizes

  init(_ statistics: KillStatistics, _ sizes: Sizes) {
    self.statistics = statistics
    self.sizes = sizes
  }

  var all: [Recommendation] {
    let limits = statistics.limits.sums.sorted {
      ($1.value.tally.kills, $0.value.path?.text ?? "") < ($0.value.tally.kills, $1.value.path?.text ?? "")
    }
    return limits.flatMap { key, history in
      [raiseLimit(key, history), groupKill(key, history)].compactMap { $0 }
    }
  }

  /// The same limit was hit again and again, and nobody there grew from kill to kill: it is too low for what runs there.
  ///
  /// A process that leaks up to a fixed limit looks the same: so the first step is small, and the second is to look.
  /// Source: the kernel's cgroup-v2.rst, memory.max and memory.peak; the guide's 3.2, 3.3 and 5.1.
  private func raiseLimit(_ key: LimitHistory.Key, _ history: LimitHistory) -> Recommendation? {
    guard history.tally.decisions >= Recommendations.repeatedMin, let limit = history.lastPages,
      history.leastPages == history.mostPages, !hasGrower(key)
    else { return nil }
    let raised = sizes.raisedMebibytes(limit)
    var steps = MemoryLimit.set(key.place, path: history.path, version: history.cgroupVersion, mebibytes: raised)
    if let peak = peak(history) { steps.append(peak) }
    return Recommendation(
      .raiseLimit, place: key.place, host: key.host,
      finding:
        "\(Naming.atStart(Naming.place(key.place)))\(Naming.onHost(key.host)) ran into the same limit of \(sizes.text(limit)) "
        + "\(Naming.times(history.tally.decisions)) (killed: \(Naming.list(history.victims))), and none of its victims "
        + "grew from kill to kill: the limit is too low for it, or it fills any.",
      evidence: Recommendation.Evidence(
        history.tally, [("limit_pages", limit), ("suggested_bytes", raised * 1_048_576)]),
      steps: steps)
  }

  /// A victim of this place that grows is a leak's matter: a higher limit would only be filled later.
  private func hasGrower(_ key: LimitHistory.Key) -> Bool {
    statistics.victims.sums.contains {
      $0.key.host == key.host && $0.key.place == key.place && $0.value.trend == .grows
    }
  }

  private func peak(_ history: LimitHistory) -> Recommendation.Step? {
    guard let path = history.path else { return nil }
    let isV1 = history.cgroupVersion == 1
    let file =
      Array((isV1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup").utf8) + path.bytes
      + Array((isV1 ? "/memory.max_usage_in_bytes" : "/memory.peak").utf8)
    return Recommendation.Step(
      "After a day see what it needed at most: where that is the new limit again, it leaks.",
      input: ShellText.quoted(KernelName(bytes: file)).map { "cat \($0)" })
  }

  /// memory.oom.group made others die with the one that was chosen.
  ///
  /// Source: the kernel's cgroup-v2.rst, memory.oom.group; systemd.service(5), OOMPolicy=; Kubernetes'
  /// KubeletConfiguration, singleProcessOOMKill.
  private func groupKill(_ key: LimitHistory.Key, _ history: LimitHistory) -> Recommendation? {
    guard history.groupDecisions >= Recommendations.conditionMin, history.groupKills > 0 else { return nil }
    return Recommendation(
      .groupKill, place: key.place, host: key.host,
      finding: "At the limit of \(Naming.place(key.place))\(Naming.onHost(key.host)) \(history.groupKills) more "
        + "processes died with the \(history.groupDecisions) that were chosen, since memory.oom.group is set there or "
        + "below it: where the rest could go on without them, that is lost.",
      evidence: Recommendation.Evidence(
        history.tally,
        [("group_decisions", Int64(history.groupDecisions)), ("group_kills", Int64(history.groupKills))]),
      steps: groupSteps(key.place, history))
  }

  private func groupSteps(_ place: KillPlace, _ history: LimitHistory) -> [Recommendation.Step] {
    switch place {
    case .unit(let unit) where unit.hasSuffix(".service"):
      let name = ShellText.quoted(KernelName(unit))
      return [
        Recommendation.Step(
          "Let the rest of the service go on; leave it where half of it is worth nothing.",
          input: name.map { "oomwitness protect systemd \($0) --oom-policy continue --write --daemon-reload" })
      ]
    case .pod:
      return [
        Recommendation.Step(
          "Let the kubelet kill single processes, in its configuration file, from Kubernetes 1.32 on.",
          input: "singleProcessOOMKill: true")
      ]
    default:
      let file = history.path.map {
        KernelName(bytes: Array("/sys/fs/cgroup".utf8) + $0.bytes + Array("/memory.oom.group".utf8))
      }
      return [
        Recommendation.Step(
          "Let the rest of the group go on; leave it where half of it is worth nothing.",
          input: file.flatMap(ShellText.quoted).map { "echo 0 > \($0)" })
      ]
    }
  }
}
