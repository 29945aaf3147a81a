// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("Memory is given back beside us")
struct MemoryCleanupTests {
  private static func ended(_ work: MemoryCleanup) -> MemoryCleanup.Ended? {
    var waiting = pollfd(fd: work.descriptor, events: Int16(POLLIN), revents: 0)
    _ = poll(&waiting, 1, 20_000)
    return work.ended()
  }

  @Test("What is asked for is written, and how long it took is told")
  func write() throws {
    let fixture = try Fixture(["drop_caches": "0\n"])
    let file = KernelName(fixture.root + "/drop_caches")
    let ended = try #require(
      MemoryCleanupTests.ended(try MemoryCleanup(file: file, text: "1\n", syncsFirst: false)))
    #expect(ended.errno == 0 && ended.nanoseconds > 0)
    let folder = try Directory(path: fixture.root)
    #expect(
      try FileReader().contents("drop_caches", in: folder, limitBytes: 10).map { Array($0.bytes) } == [0x31, 0x0a])
  }

  @Test(
    "What cannot be written is told with its errno",
    arguments: [("/nonexistent/file", ENOENT), ("/dev/full", ENOSPC), ("/proc/version", EACCES), ("/", EISDIR)])
  func refused(path: String, number: Int32) throws {
    let ended = MemoryCleanupTests.ended(try MemoryCleanup(file: KernelName(path), text: "1", syncsFirst: false))
    // Who is root may open /proc/version, and then cannot write it.
    #expect(ended?.errno == number || (path == "/proc/version" && ended?.errno == EIO))
  }
}
