// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// A delivery that is killed at any moment, again and again.
@Suite struct CrashTests {
  /// Lines in Unix sockets, to a file; closes a connection now and then.
  private static let receiver = """
    import socket, sys, random, os
    ready, path, out = sys.argv[1:]
    random.seed(7)
    server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen(5)
    open(ready, 'w').write('1')
    log = open(out, 'ab', buffering=0)
    while True:
      peer, _ = server.accept()
      rest, left = b'', random.randrange(1, 3000)
      while left:
        piece = peer.recv(65536)
        if not piece: break
        rest += piece
        whole, _, rest = rest.rpartition(b'\\n')
        if whole: log.write(whole + b'\\n')
        left -= 1
      peer.close()
    """

  private static let writer: String = {
    let arguments = CommandLine.arguments.first ?? ""
    // Beside the tests, wherever they were built.
    let folder = arguments.split(separator: "/", omittingEmptySubsequences: false)
    for count in stride(from: folder.count - 1, to: 0, by: -1) {
      let path = folder[..<count].joined(separator: "/") + "/SpoolWriter"
      if access(path, X_OK) == 0 { return path }
    }
    return Repository.root + "/.build/debug/SpoolWriter"
  }()

  /// The last number in a file or on disk that was written down before the kill.
  private static func last(_ folder: TestFolder) throws -> Int {
    var last = 0
    for name in ["log", "log.1"] {
      // The last line may be torn.
      for line in (Files.text(folder.path + "/" + name) ?? "").split(separator: "\n").suffix(2) {
        last = max(last, Int(LineFacts(Array(line.utf8)).sequence ?? 0))
      }
    }
    let spool = try Spool(folder.path + "/spool", bytesMax: 64 << 20)
    let reader = SpoolReader(spool, after: 0)
    var number: UInt64 = 0
    while let line = reader.lines(after: number).last {
      number = line.number
      last = max(last, Int(line.facts.sequence ?? 0))
    }
    return last
  }

  @Test("killed fifty times while it writes, no line is lost or broken, and the order is kept")
  func killed() throws {
    let folder = TestFolder()
    let socket = folder.path + "/socket"
    let receiver = Receiver(CrashTests.receiver, [socket, folder.path + "/received"])
    defer { receiver.stop() }
    var random = SplitMix(seed: 50)
    var first = 1
    for _ in 0..<50 {
      let writer = Program(CrashTests.writer, [folder.path + "/spool", folder.path + "/log", socket, "\(first)"])
      let names = Files.names(in: folder.path + "/spool")
      _ = Delivered.until { Files.names(in: folder.path + "/spool") != names }
      usleep(UInt32.random(in: 0...150_000, using: &random))
      writer.signal(SIGKILL)
      #expect(writer.wait().status == 128 + SIGKILL)
      first = max(first, try CrashTests.last(folder) + 1)
    }
    // The last run brings everything to its end.
    let loop = try Delivered.loop(
      folder.path + "/spool",
      [
        DestinationSettings(
          name: "file", kind: .file(FileDestinationSettings(path: folder.path + "/log", bytesMax: 1 << 20, keep: 900))),
        DestinationSettings(name: "socket", kind: .stream(.unix(socket))),
      ])
    let isDone = Delivered.until(seconds: 120) { loop.status().destinations.allSatisfy { $0.queuedLines == 0 } }
    #expect(isDone, "\(loop.status())")
    // A record that was torn by a kill had not been written: it is told as a line that is missing, and the writer made it anew.
    #expect(loop.takeLosses().allSatisfy { $0.reason == .damaged && $0.lines <= 50 })
    loop.finish(milliseconds: 10_000)
    #expect(first > 500, "it has written something")
    let files = Files.names(in: folder.path).filter { $0.hasPrefix("log") }
      .sorted { (Int($0.dropFirst(4)) ?? 0) > (Int($1.dropFirst(4)) ?? 0) }
    for text in [
      files.map { Files.text(folder.path + "/" + $0) ?? "" }.joined(), Files.text(folder.path + "/received")!,
    ] {
      let (numbers, broken) = Delivered.numbers(text)
      #expect(broken == 0)
      let firsts = Delivered.firsts(numbers)
      let wrong = firsts.enumerated().first { $0.offset + 1 != $0.element }
      #expect(wrong == nil, "number \(wrong?.element ?? 0) stands at place \(wrong?.offset ?? 0)")
      #expect(firsts.count == first - 1)
    }
  }
}
