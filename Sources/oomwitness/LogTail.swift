// SPDX-License-Identifier: Apache-2.0
import Events
import KernelLog
import Witness

/// A place in the kernel's log, and the reports that are put together from there on.
final class LogTail {
  private var reader: KmsgReader
  private let source: LogSource
  private let candidatesListed: Int?
  private let clock = Clock()
  private var assembler: ReportAssembler
  /// The record that was read last; nil where none was.
  private(set) var lastSequence: UInt64?
  /// Records that were overwritten before they were read, or that are none.
  private(set) var recordsLost: Int64 = 0
  /// The last reading found no more.
  private(set) var isAtEnd = false
  /// The log cannot be read any more.
  private(set) var isBroken = false

  init(_ start: KmsgReader.Start, _ source: LogSource, candidatesListed: Int?) throws(KernelLogError) {
    reader = try KmsgReader(from: start)
    self.source = source
    self.candidatesListed = candidatesListed
    assembler = ReportAssembler(source)
  }

  var descriptor: Int32 { isBroken ? -1 : reader.descriptor }
  /// When `advance` has something to tell.
  var deadline: Int64? { assembler.nextDeadlineNanoseconds }
  /// Kills as the kernel counts them whose report may go on.
  var waitingKernelCount: Int64 { Int64(assembler.killsWaiting) }

  /// Goes on with numbers of decisions that others use too; to be called before the first line.
  func number(by numbers: DecisionNumbers) { assembler = ReportAssembler(source, numbers: numbers) }

  /// Goes to the end of what is there now.
  func skip() { while record() != nil {} }

  /// The next record; nil at the end.
  private func record() -> KmsgRecord? {
    while !isBroken {
      do throws(KernelLogError) {
        switch try reader.next() {
        case .record(let record):
          lastSequence = record.sequence
          return record
        case .overwritten(let records): recordsLost += Int64(clamping: records ?? 1)
        case .unreadable: recordsLost += 1
        case .empty: return nil
        }
      } catch {
        // Readable for ever and never read would spin: vmstat still tells that something is missing.
        recordsLost += 1
        isBroken = true
      }
    }
    return nil
  }

  /// Reads to the end of what is there now, or no more than so many records: `isAtEnd` tells which.
  func read(records limit: Int = .max) -> [LoggedEvent] {
    var events: [LoggedEvent] = []
    isAtEnd = false
    for _ in 0..<limit {
      guard let record = record() else {
        isAtEnd = true
        break
      }
      events += listed(assembler.consume(LogLine(record), receivedNanoseconds: clock.monotonic))
    }
    return events
  }

  /// Reads on until something is to be told; nil where all up to and with the record `last` was.
  func readOn(upTo last: UInt64) -> [LoggedEvent]? {
    while let record = record(), record.sequence <= last {
      let events = assembler.consume(LogLine(record))
      if !events.isEmpty { return listed(events) }
    }
    let events = assembler.flush()
    return events.isEmpty ? nil : listed(events)
  }

  /// Tells what has waited long enough for more of it.
  func advance(to now: Int64) -> [LoggedEvent] { listed(assembler.advance(toNanoseconds: now)) }

  /// Tells what is complete: the log is left.
  func flush() -> [LoggedEvent] { listed(assembler.flush()) }

  /// As the other inputs list candidates: by rank, no more than were asked for.
  private func listed(_ events: [LoggedEvent]) -> [LoggedEvent] {
    events.map { logged in
      guard case .oomKill(var kill) = logged.event else { return logged }
      var logged = logged
      kill.candidates = kill.candidates?.first(candidatesListed)
      logged.event = .oomKill(kill)
      return logged
    }
  }
}
