// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import KernelLog
import Policy
import Report
import Sinks
import Witness

/// Tells the kills that a kept log holds, as events and in sum.
struct Analyze: ParsableCommand {
  enum Format: String, CaseIterable, ExpressibleByArgument { case text, ndjson, json, html }

  static let configuration = CommandConfiguration(
    commandName: "analyze",
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
        oomwitness analyze --output html /var/log/kern.log* > oom.html
      """)

  @Argument(help: "Log files; - is standard input.") var files: [String] = []
  @Option(
    help: """
      text for people, ndjson for a line an event, json for one document with the sums and what they advise, html for \
      a page with all of it and its figures.
      """)
  var output: Format = .text
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
    reader.begin()
    let isWhole = try reader.read()
    try reader.finish(isWhole: isWhole)
    if !isWhole { throw ExitStatus.failed }
  }
}

/// Reads log after log, and writes what they tell.
private final class AnalyzedLogs {
  /// Bytes that the sink is given at once; its queue is larger.
  private static let pieceBytes = 256 * 1024

  private let options: Analyze
  private let host: TracedHost?
  private let numbers = DecisionNumbers()
  private let clock = Clock()
  private let text: EventText
  private var page: ReportPage
  private var encoder: AnalysisEncoder
  private var statistics = KillStatistics()
  private let sink = DescriptorSink()
  /// Not written yet.
  private var waiting: [UInt8] = []

  init(_ options: Analyze) throws {
    self.options = options
    host = options.files.isEmpty ? try TracedHost() : nil
    let identity = host?.identity
    text = EventText(pageSizeBytes: options.pageSize, coloured: OutputOptions.coloured)
    page = ReportPage(pageSizeBytes: options.pageSize, version: Version.text)
    let lines = NDJSONEncoder(host: identity?.hostName, bootID: identity?.bootID, pageSizeBytes: options.pageSize)
    encoder = AnalysisEncoder(lines, pageSizeBytes: options.pageSize)
  }

  /// What comes before the first event.
  func begin() {
    switch options.output {
    case .json: put(encoder.head())
    case .html: put(page.head())
    case .text, .ndjson: break
    }
  }

  /// The files, or where none is named this host's own log. False where one could not be read, or not to its end; the
  /// others are, and of that what could be.
  func read() throws -> Bool {
    if let host {
      var logs = KeptHostLog(host, numbers: numbers, clock: clock)
      try logs.read { write($0, wall: $1, log: "/dev/kmsg") }
      statistics.reportsAbandoned += logs.reportsAbandoned
      return true
    }
    var isWhole = true
    let source = LogSource(source: .log, pageSizeBytes: options.pageSize)
    for (place, path) in options.files.enumerated() {
      var log = LogFile(source, calendar: LogCalendar(nowWallNanoseconds: clock.wall), numbers: numbers)
      func tell(_ event: LocatedEvent) { write(event, wall: event.logged.wallNanoseconds, log: "log \(place + 1)") }
      do throws(HostError) {
        let file = try ReadableFile(path: path)
        let isStream = file.isStream
        let reader = try AheadReader(file) { LogFile.places(in: $0) }
        while try reader.next({ piece, places in log.take(piece, places: places, tell: tell) }) {
          if isStream { putWaiting() }
        }
      } catch {
        Diagnostic.say(Wording.sentence(error))
        isWhole = false
      }
      log.end(tell: tell)
      statistics.reportsAbandoned += log.reportsAbandoned
    }
    return isWhole
  }

  /// The sum and what it advises; and all that waits is written.
  func finish(isWhole: Bool) throws {
    let advice = Recommendations(of: statistics, pageSizeBytes: options.pageSize)
    switch options.output {
    case .text:
      let coloured = OutputOptions.coloured
      put(Array(StatisticsText(pageSizeBytes: options.pageSize, coloured: coloured).text(statistics).utf8))
      put(Array(RecommendationText(coloured: coloured).text(advice.list, omitted: advice.omitted).utf8))
    case .json: put(encoder.tail(statistics, advice.list, omitted: advice.omitted, isWhole: isWhole))
    case .html: put(page.end(statistics, advice.list, omitted: advice.omitted, isWhole: isWhole))
    case .ndjson: break
    }
    putWaiting()
    sink.drain(timeoutMilliseconds: 10_000)
    if let number = sink.failure { throw Diagnostic.fail("cannot write standard output: \(Wording.text(number))") }
  }

  private func write(_ located: LocatedEvent, wall: Int64?, log: String) {
    var event = located.logged.event
    let time = EventTime(wallNanoseconds: wall, monotonicNanoseconds: located.logged.monotonicNanoseconds)
    if case .oomNoKill = event { statistics.addNoKill() }
    if case .oomKill(var kill) = event {
      host?.facts.nameOwners(&kill)
      statistics.add(kill, host: located.host, boot: located.bootID ?? log, at: time)
      kill.candidates = kill.candidates?.first(options.candidates.limit)
      kill.nameWhatProcLacked()
      event = .oomKill(kill)
    }
    let host = located.host?.text ?? host?.identity.hostName
    switch options.output {
    case .html:
      if case .oomKill(let kill) = event { put(page.kill(kill, at: time, host: host.map { KernelName($0) })) }
    case .text:
      if case .oomKill = event { put(Array((text.text(event, at: time) + "\n").utf8)) }
    case .ndjson:
      put(encoder.line(event, at: time, host: host, bootID: located.bootID))
    case .json: put(encoder.event(event, at: time, host: host, bootID: located.bootID))
    }
  }

  /// In large pieces: each wakes who reads them, perhaps on the processor that reads ahead for us.
  private func put(_ bytes: [UInt8]) {
    waiting += bytes
    if waiting.count >= AnalyzedLogs.pieceBytes { putWaiting() }
  }

  /// A file is read no faster than its reader takes what it tells.
  private func putWaiting() {
    for start in stride(from: 0, to: waiting.count, by: AnalyzedLogs.pieceBytes) {
      _ = sink.write(Array(waiting[start..<min(waiting.count, start + AnalyzedLogs.pieceBytes)]))
      while sink.isWaiting, !sink.isClosed { sink.drain(timeoutMilliseconds: 1000) }
    }
    waiting.removeAll(keepingCapacity: true)
  }
}
