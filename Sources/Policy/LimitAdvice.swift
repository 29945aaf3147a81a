// SPDX-License-Identifier: Apache-2.0
import Events

/// What a limit should be, by what is known of what runs under it: a pure function, whose reasons name its numbers.
///
/// Never below what was already used, whatever else speaks for less. A kill tells no more than that the limit was too low
/// for what was wanted, so that the next one is a try; where the victims grew from kill to kill it is none.
package enum LimitAdvice {
  /// A peak so near to the limit is the limit's doing: page cache fills what it may. In hundredths.
  static let fullPercent: Int64 = 95
  /// With less than so many hundredths of the limit free over what is needed, a busier hour ends in a kill.
  static let tightPercent: Int64 = 10
  /// A limit of more than so many times what is advised is wasted where others wait for memory.
  static let wastefulTimes: Int64 = 2
  /// A day has its peaks; an hour has some.
  static let daySeconds: Int64 = 86_400
  static let hourSeconds: Int64 = 3600
  /// After a kill: half as much again, since a kill does not tell how much more was wanted.
  static let raisePercent: Int64 = 150

  /// Less saves nothing, and what sleeps today has to start again.
  static let leastBytes: Int64 = 16 << 20
  /// An exbibyte is no limit, whatever is written there.
  static let endlessBytes: Int64 = 1 << 60

  package static func advise(_ evidence: LimitEvidence) -> AdvisedLimit {
    let evidence = believed(evidence)
    let load = AdvisedLimit.LoadKind(programs: evidence.programs, image: evidence.image)
    var advised = AdvisedLimit(
      evidence, verdict: .unknown, load: load, headroomPercent: load.headroomPercent, confidence: .low, because: "")
    let need = Need(evidence)
    advised.neededBytes = need.bytes
    advised.oomScoreAdj = load.oomScoreAdj
    advised.reasons += need.reasons
    if evidence.growth != nil {
      leak(&advised, need)
    } else if evidence.kills.number > 0 {
      killed(&advised, need)
    } else if let needed = need.bytes {
      quiet(&advised, need, needed)
    } else {
      advised.confidenceReason = "neither usage, nor a peak, nor a kill is known"
      if case .bytes(let limit)? = evidence.limitBytes {
        advised.reasons.append("Nothing tells what it uses: its limit of \(size(limit)) is left as it is.")
        advised.limitBytes = limit
      }
    }
    finish(&advised, need)
    return advised
  }

  static func size(_ bytes: Int64) -> String { Explanation(pageSizeBytes: 1).size(bytes: bytes) }

  /// A size of zero or less is none: it was not measured.
  private static func believed(_ evidence: LimitEvidence) -> LimitEvidence {
    func positive(_ bytes: Int64?) -> Int64? { bytes.flatMap { $0 > 0 ? $0 : nil } }
    var evidence = evidence
    evidence.usageBytes = positive(evidence.usageBytes)
    evidence.workingSetBytes = positive(evidence.workingSetBytes)
    evidence.peakBytes = positive(evidence.peakBytes)
    evidence.requestBytes = positive(evidence.requestBytes)
    evidence.hostBytes = positive(evidence.hostBytes)
    evidence.kills.mostLimitBytes = positive(evidence.kills.mostLimitBytes)
    evidence.kills.mostVictimBytes = positive(evidence.kills.mostVictimBytes)
    if let bytes = evidence.limitBytes?.bytes {
      evidence.limitBytes = bytes <= 0 ? nil : bytes >= endlessBytes ? .unlimited : .bytes(bytes)
    }
    if evidence.kills.mostLimitBytes ?? 0 >= endlessBytes { evidence.kills.mostLimitBytes = nil }
    return evidence
  }

  /// The limit at which it died, by what is there now and by what the kills tell.
  private static func limitAtKill(_ evidence: LimitEvidence) -> Int64? {
    [evidence.limitBytes?.bytes, evidence.kills.mostLimitBytes].compactMap { $0 }.max()
  }

  private static func leak(_ advised: inout AdvisedLimit, _ need: Need) {
    let growth = advised.evidence.growth!
    advised.verdict = .leak
    advised.reasons.append(
      "\(TerminalText.safe(growth.program)) held \(size(growth.firstBytes)) at the first of \(growth.kills) kills and "
        + "\(size(growth.lastBytes)) at the last: it grows, and a higher limit only postpones the next kill.")
    if let limit = limitAtKill(advised.evidence) {
      advised.limitBytes = max(limit, need.floorBytes)
      advised.reasons.append(
        "The limit stays at \(size(advised.limitBytes!)): find what grows first (docs/analyze.md, find_leak).")
    } else if let needed = need.bytes {
      advised.limitBytes = RoundSize.up(max(needed, need.floorBytes))
      advised.reasons.append("A limit of \(size(advised.limitBytes!)) keeps it from taking the others' memory.")
    }
    (advised.confidence, advised.confidenceReason) =
      growth.kills >= 5
      ? (.high, "\(growth.kills) kills show the same growth") : (.medium, "\(growth.kills) kills show the growth")
  }

  private static func killed(_ advised: inout AdvisedLimit, _ need: Need) {
    let evidence = advised.evidence
    let kills = evidence.kills.number
    let times = kills == 1 ? "once" : "\(kills) times"
    advised.verdict = .raise
    guard let limit = limitAtKill(evidence) else {
      advised.reasons.append("It was killed \(times) for memory, and at which limit is not known.")
      if let needed = need.bytes {
        advised.limitBytes = RoundSize.up(
          max(RoundSize.percent(100 + advised.headroomPercent, of: needed), need.floorBytes))
      } else {
        advised.verdict = .unknown
      }
      advised.confidenceReason = "the limit that was hit is not known"
      return
    }
    let raised = RoundSize.percent(raisePercent, of: limit)
    if case .bytes(let now)? = evidence.limitBytes, let then = evidence.kills.mostLimitBytes, evidence.kills.ended == 0,
      now >= max(RoundSize.up(RoundSize.percent(raisePercent, of: then)), need.floorBytes)
    {
      advised.verdict = .keep
      advised.limitBytes = now
      advised.reasons.append(
        "It was killed \(times) at limits of up to \(size(then)); its limit has been raised to \(size(now)) since.")
      (advised.confidence, advised.confidenceReason) = (.medium, "no kill is known at the limit that it has now")
      return
    }
    let headroom = need.bytes.map { RoundSize.percent(100 + advised.headroomPercent, of: $0) } ?? 0
    // What needs the whole limit is asked for by the kill; the headroom is of what was seen to be needed.
    advised.limitBytes = RoundSize.up(max(raised, need.isFull ? 0 : headroom, need.floorBytes))
    advised.reasons.append(
      "It was killed \(times) at its limit of \(size(limit)), and none of it says how much more was wanted: "
        + "half as much again is the next try.")
    (advised.confidence, advised.confidenceReason) =
      evidence.kills.logged >= 3 && need.bytes != nil
      ? (.medium, "\(evidence.kills.logged) kills in the log, and none shows growth")
      : (.low, "too few kills with their sizes are known to tell a limit that is too low from a leak")
  }

  private static func quiet(_ advised: inout AdvisedLimit, _ need: Need, _ needed: Int64) {
    let wanted = RoundSize.up(
      max(RoundSize.percent(100 + advised.headroomPercent, of: needed), need.floorBytes, leastBytes))
    advised.reasons.append(
      "\(advised.headroomPercent)% more than the \(size(needed)) that it needed: \(advised.load.headroomReason).")
    advised.limitBytes = wanted
    switch advised.evidence.limitBytes {
    case .bytes(let limit):
      let leftBytes = limit - min(limit, needed)
      if need.floorBytes > limit {
        advised.verdict = .raise
      } else if leftBytes < RoundSize.percent(tightPercent, of: limit) {
        advised.verdict = .raise
        advised.reasons.append("Of its limit of \(size(limit)) only \(size(leftBytes)) are left over that.")
      } else if limit / wastefulTimes > wanted || (limit / wastefulTimes == wanted && limit % wastefulTimes > 0) {
        advised.verdict = .lower
        advised.reasons.append("Its limit of \(size(limit)) is more than \(wastefulTimes) times that.")
      } else {
        advised.verdict = .keep
        advised.limitBytes = limit
        advised.reasons.append("Its limit of \(size(limit)) leaves \(size(leftBytes)) over that, and will do.")
      }
    case .unlimited:
      advised.verdict = .set
      advised.reasons.append("It has no limit: what it takes, the whole host lacks.")
    case nil:
      advised.verdict = .set
      advised.reasons.append("Its limit is not known.")
    }
    (advised.confidence, advised.confidenceReason) = confidence(need, advised.evidence)
    guard advised.verdict == .lower, case .bytes(let limit)? = advised.evidence.limitBytes else { return }
    // Taken away only by those who have watched long enough, and of what is known to be all there is.
    let isGroup = ["cgroup", "pod"].contains(advised.evidence.subject.kindText)
    guard isGroup || advised.confidence == .low else { return }
    advised.verdict = .keep
    advised.limitBytes = limit
    advised.reasons.append(
      isGroup
        ? "It is neither a container nor a unit: whoever made it knows what else may run there."
        : "Too little is known to lower it.")
  }

  private static func confidence(
    _ need: Need, _ evidence: LimitEvidence
  ) -> (AdvisedLimit.Confidence, String) {
    guard evidence.peakBytes != nil else { return (.low, "no peak is known, only what it uses now") }
    guard !need.isFull else { return (.medium, "page cache has filled the limit, so that the peak tells little") }
    guard let age = evidence.ageSeconds else { return (.medium, "how long the peak was watched is not known") }
    if age >= daySeconds { return (.high, "its peak is of \(age / daySeconds) day\(age < 2 * daySeconds ? "" : "s")") }
    if age >= hourSeconds { return (.medium, "its peak is of \(age / hourSeconds) h, less than a day") }
    return (.low, "it has run for \(age / 60) min, and may not have seen its peak")
  }

  /// What follows from the limit: what to set aside, and where to begin to slow it down.
  private static func finish(_ advised: inout AdvisedLimit, _ need: Need) {
    guard let limit = advised.limitBytes else { return }
    let needed = need.bytes ?? advised.evidence.requestBytes
    let killedAt = advised.evidence.kills.number > 0 ? limitAtKill(advised.evidence) : nil
    if let wanted = [needed, killedAt].compactMap({ $0 }).max() {
      advised.requestBytes = min(RoundSize.up(wanted), limit)
    } else {
      advised.requestBytes = advised.evidence.requestBytes.map { min($0, limit) }
    }
    // A leak that is slowed down is a service that hangs.
    if advised.verdict != .leak, let request = advised.requestBytes {
      let high = RoundSize.down(request + (limit - request) / 4 * 3)
      if high > max(request, need.floorBytes), high < limit { advised.highBytes = high }
    }
    if let host = advised.evidence.hostBytes, limit > host {
      advised.reasons.append("The host has \(size(host)) in all: a limit above that is none.")
    }
  }
}

/// What it needed, and what it has used at least once.
private struct Need {
  /// Nil where nothing was seen.
  private(set) var bytes: Int64?
  /// No limit may be lower.
  private(set) var floorBytes: Int64
  /// The peak is as high as the limit lets it be.
  private(set) var isFull = false
  private(set) var reasons: [String] = []

  init(_ evidence: LimitEvidence) {
    let size = LimitAdvice.size
    let victim = evidence.kills.mostVictimBytes
    floorBytes =
      [evidence.peakBytes, evidence.usageBytes, evidence.workingSetBytes, victim].compactMap { $0 }.max() ?? 0
    let usedNow = evidence.workingSetBytes ?? evidence.usageBytes
    if let peak = evidence.peakBytes, let limit = evidence.limitBytes?.bytes,
      peak >= RoundSize.percent(LimitAdvice.fullPercent, of: limit)
    {
      isFull = true
      bytes = [usedNow, victim].compactMap { $0 }.max() ?? peak
      reasons.append(
        "Its peak of \(size(peak)) is at its limit of \(size(limit)), page cache included: what it needed is taken from "
          + (usedNow == nil
            ? "that." : "the \(size(bytes!)) that it \(bytes == usedNow ? "uses now" : "held when it was killed")."))
    } else if let peak = evidence.peakBytes {
      bytes = [peak, usedNow, victim].compactMap { $0 }.max()
      let now = usedNow.map { " and \(size($0)) are in use now" } ?? ""
      reasons.append("It used \(size(peak)) at most\(now).")
    } else if let usedNow {
      bytes = [usedNow, victim].compactMap { $0 }.max()
      reasons.append("It uses \(size(usedNow)) now; a peak is not known.")
    } else if let victim {
      bytes = victim
      reasons.append("It held \(size(victim)) when it was killed; nothing else is known of its use.")
    }
    // A victim holds pages that are charged elsewhere, as of shared files: that it held more says nothing of the limit.
    let used = [evidence.peakBytes, evidence.usageBytes, evidence.workingSetBytes].compactMap { $0 }.max() ?? 0
    if let limit = evidence.limitBytes?.bytes, used > limit {
      reasons.append("That is more than its limit of \(size(limit)): the limit was set, or lowered, afterwards.")
    }
  }
}
