// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import KernelLog
import Witness

/// The kernel's log, opened before anything is attached, at a place to which the kernel's own count of kills is known.
///
/// What is before that place happened before the stream and is in the count; what comes after it the stream has to tell,
/// from the probes or from here. So no kill falls between the log and the probes, however long attaching takes.
final class HostLog {
  /// From that place on; nil where the log cannot be read.
  private var tail: LogTail?
  /// Why it cannot be read; nil where it can.
  private var refusal: String?
  /// vmstat's oom_kill at that place; nil where it cannot be read.
  private(set) var oomKillCount: Int64?
  /// The log from its beginning, where it is asked for.
  private var past: LogTail?

  /// How often a kill may come between before it is let be: the books then tell it as lost or told too often.
  private static let attemptsMax = 5
  /// A kill is counted some microseconds before it is printed, where nobody else takes the processor in between.
  private static let printMicroseconds: UInt32 = 5000
  /// How long a reader of the output is waited for in all, with what is told of the past.
  private static let pastPatienceMilliseconds: Int64 = 10_000
  private static let pastStepMilliseconds: Int32 = 100
  private var pastPatience = HostLog.pastPatienceMilliseconds

  init(sinceBoot: Bool, candidates: CandidateCount, host: TracedHost) {
    let source = LogSource(
      source: .kmsg, pageSizeBytes: host.identity.pageSizeBytes, swapTotalPages: host.systemPages.swap,
      swappiness: host.swappiness, hasGroupKills: host.hasGroupKills)
    do throws(KernelLogError) {
      for _ in 0..<HostLog.attemptsMax {
        oomKillCount = host.facts.oomKillCount
        usleep(HostLog.printMicroseconds)
        let tail = try LogTail(sinceBoot ? .oldest : .next, source, candidatesListed: candidates.limit)
        if sinceBoot { tail.skip() }
        self.tail = tail
        if host.facts.oomKillCount == oomKillCount { break }
      }
      if sinceBoot { past = try LogTail(.oldest, source, candidatesListed: candidates.limit) }
    } catch {
      tail = nil
      refusal = Wording.sentence(error)
      if sinceBoot { Diagnostic.say("what happened before the start cannot be told: \(refusal!)") }
    }
  }

  /// The past can be told.
  var hasPast: Bool { past != nil }

  /// As stream_start names it among the probes.
  var probe: StreamStart.Probe { StreamStart.Probe(name: "/dev/kmsg", refusal: refusal) }

  /// With numbers that no decision of the probes has; nil where the log cannot be read.
  func besideProbes() -> LogTail? {
    number(by: DecisionNumbers(after: DecisionNumbers.besideProbes))
    return tail
  }

  /// Past and present as one row of decisions, or the end of the command with the reason, after that of the last rung.
  func alone(after refused: String?) throws -> LogTail {
    guard let tail else {
      let reasons = [refused, refusal].compactMap { $0 }.joined(separator: "; ")
      throw Diagnostic.fail(reasons, ExitStatus.notPossibleHere)
    }
    number(by: DecisionNumbers())
    return tail
  }

  private func number(by numbers: DecisionNumbers) {
    tail?.number(by: numbers)
    past?.number(by: numbers)
  }

  /// Takes the next of what happened before the stream, once the output has room; false where there is no more.
  func takePast(_ actions: inout [Assembler.Action], output: some EventOutput) -> Bool {
    guard let past, let last = tail?.lastSequence, let events = past.readOn(upTo: last) else {
      past = nil
      return false
    }
    while output.waitingDescriptor != nil, !output.isClosed, pastPatience > 0 {
      output.drain(timeoutMilliseconds: HostLog.pastStepMilliseconds)
      pastPatience -= Int64(HostLog.pastStepMilliseconds)
    }
    for logged in events {
      let moment = logged.monotonicNanoseconds ?? 0
      switch logged.event {
      case .oomKill(let kill): actions.append(.tellLogged(kill, at: moment, isPast: true))
      case .oomOutcome(let outcome): actions.append(.tellOutcome(outcome, at: moment))
      case .oomNoKill, .streamStart, .loss, .pressure, .policyAction, .guardAction, .streamEnd: break
      }
    }
    return true
  }
}
