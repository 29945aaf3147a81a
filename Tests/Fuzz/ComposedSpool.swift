// SPDX-License-Identifier: Apache-2.0

@testable import Sinks

/// The files of a spool as an input composes them: sound records, and whatever may become of them.
///
/// An input that begins as a segment does is one, byte for byte; else each command of it is a byte, and what that
/// takes.
struct ComposedSpool {
  /// By their first numbers, as their names have them.
  private(set) var segments: [UInt64: [UInt8]] = [:]
  private(set) var places: [UInt8]?

  private var rest: ArraySlice<UInt8>
  /// Files, and large records: more would only take time.
  private static let segmentsMax = 8
  private static let largeMax = 1
  private var largeLeft = ComposedSpool.largeMax
  private var open: UInt64 = 1
  private var last: UInt64 = 0

  init(_ input: [UInt8]) {
    rest = input[...]
    if input.starts(with: SpoolSegment.magic) {
      rest = rest.dropFirst(SpoolSegment.magic.count)
      segments[number()] = input
      return
    }
    while let command = rest.popFirst() { obey(command & 7, Int(command >> 3)) }
  }

  private mutating func obey(_ command: UInt8, _ count: Int) {
    switch command {
    case 0: append(number: last &+ 1, payload: take(count))
    case 1: append(number: number(), payload: take(count))
    case 2: add(take(count))
    case 3:
      var frame: [UInt8] = []
      SpoolFrame.append(take(count), number: last &+ 1, to: &frame)
      add(Array(frame.prefix(Int(byte()))))
    case 4:
      let back = Int(byte()) + 1
      if var bytes = segments[open], back <= bytes.count {
        bytes[bytes.count - back] ^= UInt8(count | 1)
        segments[open] = bytes
      }
    case 5:
      let first = count == 0 ? last &+ 1 : number()
      guard segments.count < ComposedSpool.segmentsMax || segments[first] != nil else { return }
      open = first
      add([])
    case 6:
      if count & 1 == 1 {
        places = take(count)
      } else {
        let text = PlaceFile(places: ["a": number(), "b": number()], last: number()).text
        places = count == 2 ? Array(text.dropLast()) : text
      }
    default:
      // Around the size of a piece that is read at once, where one is wanted.
      let isLarge = count == 0 && largeLeft > 0
      largeLeft -= isLarge ? 1 : 0
      let length = isLarge ? SpoolReader.pieceBytes - 16_384 + Int(byte()) << 7 : count
      append(number: last &+ 1, payload: [UInt8](repeating: 0x78, count: length))
    }
  }

  private mutating func append(number: UInt64, payload: [UInt8]) {
    var frame: [UInt8] = []
    SpoolFrame.append(payload, number: number, to: &frame)
    add(frame)
    last = number
  }

  private mutating func add(_ bytes: [UInt8]) { segments[open, default: SpoolSegment.header(open)] += bytes }

  private mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  private mutating func take(_ count: Int) -> [UInt8] {
    defer { rest = rest.dropFirst(count) }
    return Array(rest.prefix(count))
  }

  /// Eight bytes, as the file has them; fewer at the end.
  private mutating func number() -> UInt64 {
    take(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
  }

  func write(to folder: FuzzFolder) {
    folder.empty()
    for (first, bytes) in segments { folder.write(bytes, SpoolSegment.name(first)) }
    if let places { folder.write(places, "places") }
  }

  /// Of all files.
  var bytes: Int { segments.values.reduce(0) { $0 + $1.count } }

  struct Record: Hashable {
    var number: UInt64
    var payload: [UInt8]
  }

  /// What a reader of whole files finds, who knows of no pieces.
  var records: [Record] {
    let firsts = segments.keys.filter { $0 > 0 && $0 <= SpoolFrame.numberMax }.sorted()
    var records: [Record] = []
    for (place, first) in firsts.enumerated() {
      let numbers = first...(place + 1 < firsts.count ? firsts[place + 1] - 1 : SpoolFrame.numberMax)
      let bytes = segments[first]!
      var place = SpoolSegment.headerBytes
      while place < bytes.count {
        guard case .record(let number, let payload) = SpoolFrame.found(at: place, in: bytes), numbers.contains(number)
        else {
          place = SpoolFrame.nextMarker(from: place + 1, in: bytes)
          continue
        }
        if number > records.last?.number ?? 0 {
          records.append(Record(number: number, payload: Array(bytes[payload])))
        }
        place = payload.upperBound
      }
    }
    return records
  }
}
