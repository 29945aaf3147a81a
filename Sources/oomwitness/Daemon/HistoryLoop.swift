// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import History
import Host
import Sinks
import Synchronization

/// The daemon's history on a thread of its own: a disk that is slow stops neither the witness nor the sinks.
///
/// What a daemon that was killed had told and not yet stored is in the spool, and is stored at the next start; a line that is
/// there already is not stored again.
final class HistoryLoop {
  /// Lines on their way from the loops to the thread, and how it fares.
  final class Inbox: Sendable {
    private static let bytesMax = 4 * 1024 * 1024

    private struct Contents {
      var lines: [[UInt8]] = []
      var bytes = 0
      var dropped: Int64 = 0
    }

    let wakeUp = WakeUp()
    private let contents = Mutex(Contents())
    private let told = Mutex(HistoryStatus())

    /// When it last went round.
    var status: HistoryStatus { told.withLock { $0 } }

    fileprivate func tell(_ status: HistoryStatus) { told.withLock { $0 = status } }

    /// Never waits; what finds no room is counted.
    func put(_ line: [UInt8]) {
      let isFirst = contents.withLock { contents in
        guard contents.bytes + line.count <= Inbox.bytesMax else {
          contents.dropped += 1
          return false
        }
        contents.lines.append(line)
        contents.bytes += line.count
        return contents.lines.count == 1
      }
      if isFirst { wakeUp.wake() }
    }

    func take() -> (lines: [[UInt8]], dropped: Int64) {
      contents.withLock { contents in
        defer { contents = Contents() }
        return (contents.lines, contents.dropped)
      }
    }
  }

  let inbox = Inbox()
  private let keeper: HistoryKeeper
  private var linesDropped: Int64 = 0

  init(_ settings: HistorySettings) throws { keeper = HistoryKeeper(settings, table: try ProcessTable()) }

  /// A line that was told before the start, and may not have been stored; before `run`.
  func learn(_ line: DeliveredLine) { keeper.store.take(line.bytes) }

  /// Until `stop` can be read.
  func run(stop: Int32, heartbeat: Heartbeat) {
    while true {
      heartbeat.beat()
      inbox.wakeUp.clear()
      takeLines()
      keeper.step()
      tell(keeper.store.status)
      var descriptors = [
        pollfd(fd: stop, events: Int16(POLLIN), revents: 0),
        pollfd(fd: inbox.wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      poll(&descriptors, 2, keeper.pauseMilliseconds)
      if descriptors[0].revents != 0 { break }
    }
    takeLines()
    tell(keeper.close())
    let lost = inbox.status.linesDropped
    if lost > 0 { Diagnostic.say("\(lost) lines found no room in the history") }
  }

  private func tell(_ status: HistoryStatus) {
    var status = status
    status.linesDropped += linesDropped
    inbox.tell(status)
  }

  private func takeLines() {
    let (lines, dropped) = inbox.take()
    for line in lines { keeper.store.take(line) }
    linesDropped += dropped
  }
}
