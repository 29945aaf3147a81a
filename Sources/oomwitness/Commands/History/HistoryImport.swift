// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History
import Host

/// Lines of a stream, of whatever host, into a history.
struct HistoryImport: ParsableCommand {
  /// Lines of one transaction.
  private static let batchLines = 4096
  /// Tries at a history that another writes, a second apart.
  private static let triesMax = 10
  /// Bad lines that are named; the rest is counted.
  private static let namedMax = 20

  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Stores lines of a stream, of this host or of others, as any of oomwitness's commands writes them.",
    discussion: """
      What is there already is not stored twice, also where two streams told one kill. A bad line is named and passed \
      over, and the exit status is 1. Nothing is deleted; a daemon that keeps the same file deletes by its own bounds.
      Examples:
        oomwitness history import --database fleet.db node-*.ndjson
        oomwitness analyze --output ndjson /var/log/kern.log* | oomwitness history import -
      """)

  @OptionGroup var kept: KeptOptions
  @Argument(help: "Files of lines; - is standard input. gzip, xz and zstd are known.") var files: [String]

  func run() throws {
    var settings = HistorySettings(path: kept.database)
    (settings.secondsMax, settings.bytesMax) = (.max, .max)
    (settings.batchLines, settings.waitingBytesMax) = (HistoryImport.batchLines, 256 * 1024 * 1024)
    settings.setsDamagedAside = false
    settings.busyMilliseconds = 2000
    let store = HistoryStore(settings)
    if let failure = store.status.failure, !failure.isBusy { throw Diagnostic.fail(Wording.sentence(failure)) }
    var isWhole = true
    for path in files {
      do {
        let bad = try read(path, into: store)
        if bad > HistoryImport.namedMax {
          Diagnostic.say("\(TerminalText.safe(path)): \(bad - HistoryImport.namedMax) more lines were no events")
        }
        isWhole = isWhole && bad == 0
      } catch let error as HostError {
        Diagnostic.say(Wording.sentence(error))
        isWhole = false
      }
      try storeAll(store)
    }
    store.close()
    let status = store.status
    let parts = [
      "\(status.linesStored) stored", "\(status.linesDoubled) there already",
      "\(status.linesMalformed) passed over",
    ]
    try StandardOutput.show(parts.joined(separator: ", ") + "\n")
    if !isWhole { throw ExitStatus.failed }
  }

  /// How many lines were bad.
  private func read(_ path: String, into store: HistoryStore) throws -> Int {
    let file = try ReadableFile(path: path)
    var lines = LineSplitter(lineBytesMax: LineColumns.lineBytesMax)
    var bad = 0
    func take(_ line: ArraySlice<UInt8>, _ number: Int) {
      guard !line.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) else { return }
      let bytes = Array(line)
      do throws(LineColumns.Fault) {
        let columns = try LineColumns(bytes)
        _ = store.take(bytes, columns)
      } catch {
        store.countMalformed()
        bad += 1
        if bad <= HistoryImport.namedMax {
          Diagnostic.say("\(TerminalText.safe(path)):\(number): \(Wording.sentence(error))")
        }
      }
    }
    var buffer = [UInt8](repeating: 0, count: ReadableFile.pieceBytes)
    while case let count = try file.next(into: &buffer), count > 0 {
      lines.take(buffer[..<count], take)
      // A file is read no faster than it can be stored.
      if store.status.linesWaiting >= HistoryImport.batchLines { try storeAll(store) }
    }
    lines.end(take)
    return bad
  }

  private func storeAll(_ store: HistoryStore) throws {
    var tries = 0
    while !store.flush() {
      tries += 1
      guard let failure = store.status.failure, failure.isBusy, tries < HistoryImport.triesMax else {
        let sentence = store.status.failure.map { Wording.sentence($0) } ?? "nothing can be stored"
        throw Diagnostic.fail("\(sentence); \(store.status.linesStored) lines were stored before")
      }
      sleep(1)
    }
  }
}
