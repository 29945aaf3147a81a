// SPDX-License-Identifier: Apache-2.0
import Events

/// Keeps the lines of a stream in a database file, with columns to find them by; many in one transaction.
///
/// Nothing stops its caller: what cannot be stored waits, in bounded room, and what finds none is counted. A line that is
/// there already is not stored again, and neither is a kill that another stream of the same boot has told. Not for two
/// threads at once. File: /var/lib/oomwitness/history.db.
package final class HistoryStore {
  /// Kills of one minute that carry the memory before them; of a storm the first ones tell.
  package static let memoryRecordsPerMinuteMax = 30
  private static let second: Int64 = 1_000_000_000
  private static let retryNanosecondsMax = 60 * second
  /// How often rows are looked at for their age and the file for its size, where nothing is stored.
  private static let pruneNanoseconds = 60 * second

  private let settings: HistorySettings
  private var writer: HistoryWriter?
  private var waiting: [HistoryWriter.Item] = []
  private var waitingBytes = 0
  /// Of the first line that waits.
  private var waitingSince: Int64 = 0
  private var retryAt: Int64 = .min
  private var retryNanoseconds = second
  private var prunedAt: Int64 = .min
  private var memoryMinute: Int64 = .min
  private var memoryRecordsInMinute = 0
  private var told = HistoryStatus()

  /// What is remembered of the host's memory; its `sample` is to be called now and then.
  package var recorder = MemoryRecorder()

  /// Opens the file, or makes it. Where that fails, `status` says why, and it is tried again with what comes.
  package init(_ settings: HistorySettings = HistorySettings()) {
    self.settings = settings
    open(settings.clock())
  }

  /// What it has done so far, and what its file holds.
  package var status: HistoryStatus {
    var status = told
    status.linesWaiting = Int64(waiting.count)
    return status
  }

  /// When `tick` has something to do, on CLOCK_MONOTONIC.
  package var dueNanoseconds: Int64 {
    let prune = prunedAt == .min ? .max : prunedAt + HistoryStore.pruneNanoseconds
    return waiting.isEmpty ? prune : min(prune, max(retryAt, waitingSince + settings.batchNanoseconds))
  }

  /// One finished line of a stream, with its newline or without.
  ///
  /// - Returns: whether it is or will be stored, or is there already.
  @discardableResult package func take(_ line: [UInt8]) -> Bool {
    let columns: LineColumns
    do throws(LineColumns.Fault) {
      columns = try LineColumns(line)
    } catch {
      told.linesMalformed += 1
      return false
    }
    return take(line, columns)
  }

  /// Somebody else has found a line to be none.
  package func countMalformed() { told.linesMalformed += 1 }

  /// A line whose columns are known.
  package func take(_ line: [UInt8], _ columns: LineColumns) -> Bool {
    let now = settings.clock()
    let monotonic = now.monotonicNanoseconds ?? 0
    guard waitingBytes + line.count <= settings.waitingBytesMax else {
      told.linesDropped += 1
      return false
    }
    if waiting.isEmpty { waitingSince = monotonic }
    var item = HistoryWriter.Item(columns: columns, line: line.last == 0x0a ? Array(line.dropLast()) : line)
    if columns.type == "oom_kill" { item.memory = memory(before: columns, line: item.line, monotonic) }
    waiting.append(item)
    waitingBytes += line.count
    if waiting.count >= settings.batchLines, monotonic >= retryAt { store(now) }
    return true
  }

  /// Stores what has waited long enough, and lets go of what is too old or too much.
  package func tick() {
    let now = settings.clock()
    let monotonic = now.monotonicNanoseconds ?? 0
    if !waiting.isEmpty, monotonic >= max(retryAt, waitingSince + settings.batchNanoseconds) { store(now) }
    if monotonic - max(prunedAt, 0) >= HistoryStore.pruneNanoseconds || prunedAt == .min { prune(now) }
  }

  /// Stores all that waits, where that is possible, and closes the file.
  package func close() {
    let now = settings.clock()
    if !waiting.isEmpty { store(now) }
    told.linesDropped += Int64(waiting.count)
    waiting.removeAll()
    waitingBytes = 0
    writer = nil
  }

  /// Stores all that waits now.
  ///
  /// - Returns: whether nothing waits any more.
  @discardableResult package func flush() -> Bool {
    if !waiting.isEmpty { store(settings.clock()) }
    return waiting.isEmpty
  }

  // MARK: Memory

  private func memory(before columns: LineColumns, line: [UInt8], _ now: Int64) -> [UInt8]? {
    guard recorder.count > 0, let moment = columns.monotonicNanoseconds else { return nil }
    let minute = now / (60 * HistoryStore.second)
    if minute != memoryMinute { (memoryMinute, memoryRecordsInMinute) = (minute, 0) }
    guard memoryRecordsInMinute < HistoryStore.memoryRecordsPerMinuteMax else {
      told.memoryRecordsOmitted += 1
      return nil
    }
    guard case .oomKill(let kill)? = try? EventLine(line).event,
      let record = recorder.before(kill, monotonicNanoseconds: moment)
    else { return nil }
    memoryRecordsInMinute += 1
    var json = JSONWriter(reserving: 4096)
    record.encode(into: &json)
    return json.bytes
  }

  // MARK: The file

  private func open(_ now: EventTime) {
    do throws(HistoryError) {
      writer = try HistoryWriter(settings)
    } catch {
      guard let error = setAside(after: error, now) else {
        open(again: now)
        return
      }
      fail(error, now)
    }
    note()
  }

  private func open(again now: EventTime) {
    do throws(HistoryError) {
      writer = try HistoryWriter(settings)
    } catch {
      fail(error, now)
    }
    note()
  }

  private func store(_ now: EventTime) {
    if let writer, !writer.isAtItsPath { self.writer = nil }
    if writer == nil { open(now) }
    guard let writer else { return }
    do throws(HistoryError) {
      let result = try writer.store(waiting, wallNanoseconds: now.wallNanoseconds ?? 0)
      told.linesStored += result.stored
      told.linesDoubled += result.doubled
      told.memoryRecords += result.memoryRecords
      waiting.removeAll(keepingCapacity: waiting.count <= settings.batchLines * 2)
      waitingBytes = 0
      retryNanoseconds = HistoryStore.second
      retryAt = .min
      told.failure = nil
      if writer.bytes > settings.bytesMax { prune(now) }
    } catch {
      recover(from: error, now)
    }
    note()
  }

  /// Who only waits for another keeps the file open; after anything else it is opened anew.
  private func recover(from error: HistoryError, _ now: EventTime) {
    if !error.isBusy { writer = nil }
    if let error = setAside(after: error, now) { fail(error, now) } else { open(again: now) }
  }

  private func prune(_ now: EventTime) {
    prunedAt = now.monotonicNanoseconds ?? 0
    guard let writer else { return }
    do throws(HistoryError) {
      let wall = now.wallNanoseconds ?? 0
      let aged = try writer.deleteAged(before: wall / HistoryStore.second - settings.secondsMax)
      let oversize = try writer.deleteOverSize(settings.bytesMax)
      told.rowsAged += aged
      told.rowsOverSize += oversize
    } catch {
      recover(from: error, now)
    }
    note()
  }

  /// Renames a damaged file, so that a new one can begin; gives back what keeps us from writing.
  private func setAside(after error: HistoryError, _ now: EventTime) -> HistoryError? {
    guard error.isDamage, settings.setsDamagedAside else { return error }
    writer = nil
    do throws(HistoryError) {
      told.lastSetAside = try HistoryFile.setAside(settings.path, wallNanoseconds: now.wallNanoseconds ?? 0)
      told.filesSetAside += 1
      return nil
    } catch {
      return error
    }
  }

  private func fail(_ error: HistoryError, _ now: EventTime) {
    told.failure = error
    retryAt = (now.monotonicNanoseconds ?? 0) + retryNanoseconds
    retryNanoseconds = min(retryNanoseconds * 2, HistoryStore.retryNanosecondsMax)
  }

  private func note() {
    guard let writer else { return }
    (told.rows, told.bytes) = (writer.rows, writer.bytes)
  }
}
