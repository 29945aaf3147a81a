// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import KernelLog
import Witness

/// The kernel's log of this host: what the journal has kept, of earlier boots and of this one, then what the kernel holds.
///
/// What both have is told once, from /dev/kmsg: of this boot we know the swap and the page size.
struct KeptHostLog {
  /// One event of this boot: its kind, when the kernel printed it, and of whom.
  private struct Mark: Hashable {
    var kind: String
    var monotonicNanoseconds: Int64?
    var pid: Int32?

    init(_ logged: LoggedEvent) {
      kind = logged.event.typeName.description
      monotonicNanoseconds = logged.monotonicNanoseconds
      switch logged.event {
      case .oomKill(let kill): pid = kill.victim.tid
      case .oomNoKill(let noKill): pid = noKill.tid
      default: pid = nil
      }
    }
  }

  /// Every boot's records that the kernel wrote. Source: journalctl(1), systemd.journal-fields(7).
  private static let journal = ("journalctl", ["--quiet", "--no-pager", "--output=export", "_TRANSPORT=kernel"])

  private let host: TracedHost
  private let numbers: DecisionNumbers
  private let clock: Clock
  /// Reports that began and of which no kill was seen.
  private(set) var reportsAbandoned: Int64 = 0

  init(_ host: TracedHost, numbers: DecisionNumbers, clock: Clock) {
    (self.host, self.numbers, self.clock) = (host, numbers, clock)
  }

  /// Tells all events in their order, with nanoseconds since 1970 where they are known.
  ///
  /// - Throws: `ExitStatus.notPossibleHere` where neither can be read; one of them is enough.
  mutating func read(_ tell: (LocatedEvent, Int64?) -> Void) throws {
    var held: Set<Mark> = []
    let (kmsgRefusal, _) = readKmsg(DecisionNumbers()) { held.insert(Mark($0)) }
    var told: Set<Mark> = []
    let journalRefusal = readJournal { located in
      if located.bootID == host.identity.bootID {
        guard !held.contains(Mark(located.logged)) else { return }
        told.insert(Mark(located.logged))
      }
      tell(located, located.logged.wallNanoseconds)
    }
    if let kmsgRefusal {
      guard let journalRefusal else { return }
      throw Diagnostic.fail("\(kmsgRefusal); \(journalRefusal)", ExitStatus.notPossibleHere)
    }
    let wallLessMonotonic = clock.wall - clock.monotonic
    let (_, abandoned) = readKmsg(numbers) { logged in
      guard !told.contains(Mark(logged)) else { return }
      let wall = logged.monotonicNanoseconds.map { $0 + wallLessMonotonic }
      tell(LocatedEvent(logged, host: nil, bootID: host.identity.bootID), wall)
    }
    reportsAbandoned += abandoned
  }

  /// What the kernel still holds; gives why it cannot be read, and how many reports had no kill.
  private func readKmsg(
    _ numbers: DecisionNumbers, _ tell: (LoggedEvent) -> Void
  ) -> (refusal: String?, abandoned: Int64) {
    do throws(KernelLogError) {
      var reader = try KmsgReader(from: .oldest)
      var assembler = ReportAssembler(
        LogSource(
          source: .kmsg, pageSizeBytes: host.identity.pageSizeBytes, swapTotalPages: host.systemPages.swap,
          swappiness: host.swappiness, hasGroupKills: host.hasGroupKills), numbers: numbers)
      while true {
        switch try reader.next() {
        case .record(let record): assembler.consume(LogLine(record)).forEach(tell)
        case .overwritten, .unreadable: continue
        case .empty:
          assembler.flush().forEach(tell)
          return (nil, assembler.reportsAbandoned)
        }
      }
    } catch {
      return (Wording.sentence(error), 0)
    }
  }

  /// What journald has kept; gives why there is nothing.
  private func readJournal(_ tell: (LocatedEvent) -> Void) -> String? {
    do throws(HostError) {
      let output = try ProgramOutput(KeptHostLog.journal.0, KeptHostLog.journal.1)
      let source = LogSource(source: .log, pageSizeBytes: host.identity.pageSizeBytes)
      var log = LogFile(source, calendar: LogCalendar(nowWallNanoseconds: clock.wall), numbers: numbers)
      var isEmpty = true
      while try output.next({ piece in
        isEmpty = false
        log.take(piece, tell: tell)
      }) {}
      log.end(tell: tell)
      return isEmpty ? "the journal has no line of the kernel's that may be read here" : nil
    } catch {
      return Wording.sentence(error)
    }
  }
}
