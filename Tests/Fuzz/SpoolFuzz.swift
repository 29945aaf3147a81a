// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

@testable import Sinks

/// The lines on disk, with whatever is in their files.
///
/// Only what has a right checksum is read, in the order of the numbers, and as a reader of whole files finds it;
/// whoever opens the spool again finds the same; what is appended is read behind it; and each number is delivered or
/// told to be lost, once.
enum SpoolFuzz {
  /// More than any input composes.
  private static let bytesMax: Int64 = 1 << 30
  private static let turnsMax = 10_000
  private static let attemptsMax = 5000

  static func take(_ input: [UInt8]) throws(FuzzFault) {
    let composed = ComposedSpool(input)
    let folder = FuzzFolder()
    composed.write(to: folder)
    let records = composed.records
    try holdReading(folder, records, composed)
    try holdAppending(folder, records)
    composed.write(to: folder)
    try holdDelivery(folder, records)
    composed.write(to: folder)
    try holdBound(folder)
  }

  private static func open(_ folder: FuzzFolder, bytesMax: Int64 = bytesMax) throws(FuzzFault) -> Spool {
    try opened { () throws(SinkError) in try Spool(folder.path, bytesMax: bytesMax) }
  }

  /// A program that another test starts meanwhile has our lock too, until it is what it is to be. Source: flock(2).
  static func opened<Opened>(_ open: () throws(SinkError) -> Opened) throws(FuzzFault) -> Opened {
    for attempt in 1...attemptsMax {
      do throws(SinkError) {
        return try open()
      } catch {
        if case .spoolBusy = error, attempt < attemptsMax {
          usleep(1000)
          continue
        }
        throw FuzzFault(description: "the spool cannot be opened: \(error)")
      }
    }
    fatalError("no attempt was made")
  }

  private static func lines(_ spool: Spool) -> [ComposedSpool.Record] {
    var lines: [ComposedSpool.Record] = []
    spool.forEachLine { lines.append(ComposedSpool.Record(number: $0.number, payload: $0.bytes)) }
    return lines
  }

  private static func holdReading(
    _ folder: FuzzFolder, _ records: [ComposedSpool.Record], _ composed: ComposedSpool
  ) throws(FuzzFault) {
    var spool: Spool? = try open(folder)
    let read = lines(spool!)
    let last = spool!.lastNumber
    try hold(read == records, "the reader in pieces reads otherwise than one of whole files")
    try hold(read.allSatisfy { $0.number <= last }, "a number behind the last")
    try hold(read.reduce(0) { $0 + $1.payload.count } <= composed.bytes, "more bytes than there are")
    for (one, next) in zip(read, read.dropFirst()) { try hold(one.number < next.number, "numbers out of order") }
    for record in read {
      let frame = frame(record)
      try hold(composed.segments.values.contains { holds(frame, $0) }, "a line that was never written so")
    }
    if let middle = read.dropFirst(read.count / 2).first {
      let reader = SpoolReader(spool!, after: middle.number - 1)
      let found = reader.lines(after: middle.number - 1).first
      try hold(found?.number == middle.number, "a line is not found by its number")
    }
    spool = nil
    spool = try open(folder)
    try hold(lines(spool!) == read && spool!.lastNumber == last, "another opening reads otherwise")
  }

  private static func holdAppending(_ folder: FuzzFolder, _ records: [ComposedSpool.Record]) throws(FuzzFault) {
    var spool: Spool? = try open(folder)
    let last = spool!.lastNumber
    guard last <= SpoolFrame.numberMax - 4 else {
      let beyond = DeliveredLine(number: SpoolFrame.numberMax + 1, bytes: [0x0a])
      return try hold(spool!.append([beyond]) != 0, "a line is written that nobody would read")
    }
    let new = (1...4).map { ComposedSpool.Record(number: last + $0, payload: Array("{\"n\":\($0)}\n".utf8)) }
    let added = new.map { DeliveredLine(number: $0.number, bytes: $0.payload) }
    try hold(spool!.append(added[..<3]) == 0 && spool!.append(added[3...]) == 0, "nothing can be appended")
    try hold(lines(spool!) == records + new, "what is appended is not read behind what was there")
    spool = nil
    spool = try open(folder)
    try hold(lines(spool!) == records + new, "what was appended is not there the next time")
    try hold(spool!.lastNumber == last + 4, "the numbers do not go on")
  }

  private static func holdDelivery(_ folder: FuzzFolder, _ records: [ComposedSpool.Record]) throws(FuzzFault) {
    let delivery = try FuzzDelivery(folder)
    try hold(delivery.isEnded(turnsMax), "a delivery that does not end")
    for (name, start) in delivery.starts {
      let wanted = records.filter { $0.number > start }
      try hold(delivery.delivered(name) == wanted, "what is delivered is not what is on disk")
      let numbers = delivery.last > start ? delivery.last - start : 0
      try hold(UInt64(wanted.count) + delivery.lost(name) == numbers, "a number is neither delivered nor told")
    }
    guard delivery.last <= SpoolFrame.numberMax - 4 else { return }
    try hold(delivery.put(["{\"new\":1}\n", "{\"new\":2}\n"], turnsMax), "a delivery that does not end")
    for name in delivery.starts.keys {
      let new = delivery.delivered(name).suffix(2)
      try hold(new.map(\.number) == [delivery.last - 1, delivery.last], "what is new is not delivered")
    }
  }

  /// The oldest give way, and the bound holds.
  private static func holdBound(_ folder: FuzzFolder) throws(FuzzFault) {
    let bytesMax: Int64 = 256 * 1024
    let spool = try open(folder, bytesMax: bytesMax)
    guard spool.lastNumber < SpoolFrame.numberMax - 4 else { return }
    let last = spool.lastNumber + 1
    let line = DeliveredLine(number: last, bytes: [UInt8](repeating: 0x78, count: 40_000))
    try hold(spool.append([line]) == 0, "nothing can be appended where the bound is reached")
    try hold(spool.bytes <= bytesMax, "more bytes than the bound")
    try hold(lines(spool).last?.number == last, "the newest line gave way")
    try hold(lines(spool).allSatisfy { $0.number > spool.droppedThrough }, "a line that is said to be dropped")
  }

  /// A record as the format has it, by other code than the product's. Source: RFC 3720, B.4.
  private static func frame(_ record: ComposedSpool.Record) -> [UInt8] {
    var body = withUnsafeBytes(of: UInt32(record.payload.count).littleEndian) { Array($0) }
    body += withUnsafeBytes(of: record.number.littleEndian) { Array($0) }
    var sum: UInt32 = .max
    for byte in body + record.payload {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
    }
    return [0xfe, 0x4f, 0x57, 0xff] + body + withUnsafeBytes(of: (~sum).littleEndian) { Array($0) } + record.payload
  }

  private static func holds(_ frame: [UInt8], _ bytes: [UInt8]) -> Bool {
    memmem(bytes, bytes.count, frame, frame.count) != nil
  }
}
