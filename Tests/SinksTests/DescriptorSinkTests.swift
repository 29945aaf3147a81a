// SPDX-License-Identifier: Apache-2.0
import Glibc
import Sinks
import Testing

@Suite struct DescriptorSinkTests {
  /// Two ends of a pipe or a socket, closed at the end of its life.
  final class Ends {
    let reader: Int32
    let writer: Int32
    private var isReaderOpen = true

    enum Kind: CaseIterable, Sendable { case pipe, streamSocket }

    init(_ kind: Kind) throws {
      var ends: [Int32] = [-1, -1]
      switch kind {
      case .pipe: try #require(pipe(&ends) == 0)
      case .streamSocket: try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      }
      (reader, writer) = (ends[0], ends[1])
    }

    func closeReader() {
      if isReaderOpen { close(reader) }
      isReaderOpen = false
    }

    /// All that waits now.
    func drain() -> [UInt8] {
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      var waiting = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
      while poll(&waiting, 1, 0) == 1 {
        let count = read(reader, &chunk, chunk.count)
        guard count > 0 else { break }
        bytes += chunk[..<count]
      }
      return bytes
    }

    deinit {
      closeReader()
      close(writer)
    }
  }

  /// A line of this number: its length is told by the number, so that a torn or mixed one is seen.
  private static func line(_ number: Int) -> [UInt8] {
    let digits = Array("\(number) ".utf8)
    return digits + [UInt8](repeating: UInt8(ascii: "x"), count: 200 + number * 37 % 9000) + [UInt8(ascii: "\n")]
  }

  /// What came, as whole lines, with what the reader could not make a line of.
  private static func numbers(_ bytes: [UInt8]) -> (whole: [Int], torn: Int) {
    var whole: [Int] = []
    var torn = 0
    for part in bytes.split(separator: UInt8(ascii: "\n")) {
      if let number = Int(String(decoding: part.prefix { $0 != 0x20 }, as: UTF8.self)), line(number).dropLast() == part
      {
        whole.append(number)
      } else {
        torn += 1
      }
    }
    return (whole, torn + (bytes.last == UInt8(ascii: "\n") || bytes.isEmpty ? 0 : 1))
  }

  @Test(
    "64 MiB with nobody reading never block; a reader that wakes up gets whole lines, and the rest is counted",
    arguments: Ends.Kind.allCases)
  func stalledReader(kind: Ends.Kind) throws {
    let ends = try Ends(kind)
    let sink = DescriptorSink(descriptor: ends.writer)
    // The reader is this very thread: a write that blocks would never come back.
    var (bytes, written, accepted) = (0, 0, 0)
    while bytes < 64 * 1024 * 1024 {
      let line = DescriptorSinkTests.line(written)
      written += 1
      bytes += line.count
      if sink.write(line) { accepted += 1 }
    }
    #expect(sink.isWaiting)
    #expect(!sink.isClosed)
    #expect(sink.linesDropped == Int64(written - accepted))
    #expect(sink.linesDropped > 0)

    var received: [UInt8] = []
    while sink.isWaiting {
      let before = received.count
      received += ends.drain()
      sink.flush()
      try #require(received.count > before || !sink.isWaiting, "no progress though there is room")
    }
    received += ends.drain()
    let (whole, torn) = DescriptorSinkTests.numbers(received)
    #expect(torn == 0)
    #expect(whole == whole.sorted())
    #expect(whole.count == accepted)
    #expect(whole.count + Int(sink.linesDropped) == written)
    #expect(whole.count * 5000 < 3 * DescriptorSink.queueBytesMax, "the queue has a limit")
  }

  @Test("after a stall new lines go through again")
  func recovers() throws {
    let ends = try Ends(.pipe)
    let sink = DescriptorSink(descriptor: ends.writer)
    var written = 0
    while sink.linesDropped == 0 {
      _ = sink.write(DescriptorSinkTests.line(written))
      written += 1
    }
    var received: [UInt8] = []
    while sink.isWaiting {
      received += ends.drain()
      sink.flush()
    }
    received += ends.drain()
    #expect(sink.write(DescriptorSinkTests.line(written)))
    received += ends.drain()
    let (whole, torn) = DescriptorSinkTests.numbers(received)
    #expect(torn == 0)
    #expect(whole.last == written)
    #expect(whole.count == written)
    #expect(sink.linesDropped == 1)
  }

  @Test("a line that is longer than the pipe takes comes through whole, in parts")
  func longLine() throws {
    let ends = try Ends(.pipe)
    let sink = DescriptorSink(descriptor: ends.writer)
    let long = [UInt8](repeating: UInt8(ascii: "y"), count: 1_000_000) + [UInt8(ascii: "\n")]
    #expect(sink.write(long))
    var received: [UInt8] = []
    while sink.isWaiting {
      received += ends.drain()
      sink.flush()
    }
    received += ends.drain()
    #expect(received == long)
  }

  @Test("a line that is longer than the whole queue is dropped and counted")
  func tooLong() throws {
    let ends = try Ends(.pipe)
    let sink = DescriptorSink(descriptor: ends.writer)
    #expect(!sink.write([UInt8](repeating: 0x79, count: DescriptorSink.queueBytesMax + 1)))
    #expect(sink.linesDropped == 1)
    #expect(!sink.isWaiting)
    #expect(ends.drain() == [])
  }

  @Test(
    "a reader that is gone is no death by SIGPIPE: the sink is closed, and what it still gets does no harm",
    arguments: Ends.Kind.allCases)
  func readerGone(kind: Ends.Kind) throws {
    let ends = try Ends(kind)
    let sink = DescriptorSink(descriptor: ends.writer)
    #expect(sink.write(DescriptorSinkTests.line(1)))
    #expect(!sink.isClosed)
    ends.closeReader()
    var action = sigaction()
    var before = sigaction()
    action.__sigaction_handler.sa_handler = { _ in signals += 1 }
    sigaction(SIGPIPE, &action, &before)
    signals = 0
    for number in 2...5000 { _ = sink.write(DescriptorSinkTests.line(number)) }
    sigaction(SIGPIPE, &before, nil)
    #expect(sink.isClosed)
    #expect(signals == 0, "without a handler this would have been the end")
    sink.drain(timeoutMilliseconds: 60_000)
    #expect(sink.isClosed)
  }

  @Test("a descriptor that is none is closed at once")
  func badDescriptor() {
    let sink = DescriptorSink(descriptor: 1_000_000)
    _ = sink.write(DescriptorSinkTests.line(1))
    #expect(sink.isClosed)
  }

  @Test("a file takes all at once")
  func file() throws {
    var template = Array("/tmp/oomwitness-sink-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    defer {
      unlink(template)
      close(descriptor)
    }
    let sink = DescriptorSink(descriptor: descriptor)
    var expected: [UInt8] = []
    for number in 0..<3000 {
      #expect(sink.write(DescriptorSinkTests.line(number)))
      #expect(!sink.isWaiting)
      expected += DescriptorSinkTests.line(number)
    }
    var contents = [UInt8](repeating: 0, count: expected.count + 1)
    #expect(pread(descriptor, &contents, contents.count, 0) == expected.count)
    #expect(contents.dropLast() == expected[...])
    #expect(sink.linesDropped == 0)
  }

  @Test("a full disk ends the sink as a reader that is gone does")
  func fullDisk() throws {
    let descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    let sink = DescriptorSink(descriptor: descriptor)
    _ = sink.write(DescriptorSinkTests.line(1))
    #expect(sink.isClosed)
  }

  @Test("the last chance at the end gives a slow reader what waits, and gives up on one that sleeps")
  func drain() throws {
    let ends = try Ends(.pipe)
    let sink = DescriptorSink(descriptor: ends.writer)
    for number in 0..<60 { #expect(sink.write(DescriptorSinkTests.line(number))) }
    #expect(sink.isWaiting)
    sink.drain(timeoutMilliseconds: 50)
    #expect(sink.isWaiting)
    var received = ends.drain()
    while sink.isWaiting {
      sink.drain(timeoutMilliseconds: 10)
      received += ends.drain()
    }
    let (whole, torn) = DescriptorSinkTests.numbers(received)
    #expect(whole == Array(0..<60))
    #expect(torn == 0)
  }

  @Test("a disk that is full is told apart from a reader that has gone")
  func failures() throws {
    let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { close(full) }
    let sink = DescriptorSink(descriptor: full)
    _ = sink.write([0x0a])
    #expect(sink.isClosed && sink.failure == ENOSPC)
    let ends = try Ends(.pipe)
    ends.closeReader()
    let left = DescriptorSink(descriptor: ends.writer)
    _ = left.write([0x0a])
    #expect(left.isClosed && left.failure == nil)
    let none = DescriptorSink(descriptor: 1_000_000)
    _ = none.write([0x0a])
    #expect(none.isClosed && none.failure == EBADF)
  }
}

/// SIGPIPEs that came; a handler can reach nothing else.
nonisolated(unsafe) private var signals = 0
