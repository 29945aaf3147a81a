// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Testing

/// A file that is read on a thread of its own comes whole, in order, with what was found in each piece.
@Suite struct AheadReaderTests {
  /// A byte of each place that depends on it, so that a piece out of order is seen.
  private static func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 11) }
  }

  private static func sum(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 { bytes.reduce(0) { $0 &* 3 &+ UInt32($1) } }

  /// More pieces than wait at once, and each boundary of one.
  @Test(
    "all of it comes, in order",
    arguments: [0, 1, ReadableFile.pieceBytes - 1, ReadableFile.pieceBytes, ReadableFile.pieceBytes + 1, 13 << 18 | 5])
  func whole(count: Int) throws {
    let expected = AheadReaderTests.bytes(count)
    let fixture = try Fixture()
    try fixture.write(KernelName("log"), expected)
    let reader = try AheadReader(ReadableFile(path: fixture.root + "/log")) { [AheadReaderTests.sum($0)] }
    var read: [UInt8] = []
    var isFound = true
    while try reader.next({ piece, found in
      read += piece
      isFound = isFound && found == [AheadReaderTests.sum(piece)]
    }) {}
    #expect(read == expected)
    #expect(isFound)
    let again = try reader.next { _, _ in }
    #expect(!again)
  }

  @Test("what was read before an error comes before it, and the error as often as one asks")
  func damaged() throws {
    let fixture = try Fixture()
    // A head of gzip, and nothing that gzip would take.
    try fixture.write(KernelName("log"), [0x1f, 0x8b, 0x08, 0x00, 0xff, 0xff])
    let reader = try AheadReader(ReadableFile(path: fixture.root + "/log")) { _ in [] }
    for _ in 0..<2 {
      #expect(throws: HostError.self) { while try reader.next({ _, _ in }) {} }
    }
  }

  @Test("a reader that is let go of before the end takes its file with it")
  func abandoned() throws {
    let fixture = try Fixture()
    try fixture.write(KernelName("log"), AheadReaderTests.bytes(20 << 18))
    let path = fixture.root + "/log"
    for _ in 0..<3 {
      let reader = try AheadReader(ReadableFile(path: path)) { _ in [] }
      let isMore = try reader.next { _, _ in }
      #expect(isMore)
    }
    // The thread gives up once it sees that nobody waits.
    var open = 1
    for _ in 0..<500 where open > 0 {
      usleep(10_000)
      open = AheadReaderTests.openDescriptors(of: path)
    }
    #expect(open == 0)
  }

  private static func openDescriptors(of path: String) -> Int {
    (0..<1024).filter { number in
      var target = [CChar](repeating: 0, count: 4096)
      let count = readlink("/proc/self/fd/\(number)", &target, target.count)
      return count > 0 && String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) == path
    }.count
  }
}
