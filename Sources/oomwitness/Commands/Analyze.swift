// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import KernelLog
import Report
import Sinks
import Witness

/// Tells the kills that a kept log holds, as events and in sum.
struct Analyze: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case text, ndjson }

  static let configuration = CommandConfiguration(
    abstract: "Tells every OOM kill that a kernel log holds, and what they have in common.",
    discussion: """
      Reads what dmesg prints in each of its formats, syslog files, journalctl (short, json, export), and pastes with a \
      prefix before the kernel's time stamp; of several boots and hosts in one file, of kernels from 2.6.32 to 7.x, \
      and as gzip, xz or zstd made them smaller. Times without a zone or a year are this host's. Without a file it \
      reads the journal of all boots and /dev/kmsg.

      Examples:
        oomwitness analyze
        oomwitness analyze /var/log/syslog*
        journalctl -k -b -1 -o json | oomwitness analyze -
        oomwitness analyze --output ndjson console.log.xz | jq .explanation
      """)

  @Argument(help: "Log files; - is standard input.") var files: [String] = []
  @Option(help: "text for people, ndjson for programs.") var output: Format = .text
  @Option(
    help: ArgumentHelp("Bytes of a page where the log is from; 4096 but for some arm64 and ppc64.", valueName: "bytes"))
  var pageSize = 4096
  @Option(help: ArgumentHelp("How many candidates to list, or all; all are counted.", valueName: "n|all"))
  var candidates: CandidateCount = .first(20)

  func validate() throws {
    guard [4096, 8192, 16_384, 32_768, 65_536].contains(pageSize) else {
      throw ValidationError("--page-size takes 4096, 8192, 16384, 32768 or 65536, not \(pageSize)")
    }
  }

  func run() throws {
    // Else localtime(3) looks at its file again for each line.
    setenv("TZ", ":/etc/localtime", 0)
    let reader = try AnalyzedLogs(self)
    let isWhole = try reader.read()
    reader.finish()
    if !isWhole { throw ExitStatus.failed }
  }
}

/// Reads log after log, and writes what they tell.
private final class AnalyzedLogs {
  private let options: Analyze
  private let host: TracedHost?
  private let numbers = DecisionNumbers()
  private let clock = Clock()
  private let text: EventText
  private var encoder: NDJSONEncoder
  private var statistics = KillStatistics()
  private let sink = DescriptorSink()

  init(_ options: Analyze) throws {
    self.options = options
    host = options.files.isEmpty ? try TracedHost() : nil
    let identity = host?.identity
    text = EventText(pageSizeBytes: options.pageSize, coloured: OutputOptions.coloured)
    encoder = NDJSONEncoder(host: identity?.hostName, bootID: identity?.bootID, pageSizeBytes: options.pageSize)
  }

  /// The files, or where none is named this host's own log. False where a file could not be read; the others are.
  func read() throws -> Bool {
    if let host {
      try HostLog(host, numbers: numbers, clock: clock).read { write($0, wall: $1) }
      return true
    }
    var isWhole = true
    let source = LogSource(source: .log, pageSizeBytes: options.pageSize)
    for path in options.files {
      do throws(HostError) {
        let file = try ReadableFile(path: path)
        var log = LogFile(source, calendar: LogCalendar(nowWallNanoseconds: clock.wall), numbers: numbers)
        while try file.next({ piece in log.take(piece) { write($0, wall: $0.logged.wallNanoseconds) } }) {}
        log.end { write($0, wall: $0.logged.wallNanoseconds) }
      } catch {
        Diagnostic.say(Wording.sentence(error))
        isWhole = false
      }
    }
    return isWhole
  }

  /// The sum, for people; and all that waits is written.
  func finish() {
    if options.output == .text {
      let sum = StatisticsText(pageSizeBytes: options.pageSize, coloured: OutputOptions.coloured).text(statistics)
      put(Array(sum.utf8))
    }
    sink.drain(timeoutMilliseconds: 10_000)
  }

  private func write(_ located: LocatedEvent, wall: Int64?) {
    var event = located.logged.event
    if case .oomKill(var kill) = event {
      statistics.add(kill, host: located.host, wallNanoseconds: wall)
      kill.candidates = kill.candidates?.first(options.candidates.limit)
      kill.nameWhatProcLacked()
      event = .oomKill(kill)
    }
    let time = EventTime(wallNanoseconds: wall, monotonicNanoseconds: located.logged.monotonicNanoseconds)
    switch options.output {
    case .text:
      if case .oomKill = event { put(Array((text.text(event, at: time) + "\n").utf8)) }
    case .ndjson:
      put(
        encoder.line(
          event, at: time, host: located.host?.text ?? host?.identity.hostName, bootID: located.bootID))
    }
  }

  /// A file is read no faster than its reader takes what it tells.
  private func put(_ bytes: [UInt8]) {
    _ = sink.write(bytes)
    while sink.isWaiting, !sink.isClosed { sink.drain(timeoutMilliseconds: 1000) }
  }
}
