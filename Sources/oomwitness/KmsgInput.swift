// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import KernelLog
import Witness

/// The kernel's log as an input: the last rung, where no BPF may be loaded.
final class KmsgInput: WitnessInput {
  private var reader: KmsgReader
  private var assembler: ReportAssembler
  private let candidatesListed: Int?
  private let clock = Clock()
  private var counters = LossCounters()
  /// The log cannot be read any more.
  private var isBroken = false

  private init(_ reader: consuming KmsgReader, _ log: LogSource, candidatesListed: Int?) {
    self.reader = reader
    assembler = ReportAssembler(log)
    self.candidatesListed = candidatesListed
  }

  /// Opens /dev/kmsg at its end, or ends the command with the reason, after that of the last rung before it.
  static func opened(after refusal: String?, candidates: CandidateCount, host: TracedHost) throws -> KmsgInput {
    do throws(KernelLogError) {
      let log = LogSource(
        source: .kmsg, pageSizeBytes: host.identity.pageSizeBytes, swapTotalPages: host.systemPages.swap,
        swappiness: host.swappiness, hasGroupKills: host.hasGroupKills)
      return KmsgInput(try KmsgReader(), log, candidatesListed: candidates.limit)
    } catch {
      let sentences = [refusal, Wording.sentence(error)].compactMap { $0 }
      throw Diagnostic.fail(sentences.joined(separator: "; "), ExitStatus.notPossibleHere)
    }
  }

  /// Why the log cannot be read here; nil where it can.
  static func refusal() -> String? {
    do throws(KernelLogError) {
      _ = try KmsgReader()
      return nil
    } catch {
      return Wording.sentence(error)
    }
  }

  var descriptor: Int32 { isBroken ? -1 : reader.descriptor }
  /// The log speaks of many things.
  var announcesKills: Bool { false }
  var deadline: Int64? { assembler.nextDeadlineNanoseconds }
  var losses: LossCounters { counters }
  var waitingKernelCount: Int64 { Int64(assembler.killsWaiting) }

  func collect(_ actions: inout [Assembler.Action]) {
    while !isBroken {
      do throws(KernelLogError) {
        switch try reader.next() {
        case .record(let record):
          append(assembler.consume(LogLine(record), receivedNanoseconds: clock.monotonic), to: &actions)
        case .overwritten(let records): counters.records += Int64(clamping: records ?? 1)
        case .unreadable: counters.records += 1
        case .empty: return
        }
      } catch {
        // Readable for ever and never read would spin: vmstat still tells that something is missing.
        counters.records += 1
        isBroken = true
        return
      }
    }
  }

  func expire(now: Int64, _ actions: inout [Assembler.Action]) {
    append(assembler.advance(toNanoseconds: now), to: &actions)
  }

  func finish(_ actions: inout [Assembler.Action]) {
    collect(&actions)
    append(assembler.flush(), to: &actions)
  }

  private func append(_ events: [LoggedEvent], to actions: inout [Assembler.Action]) {
    for logged in events {
      let moment = logged.monotonicNanoseconds ?? clock.monotonic
      switch logged.event {
      case .oomKill(var kill):
        kill.candidates = kill.candidates?.first(candidatesListed)
        actions.append(.tell(kill, at: moment, startBootNanoseconds: nil))
      case .oomNoKill(let noKill): actions.append(.tellNoKill(noKill, at: moment))
      case .oomOutcome(let outcome): actions.append(.tellOutcome(outcome, at: moment))
      case .streamStart, .loss, .policyAction, .streamEnd: break
      }
    }
  }
}
