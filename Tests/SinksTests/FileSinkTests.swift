// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import Sinks

/// Lines in a file, and entries of journald.
@Suite struct FileSinkTests {
  private static let made = Atomic(0)

  /// A folder of its own below /tmp, removed with what is in it.
  final class Folder {
    let path = "/tmp/oomwitness-sinks-\(getpid())-\(FileSinkTests.made.add(1, ordering: .relaxed).newValue)"

    init() { mkdir(path, 0o700) }

    deinit {
      for name in ["a", "b", "socket"] { unlink(path + "/" + name) }
      rmdir(path)
    }

    func text(_ name: String) -> String? {
      let descriptor = open(path + "/" + name, O_RDONLY)
      guard descriptor >= 0 else { return nil }
      defer { close(descriptor) }
      var bytes = [UInt8](repeating: 0, count: 4096)
      return String(decoding: bytes[..<max(0, read(descriptor, &bytes, bytes.count))], as: UTF8.self)
    }
  }

  private static func line(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

  @Test("lines are appended to what is there, and go to a new file once the old one was moved away")
  func rotation() {
    let folder = Folder()
    let first = FileSink(path: folder.path + "/a")
    #expect(first.isOpen && first.write(FileSinkTests.line("one")))
    let sink = FileSink(path: folder.path + "/a")
    #expect(sink.write(FileSinkTests.line("two")))
    #expect(rename(folder.path + "/a", folder.path + "/b") == 0)
    #expect(sink.write(FileSinkTests.line("three")))
    #expect(folder.text("b") == "one\ntwo\n" && folder.text("a") == "three\n")
    unlink(folder.path + "/a")
    #expect(sink.write(FileSinkTests.line("four")) && folder.text("a") == "four\n")
    #expect(sink.linesDropped == 0 && sink.failure == nil)
  }

  @Test("a disk that is full, a folder that is gone and a FIFO that nobody reads are told and counted")
  func failures() {
    let full = FileSink(path: "/dev/full")
    #expect(full.isOpen && !full.write(FileSinkTests.line("x")) && !full.write(FileSinkTests.line("y")))
    #expect(full.linesDropped == 2 && full.failure == ENOSPC)
    let gone = FileSink(path: "/nonexistent/x")
    #expect(!gone.isOpen && gone.failure == ENOENT && !gone.write(FileSinkTests.line("x")))
    #expect(gone.linesDropped == 1)
    let folder = Folder()
    #expect(mkfifo(folder.path + "/a", 0o600) == 0)
    let fifo = FileSink(path: folder.path + "/a")
    #expect(!fifo.isOpen && fifo.failure == ENXIO)
  }

  /// A socket as journald has it, that keeps what it is sent.
  private static func journal(_ path: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    return descriptor
  }

  @Test("an entry of journald is one datagram; a value with a newline has its length before it")
  func journalEntry() {
    let folder = Folder()
    let descriptor = FileSinkTests.journal(folder.path + "/socket")
    defer { close(descriptor) }
    let sink = JournalSink(path: folder.path + "/socket")
    #expect(sink.send([.init(.priority, [0x34]), .init(.message, Array("two\nlines".utf8))]))
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    let expected =
      Array("PRIORITY=4\nMESSAGE\n".utf8) + [9, 0, 0, 0, 0, 0, 0, 0] + Array("two\nlines\n".utf8)
    #expect(Array(bytes[..<max(0, count)]) == expected)
  }

  @Test("a journald that is gone, or does not read, costs the entry and no time")
  func noJournal() {
    let gone = JournalSink(path: "/nonexistent/socket")
    #expect(!gone.send([.init(.message, [0x61])]) && gone.failure == ENOENT && gone.entriesDropped == 1)
    #expect(!JournalSink(path: String(repeating: "/x", count: 100)).send([]))
    let folder = Folder()
    let descriptor = FileSinkTests.journal(folder.path + "/socket")
    defer { close(descriptor) }
    let sink = JournalSink(path: folder.path + "/socket")
    var taken = 0
    while taken < 100_000, sink.send([.init(.message, [0x61])]) { taken += 1 }
    #expect(taken > 0 && sink.failure == EAGAIN && sink.entriesDropped == 1)
    #expect(!sink.send([.init(.message, [UInt8](repeating: 0x61, count: 8 << 20))]) && sink.entriesDropped == 2)
  }
}
