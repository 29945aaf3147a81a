// SPDX-License-Identifier: Apache-2.0
import Events

/// Rules over victims from kill to kill.
struct VictimRules {
  private let statistics: KillStatistics
  private let sizes: Sizes

  init(_ statistics: KillStatistics, _ sizes: Sizes) {
    self.statistics = statistics
    self.sizes = sizes
  }

  var all: [Recommendation] {
    statistics.repeatedVictims.flatMap { key, history in
      [findLeak(key, history), lowerAdj(key, history), hostTooSmall(key, history)].compactMap { $0 }
    } + holders
  }

  private var holders: [Recommendation] {
    let sorted = statistics.protectedHolders.sums.sorted {
      ($1.value.tally.kills, $0.key.comm.text) < ($0.value.tally.kills, $1.key.comm.text)
    }
    return sorted.compactMap { limitProtected($0.key, $0.value) }
  }

  private func name(_ key: VictimHistory.Key) -> String {
    let place = key.place.name == nil ? "" : " of \(Naming.place(key.place))"
    return Naming.safe(key.comm) + place + Naming.onHost(key.host)
  }

  /// The victim is larger at each kill: what it holds is never given back, or it fills what it is given.
  ///
  /// Source: the guide's 2.2, which takes any name that died three times for a leak, whatever it held; proc_pid_smaps(5).
  private func findLeak(_ key: VictimHistory.Key, _ history: VictimHistory) -> Recommendation? {
    let samples = history.samples
    guard history.trend == .grows, let first = samples.first, let last = samples.last else { return nil }
    let pairs = history.pairs
    var finding =
      "\(name(key)) grew from kill to kill, from \(sizes.text(first.heldPages)) to \(sizes.text(last.heldPages)) over "
      + "\(history.tally.kills) kills, with more at the later of two in \(pairs.growing) of \(pairs.all) pairs"
    if let low = history.leastLimitPages, let high = history.mostLimitPages, high > low {
      finding += ", while its limit rose from \(sizes.text(low)) to \(sizes.text(high)): it fills what it is given"
    } else {
      finding += ": it looks like a leak"
    }
    return Recommendation(
      .findLeak, comm: key.comm, place: key.place, host: key.host, finding: finding + ".",
      evidence: Recommendation.Evidence(
        history.tally,
        [
          ("first_held_pages", first.heldPages), ("last_held_pages", last.heldPages),
          ("most_held_pages", history.mostPages), ("pairs", Int64(pairs.all)), ("pairs_growing", Int64(pairs.growing)),
          ("least_limit_pages", history.leastLimitPages), ("most_limit_pages", history.mostLimitPages),
        ]),
      steps: leakSteps(key, history))
  }

  private func leakSteps(_ key: VictimHistory.Key, _ history: VictimHistory) -> [Recommendation.Step] {
    var steps = [
      Recommendation.Step(
        "Watch which part of it grows: anonymous memory is its heap, shmem its tmpfs files and shared memory.",
        input: ShellText.plain(key.comm).map { "oomwitness scores --filter \($0) --watch 60" })
    ]
    // At its own limit it dies alone already.
    guard history.mostLimitPages == nil, let least = history.leastPages else { return steps }
    let limit = sizes.mebibytes(least)
    let set = MemoryLimit.set(key.place, path: nil, version: nil, mebibytes: limit)
    // The root has no limit, and a group of its own is missing.
    if case .cgroup(let path) = key.place, path.bytes == [0x2f] {
      steps.append(
        Recommendation.Step(
          "Start it with a limit of its own, so that it dies alone and not with the host: "
            + "systemd-run --scope -p MemoryMax=\(limit)M before its command."))
    } else if !set.isEmpty {
      steps.append(
        Recommendation.Step(
          "Until it is mended give it a limit at the smallest size at which the host ran out, so that it dies alone."))
      steps += set
    }
    return steps
  }

  /// It was chosen for its oom_score_adj: with 0 another had more points.
  ///
  /// Source: the kernel's filesystems/proc.rst, oom_score_adj; systemd.exec(5), OOMScoreAdjust=; Kubernetes,
  /// "Node out of memory behavior": 1000 for BestEffort, -997 for Guaranteed.
  private func lowerAdj(_ key: VictimHistory.Key, _ history: VictimHistory) -> Recommendation? {
    let kills = history.bystanders[.adj] ?? 0
    guard kills >= Recommendations.conditionMin, kills * 2 >= history.tally.kills, let adj = history.oomScoreAdj,
      adj > 0
    else { return nil }
    var finding =
      "\(name(key)) was killed \(Naming.times(history.tally.kills)), at \(kills) of these for its "
      + "oom_score_adj of \(adj): with 0 another had been chosen"
    if let last = history.lastBystander, let other = last.other, let held = last.otherHeldPages {
      finding += ", at last \(Naming.safe(other)), which held \(sizes.text(held))"
    }
    return Recommendation(
      .lowerAdj, comm: key.comm, place: key.place, host: key.host,
      finding: finding + ". Leave it where it is meant to die first.",
      evidence: Recommendation.Evidence(
        history.tally,
        [
          ("kills_for_adj", Int64(kills)), ("oom_score_adj", Int64(adj)), ("most_held_pages", history.mostPages),
          ("other_held_pages", history.lastBystander?.otherHeldPages),
        ]),
      steps: adjSteps(key, history))
  }

  private func adjSteps(_ key: VictimHistory.Key, _ history: VictimHistory) -> [Recommendation.Step] {
    switch key.place {
    case .unit(let unit) where unit.hasSuffix(".service"):
      let name = ShellText.quoted(KernelName(unit))
      return [
        Recommendation.Step(
          "Have systemd start the service with 0, from its next start on.",
          input: name.map { "oomwitness protect systemd \($0) --oom-score-adj 0 --write --daemon-reload" })
      ]
    case .pod(let pod):
      let mebibytes = history.mostPages.map(sizes.raisedMebibytes) ?? 0
      return MemoryLimit.podName(pod) + [
        Recommendation.Step(
          "The kubelet sets it by the pod's class: with the same requests and limits, of cpu too, it gets -997.",
          input: mebibytes == 0
            ? nil : "resources:\n  requests:\n    memory: \(mebibytes)Mi\n  limits:\n    memory: \(mebibytes)Mi")
      ]
    case .container:
      return [
        Recommendation.Step(
          "Create the container anew with this option, since it can't be changed while it runs.",
          input: "--oom-score-adj 0")
      ]
    default:
      return [
        Recommendation.Step(
          "Set it to 0 for those that run, and in what starts them.",
          input: ShellText.plain(key.comm).map {
            "for pid in $(pgrep -x \($0)); do echo 0 > /proc/$pid/oom_score_adj; done"
          })
      ]
    }
  }

  /// It holds the same at each kill of the whole host: that much, beside all else, is more than there is.
  ///
  /// Source: systemd.resource-control(5), MemoryHigh=; the guide's 5.2.
  private func hostTooSmall(_ key: VictimHistory.Key, _ history: VictimHistory) -> Recommendation? {
    guard history.trend == .steady, history.byScope[.system] == history.tally.kills, let domain = history.domainPages,
      let least = history.leastPages, let most = history.mostPages, domain > 0
    else { return nil }
    let target = sizes.mebibytes(least - least / 10)
    var steps = [
      Recommendation.Step("Give it less by its own settings (heap, cache, workers), or give the host more memory.")
    ]
    if case .unit(let unit) = key.place {
      steps.append(
        MemoryLimit.unitStep(
          unit, "MemoryHigh=\(target)M",
          "Have the kernel take back from it what is above a tenth less: it slows, and lives."))
    }
    return Recommendation(
      .hostTooSmall, comm: key.comm, place: key.place, host: key.host,
      finding:
        "\(name(key)) held \(sizes.text(least)) to \(sizes.text(most)) at each of its \(history.tally.kills) kills, "
        + "\(most * 100 / domain) % of the host's \(sizes.text(domain)) of memory and swap: it does not grow, the host is "
        + "too small for it beside the rest.",
      evidence: Recommendation.Evidence(
        history.tally, [("least_held_pages", least), ("most_held_pages", most), ("total_pages", domain)]),
      steps: steps)
  }

  /// One that can't be chosen held more than those that died for it.
  ///
  /// Source: the kernel's filesystems/proc.rst, oom_score_adj; systemd.resource-control(5), MemoryHigh=.
  private func limitProtected(_ key: ProtectedHolder.Key, _ holder: ProtectedHolder) -> Recommendation? {
    guard holder.tally.decisions >= Recommendations.conditionMin, let held = holder.mostHeldPages,
      let adj = holder.oomScoreAdj
    else { return nil }
    let victim = holder.victim.map { ", at last \(Naming.safe($0))" } ?? ""
    let size = holder.victimHeldPages.map { " with \(sizes.text($0))" } ?? ""
    let mebibytes = sizes.mebibytes(held)
    return Recommendation(
      .limitProtected, comm: key.comm, host: key.host,
      finding:
        "\(Naming.safe(key.comm))\(Naming.onHost(key.host)) held up to \(sizes.text(held)) and was kept from being "
        + "chosen by its oom_score_adj of \(adj), while smaller ones died \(Naming.times(holder.tally.kills))\(victim)\(size): "
        + "what is protected needs a limit.",
      evidence: Recommendation.Evidence(
        holder.tally,
        [
          ("most_held_pages", held), ("oom_score_adj", Int64(adj)), ("victim_held_pages", holder.victimHeldPages),
        ]),
      steps: [
        Recommendation.Step(
          "Find its unit, and have the kernel slow it at what it held: that costs it time and nobody a life.",
          input: ShellText.plain(key.comm).map {
            "unit=$(ps -o unit= -C \($0) | head -n 1)\nsystemctl set-property \"$unit\" MemoryHigh=\(mebibytes)M"
          })
      ])
  }
}
