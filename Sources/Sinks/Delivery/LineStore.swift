// SPDX-License-Identifier: Apache-2.0
import Events

/// The lines that somebody may still want: the latest in memory, all of them on disk where there is a spool.
final class LineStore {
  /// Of lines that are handed out at once.
  private static let batchLines = 128
  private static let batchBytes = 256 * 1024
  private static let retryNanoseconds = Monotonic.second

  let spool: Spool?
  private let memoryBytesMax: Int
  /// Without a hole, in order; those before `head` are gone.
  private var recent: [DeliveredLine] = []
  private var head = 0
  private var recentBytes = 0
  /// The last number that was given.
  private(set) var last: UInt64 = 0
  /// Lines up to this number were dropped for others: from disk, or from memory where the disk takes none.
  private(set) var droppedThrough: UInt64 = 0
  /// Why lines are not on disk at the moment.
  private(set) var failure: Int32?
  private var retryAtNanoseconds: Int64 = 0

  /// - Throws: where the spool cannot be had.
  init(_ settings: DeliverySettings) throws(SinkError) {
    memoryBytesMax = settings.memoryBytesMax
    spool = try settings.spoolFolder.map { (path) throws(SinkError) in
      try Spool(path, bytesMax: settings.spoolBytesMax, keptBytes: settings.keptBytes)
    }
    last = spool?.lastNumber ?? 0
    droppedThrough = spool?.droppedThrough ?? 0
  }

  /// When the disk is tried again; nil where it takes what comes.
  var dueNanoseconds: Int64? { failure == nil ? nil : retryAtNanoseconds }

  /// Gives each line its number, and writes them down.
  func append(_ lines: [[UInt8]], nowNanoseconds now: Int64) {
    for line in lines {
      last += 1
      recent.append(DeliveredLine(number: last, bytes: line))
      recentBytes += line.count
    }
    write(nowNanoseconds: now)
    trim()
  }

  /// To disk goes what is not there yet, once it takes it again.
  func write(nowNanoseconds now: Int64) {
    guard let spool, spool.lastNumber < last, failure == nil || now >= retryAtNanoseconds else { return }
    let begin = index(after: spool.lastNumber)
    let result = spool.append(recent[begin...])
    failure = result == 0 ? nil : result
    retryAtNanoseconds = now + LineStore.retryNanoseconds
    droppedThrough = max(droppedThrough, spool.droppedThrough)
  }

  /// Everybody has what comes up to this number.
  func release(through number: UInt64) {
    spool?.release(through: number)
    while head < recent.count, recent[head].number <= number { dropFirst() }
    compact()
  }

  /// Lines after this number, for one who reads in order with this reader; none where none are left there.
  func lines(after number: UInt64, _ reader: inout SpoolReader?) -> [DeliveredLine] {
    if head < recent.count, recent[head].number <= number + 1 {
      reader = nil
      var bytes = 0
      let begin = index(after: number)
      var end = begin
      while end < recent.count, end - begin < LineStore.batchLines, bytes < LineStore.batchBytes {
        bytes += recent[end].bytes.count
        end += 1
      }
      return Array(recent[begin..<end])
    }
    guard let spool else { return [] }
    if reader == nil { reader = SpoolReader(spool, after: number) }
    return reader!.lines(after: number)
  }

  /// The first number after this one that there can still be a line of.
  func firstLeft(after number: UInt64) -> UInt64 {
    if head < recent.count, recent[head].number > number { return recent[head].number }
    return last + 1
  }

  /// In memory and on disk, behind this number.
  func bytes(after number: UInt64) -> Int64 {
    guard number < last else { return 0 }
    if head < recent.count, recent[head].number <= number + 1 {
      return recent[index(after: number)...].reduce(0) { $0 + Int64($1.bytes.count) }
    }
    return spool?.bytes(after: number) ?? Int64(recentBytes)
  }

  private func index(after number: UInt64) -> Int {
    guard head < recent.count, number >= recent[head].number else { return head }
    return min(recent.count, head + Int(number - recent[head].number) + 1)
  }

  private func trim() {
    while recentBytes > memoryBytesMax, head < recent.count {
      // What is nowhere else is gone.
      if recent[head].number > spool?.lastNumber ?? 0 { droppedThrough = max(droppedThrough, recent[head].number) }
      dropFirst()
    }
    compact()
  }

  private func dropFirst() {
    recentBytes -= recent[head].bytes.count
    head += 1
  }

  private func compact() {
    if head == recent.count {
      recent.removeAll(keepingCapacity: recent.count <= 1024)
      head = 0
    } else if head > 1024 {
      recent.removeFirst(head)
      head = 0
    }
  }
}
