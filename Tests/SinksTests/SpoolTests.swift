// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Lines on disk: what is written is read, whatever has become of the bytes.
@Suite struct SpoolTests {
  private static func lines(_ numbers: ClosedRange<UInt64>) -> [DeliveredLine] {
    numbers.map { DeliveredLine(number: $0, bytes: Bench.line(Int($0), bytes: Int($0 % 13))) }
  }

  private static func all(_ spool: Spool, after number: UInt64 = 0) -> [DeliveredLine] {
    let reader = SpoolReader(spool, after: number)
    var all: [DeliveredLine] = []
    while true {
      let lines = reader.lines(after: all.last?.number ?? number)
      if lines.isEmpty { return all }
      all += lines
    }
  }

  private static func isWhole(_ line: DeliveredLine) -> Bool {
    line.bytes == Bench.line(Int(line.number), bytes: Int(line.number % 13))
  }

  @Test("the checksum is CRC-32C")
  func checksum() {
    // Source: RFC 3720, B.4; and the check value of CRC catalogues.
    #expect(CRC32C.value(Array("123456789".utf8)) == 0xe306_9283)
    #expect(CRC32C.value([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.value([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
  }

  @Test("what is written is read, from any number on, by this run and the next; rights are the owner's alone")
  func roundTrip() throws {
    let folder = TestFolder()
    let path = folder.path + "/spool"
    do {
      let spool = try Spool(path, bytesMax: 1 << 20)
      #expect(spool.append(SpoolTests.lines(1...500)[...]) == 0 && spool.append(SpoolTests.lines(501...900)[...]) == 0)
      #expect(SpoolTests.all(spool).map(\.number) == Array(1...900))
      #expect(SpoolTests.all(spool, after: 700).map(\.number) == Array(701...900))
      #expect(throws: SinkError.spoolBusy(path: path)) { try Spool(path, bytesMax: 1 << 20) }
    }
    let spool = try Spool(path, bytesMax: 1 << 20)
    #expect(spool.lastNumber == 900 && spool.append(SpoolTests.lines(901...910)[...]) == 0)
    let all = SpoolTests.all(spool)
    #expect(all.map(\.number) == Array(1...910) && all.allSatisfy(SpoolTests.isWhole))
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
    for name in Files.names(in: path) {
      #expect(stat(path + "/" + name, &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
    }
  }

  @Test("a record of four megabytes comes back whole between small ones")
  func large() throws {
    let folder = TestFolder()
    let spool = try Spool(folder.path, bytesMax: 64 << 20)
    let large = DeliveredLine(number: 2, bytes: [UInt8](repeating: 0x78, count: SpoolFrame.payloadBytesMax))
    #expect(spool.append([SpoolTests.lines(1...1)[0], large, SpoolTests.lines(3...3)[0]]) == 0)
    let all = SpoolTests.all(spool)
    #expect(all.map(\.number) == [1, 2, 3] && all[1].bytes == large.bytes)
  }

  @Test("the bound holds: the oldest go, and which is known")
  func bound() throws {
    let folder = TestFolder()
    let spool = try Spool(folder.path, bytesMax: 1 << 20)
    for first in stride(from: UInt64(1), to: 60_001, by: 100) {
      #expect(spool.append(SpoolTests.lines(first...first + 99)[...]) == 0)
      #expect(spool.bytes <= 1 << 20)
    }
    let numbers = SpoolTests.all(spool).map(\.number)
    #expect(numbers == Array(spool.droppedThrough + 1...60_000) && numbers.count > 10_000)
    var onDisk: Int64 = 0
    for name in Files.names(in: folder.path) where name.hasSuffix(".spool") {
      var status = stat()
      #expect(stat(folder.path + "/" + name, &status) == 0)
      onDisk += Int64(status.st_size)
    }
    #expect(onDisk == spool.bytes)
  }

  /// One segment with these lines, closed.
  private static func segment(_ numbers: ClosedRange<UInt64>) throws -> (name: String, bytes: [UInt8]) {
    let folder = TestFolder()
    #expect(try Spool(folder.path, bytesMax: 1 << 20).append(lines(numbers)[...]) == 0)
    let name = SpoolSegment.name(numbers.lowerBound)
    return (name, folder.bytes(name))
  }

  @Test("any one damaged byte costs one record at most, and the next start knows that it is missing")
  func damagedByte() throws {
    let (name, sound) = try SpoolTests.segment(1...7)
    let folder = TestFolder()
    for place in sound.indices {
      for change: UInt8 in [0xff, 0x01, 0x80] {
        var bytes = sound
        bytes[place] ^= change
        folder.write(bytes, name)
        let spool = try Spool(folder.path, bytesMax: 1 << 20)
        #expect(spool.append(SpoolTests.lines(spool.lastNumber + 1...spool.lastNumber + 1)[...]) == 0)
        let all = SpoolTests.all(spool)
        #expect(all.allSatisfy(SpoolTests.isWhole) && all.map(\.number) == all.map(\.number).sorted())
        let missing = place < SpoolSegment.headerBytes ? 0 : 1
        #expect(Set(1...8).subtracting(all.map(\.number)).count == missing, "byte \(place), \(change)")
        #expect(spool.lastNumber == 8, "byte \(place), \(change)")
        for made in Files.names(in: folder.path) { unlink(folder.path + "/" + made) }
      }
    }
  }

  @Test("cut off at any byte, all whole records before it are there, and the numbers go on behind what was torn")
  func tornTail() throws {
    let (name, sound) = try SpoolTests.segment(1...4)
    let folder = TestFolder()
    var ends = [SpoolSegment.headerBytes]
    for line in SpoolTests.lines(1...4) { ends.append(ends.last! + SpoolFrame.headerBytes + line.bytes.count) }
    for count in 0...sound.count {
      folder.write(Array(sound[..<count]), name)
      let spool = try Spool(folder.path, bytesMax: 1 << 20)
      let whole = max(0, ends.filter { $0 <= count }.count - 1)
      let isTorn = count > SpoolSegment.headerBytes && !ends.contains(count)
      #expect(SpoolTests.all(spool).map(\.number) == Array(1...4).prefix(whole).map(UInt64.init), "\(count)")
      #expect(spool.lastNumber == UInt64(whole + (isTorn ? 1 : 0)), "\(count)")
      #expect(spool.append(SpoolTests.lines(spool.lastNumber + 1...spool.lastNumber + 1)[...]) == 0)
      #expect(SpoolTests.all(spool).last?.number == spool.lastNumber)
      for made in Files.names(in: folder.path) { unlink(folder.path + "/" + made) }
    }
  }

  @Test("whatever is in the folder, no line is made up, none comes twice, and it ends")
  func junk() throws {
    var random = SplitMix(seed: 20_261_128)
    let (_, sound) = try SpoolTests.segment(1...40)
    for round in 0..<300 {
      let folder = TestFolder()
      for file in 0..<Int.random(in: 1...3, using: &random) {
        var bytes = sound
        switch round % 4 {
        case 0:
          bytes = (0..<Int.random(in: 0...3000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1:
          for _ in 0..<Int.random(in: 1...60, using: &random) {
            bytes[Int.random(in: bytes.indices, using: &random)] = [0xfe, 0x4f, 0x57, 0xff, 0].randomElement(
              using: &random)!
          }
        case 2:
          // Pieces of it in any order.
          let pieces = (0..<10).map { _ in
            let begin = Int.random(in: bytes.indices, using: &random)
            return bytes[begin..<min(bytes.count, begin + Int.random(in: 0...500, using: &random))]
          }
          bytes = Array(pieces.joined())
        default: bytes.removeSubrange(0..<Int.random(in: 0...bytes.count, using: &random))
        }
        folder.write(bytes, SpoolSegment.name(UInt64(1 + file * 20)))
      }
      if round % 3 == 0 { folder.write(Array("oomwitness places 1\nlast x\n".utf8), "places") }
      folder.write([], "00000000000000000000.spool")
      folder.write([1], "x.spool")
      let spool = try Spool(folder.path, bytesMax: 1 << 20)
      let all = SpoolTests.all(spool)
      #expect(all.allSatisfy(SpoolTests.isWhole), "round \(round)")
      #expect(all.map(\.number) == Set(all.map(\.number)).sorted(), "round \(round)")
    }
  }

  @Test("places are what was written, or damaged; never half of it")
  func places() throws {
    let folder = TestFolder()
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
    defer { close(descriptor) }
    let file = PlaceFile(places: ["a": 1, "b.c-d_e": SpoolFrame.numberMax], last: 77)
    #expect(file.write(descriptor) == 0)
    guard case .places(let read) = PlaceFile.read(descriptor) else { throw TestFailure() }
    #expect(read.places == file.places && read.last == 77)
    let text = file.text
    for place in text.indices {
      var bytes = text
      bytes[place] ^= 0x11
      #expect(PlaceFile.parse(bytes) == nil, "byte \(place)")
      #expect(PlaceFile.parse(Array(text[..<place])) == nil, "cut at \(place)")
    }
    #expect(PlaceFile.parse(PlaceFile(places: ["a": SpoolFrame.numberMax + 1], last: 77).text) == nil)
    #expect(PlaceFile.parse(PlaceFile(places: ["a": 1], last: .max).text) == nil)
  }

  /// Records with right checksums, by the segment that they are in, and the numbers that may be read of them.
  static let forged: [(segments: [UInt64: [UInt64]], read: [UInt64], last: UInt64)] = [
    ([1: [1, .max, 2]], [1, 2], 2), ([1: [1, SpoolFrame.numberMax + 1]], [1], 2),
    ([.max: [.max]], [], 0), ([SpoolFrame.numberMax + 1: [5], 1: [1]], [1], 1),
    ([SpoolFrame.numberMax: [SpoolFrame.numberMax]], [SpoolFrame.numberMax], SpoolFrame.numberMax),
    // Of another segment's numbers, which would hide what is there.
    ([1: [1, 9], 5: [5, 6]], [1, 5, 6], 6), ([5: [2, 5]], [5], 5), ([1: [1], 5: [2, 3]], [1], 5),
  ]

  @Test("whatever number a record claims, it is read where it can be, and numbers go on", arguments: forged)
  func forgedNumbers(segments: [UInt64: [UInt64]], read: [UInt64], last: UInt64) throws {
    let folder = TestFolder()
    for (first, numbers) in segments {
      var bytes = SpoolSegment.header(first)
      for number in numbers { SpoolFrame.append([0x7b, 0x7d, 0x0a], number: number, to: &bytes) }
      folder.write(bytes, SpoolSegment.name(first))
    }
    let spool = try Spool(folder.path, bytesMax: 1 << 20)
    #expect(SpoolTests.all(spool).map(\.number) == read && spool.lastNumber == last)
    let next = [DeliveredLine(number: last + 1, bytes: [0x0a])]
    #expect(spool.append(next[...]) == (last < SpoolFrame.numberMax ? 0 : EOVERFLOW))
    #expect(SpoolTests.all(spool).map(\.number) == read + (last < SpoolFrame.numberMax ? [last + 1] : []))
  }

  @Test("a place that nobody can have reached is none, and everything is sent again")
  func forgedPlaces() throws {
    let folder = TestFolder()
    folder.write(PlaceFile(places: ["a": .max], last: .max).text, "places")
    #expect(try Spool(folder.path, bytesMax: 1 << 20).append(SpoolTests.lines(1...2)[...]) == 0)
    let spool = try Spool(folder.path, bytesMax: 1 << 20)
    #expect(spool.places == nil && spool.lastNumber == 2)
  }

  private struct TestFailure: Error {}
}

/// Numbers that are the same at each run. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
