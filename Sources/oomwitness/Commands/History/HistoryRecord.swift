// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History
import Host
import KernelProbe

/// Keeps a stream as it comes, and looks at the host's memory meanwhile: what the daemon does, without the daemon.
struct HistoryRecord: ParsableCommand {
  /// Bytes of one read.
  private static let pieceBytes = 64 * 1024

  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "Keeps a stream from standard input as the daemon does, with the memory before each kill.",
    discussion: """
      It ends with the stream, or with SIGTERM. Needs root for processes of others.
      Examples:
        oomwitness trace --output ndjson | oomwitness history record --database oom.db
      """)

  @OptionGroup var kept: KeptOptions
  @Option(help: "Read processes by BPF's iterator, or from the files under /proc.")
  var read: ProcessReading = .auto

  func run() throws {
    let signals = StopSignals()
    let keeper = HistoryKeeper(HistorySettings(path: kept.database), table: try ProcessTable(reading: read))
    var lines = LineSplitter(lineBytesMax: LineColumns.lineBytesMax)
    func take(_ line: ArraySlice<UInt8>, _ number: Int) { if !line.isEmpty { keeper.store.take(Array(line)) } }
    var buffer = [UInt8](repeating: 0, count: HistoryRecord.pieceBytes)
    while true {
      keeper.step()
      var polls = [
        pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
      ]
      _ = poll(&polls, 2, keeper.pauseMilliseconds)
      if polls[0].revents != 0 { break }
      guard polls[1].revents != 0 else { continue }
      let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { break }
      lines.take(buffer[..<count], take)
    }
    lines.end(take)
    let status = keeper.close()
    let lost = status.linesDropped + status.linesMalformed
    guard lost > 0 else { return }
    throw Diagnostic.fail(
      "\(status.linesDropped) lines found no room and \(status.linesMalformed) were no events; "
        + "\(status.linesStored) were stored")
  }
}
