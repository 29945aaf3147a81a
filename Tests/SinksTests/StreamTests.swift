// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// Connections that break, receivers that are slow, and standard output that nobody reads.
@Suite struct StreamTests {
  /// Accepts, reads lines to a file as it is told, and may stop to: ready, family, address, file, how.
  static let receiver = """
    import socket, sys, os, time, struct
    ready, address, out, how = sys.argv[1:]
    if address.startswith('/'):
      server = socket.socket(socket.AF_UNIX); server.bind(address); port = 1
    else:
      server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      server.bind(('127.0.0.1', int(address))); port = server.getsockname()[1]
    if how == 'slow': server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.listen(5)
    open(ready + '.new', 'w').write(str(port)); os.rename(ready + '.new', ready)
    log = open(out, 'ab', buffering=0)
    connections = 0
    while True:
      peer, _ = server.accept()
      connections += 1
      rest, pieces = b'', 0
      while True:
        try: piece = peer.recv(1000 if how == 'slow' else 65536)
        except ConnectionResetError: break
        if not piece: break
        pieces += 1
        rest += piece
        whole, _, rest = rest.rpartition(b'\\n')
        if whole: log.write(whole + b'\\n')
        if how == 'slow': time.sleep(0.001)
        # It dies with what it has not read: the kernel had acknowledged it.
        if how == 'breaks' and connections <= 3 and pieces == 2:
          time.sleep(0.3)
          peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
          break
      peer.close()
    """

  private static func judge(_ path: String, _ count: Int) {
    let (numbers, broken) = Delivered.numbers(Files.text(path) ?? "")
    #expect(broken == 0)
    let firsts = Delivered.firsts(numbers)
    #expect(firsts.count == count && firsts == firsts.sorted(), "\(firsts.count) of \(count)")
  }

  @Test(
    "over TCP and a Unix socket all lines arrive, and at the end the receiver has read them", arguments: [false, true])
  func arrives(isUnix: Bool) throws {
    let folder = TestFolder()
    let receiver = Receiver(
      StreamTests.receiver, [isUnix ? folder.path + "/socket" : "0", folder.path + "/out", "reads"])
    let address: SocketAddress =
      isUnix ? .unix(folder.path + "/socket") : .network(host: "localhost", port: receiver.port)
    let loop = try Delivered.loop(
      folder.path + "/spool", [DestinationSettings(name: "tcp", kind: .stream(address))])
    Delivered.put(loop, 1...3000)
    _ = Delivered.until { loop.status().destinations[0].state == .up }
    // What is left is what the connection has still to prove; the end proves it by the receiver's own.
    loop.finish(milliseconds: 20_000)
    StreamTests.judge(folder.path + "/out", 3000)
    #expect(loop.status().destinations[0].queuedLines == 0)
    #expect(loop.status().destinations[0].deliveredLines == 3000)
  }

  @Test("a receiver that is slow gets all of it, and nobody waits for it")
  func slow() throws {
    let folder = TestFolder()
    let receiver = Receiver(StreamTests.receiver, ["0", folder.path + "/out", "slow"])
    let loop = try Delivered.loop(
      folder.path + "/spool",
      [
        DestinationSettings(name: "tcp", kind: .stream(.network(host: "127.0.0.1", port: receiver.port))),
        DestinationSettings(name: "file", kind: .file(FileDestinationSettings(path: folder.path + "/log"))),
      ])
    Delivered.put(loop, 1...1000)
    #expect(Delivered.all(1000, loop))
    loop.finish(milliseconds: 20_000)
    StreamTests.judge(folder.path + "/out", 1000)
    #expect(loop.takeLosses() == [])
  }

  @Test("a receiver that dies with what it has not read gets it again, though its kernel had acknowledged it")
  func breaks() throws {
    let folder = TestFolder()
    let receiver = Receiver(StreamTests.receiver, ["0", folder.path + "/out", "breaks"])
    let loop = try Delivered.loop(
      folder.path + "/spool",
      [DestinationSettings(name: "tcp", kind: .stream(.network(host: "127.0.0.1", port: receiver.port)))])
    Delivered.put(loop, 1...2000)
    #expect(Delivered.all(2000, loop))
    loop.finish(milliseconds: 20_000)
    StreamTests.judge(folder.path + "/out", 2000)
    #expect(loop.status().destinations[0].failures == 3)
  }

  @Test("one that is not there yet is tried again, and then gets everything from the beginning")
  func late() throws {
    let folder = TestFolder()
    let port = Delivered.freePort()
    let loop = try Delivered.loop(
      folder.path + "/spool",
      [DestinationSettings(name: "tcp", kind: .stream(.network(host: "127.0.0.1", port: port)))])
    Delivered.put(loop, 1...500)
    #expect(Delivered.until { (loop.status().destinations.first?.failures ?? 0) >= 2 })
    guard case .down(_, .system("connect", ECONNREFUSED))? = loop.status().destinations.first?.state else {
      Issue.record("\(loop.status())")
      return
    }
    let receiver = Receiver(StreamTests.receiver, ["\(port)", folder.path + "/out", "reads"])
    #expect(Delivered.all(500, loop))
    loop.finish(milliseconds: 20_000)
    receiver.stop()
    StreamTests.judge(folder.path + "/out", 500)
  }

  @Test("a host that nobody knows is told as that")
  func unknownHost() throws {
    let loop = try Delivered.loop(
      nil, [DestinationSettings(name: "tcp", kind: .stream(.network(host: "oomwitness.invalid", port: 9)))])
    #expect(Delivered.until { (loop.status().destinations.first?.failures ?? 0) > 0 })
    guard case .down(_, .noAddress("oomwitness.invalid"))? = loop.status().destinations.first?.state else {
      Issue.record("\(loop.status())")
      return
    }
    loop.finish(milliseconds: 0)
  }

  @Test("standard output that nobody reads keeps nobody waiting; once it is closed its lines are told as refused")
  func pipeOutput() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    let destination = PipeDestination(descriptor: ends[1])
    let lines = (1...2000).map { DeliveredLine(number: UInt64($0), bytes: Delivered.kill($0)) }
    var (place, bytes) = (0, [UInt8]())
    var chunk = [UInt8](repeating: 0, count: 3000)
    while place < lines.count || destination.delivered < 2000 {
      if place < lines.count, destination.hasRoom { place += destination.take(lines[place...], nowNanoseconds: 0) }
      let count = read(ends[0], &chunk, chunk.count)
      bytes += chunk[..<max(0, count)]
      destination.step(nowNanoseconds: 0)
    }
    var waiting = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
    while poll(&waiting, 1, 0) == 1 { bytes += chunk[..<max(0, read(ends[0], &chunk, chunk.count))] }
    #expect(bytes == lines.flatMap(\.bytes))
    close(ends[0])
    signal(SIGPIPE, SIG_IGN)
    destination.step(nowNanoseconds: 0)
    #expect(destination.state == .ended(.closed) && destination.hasRoom)
    let more = DeliveredLine(number: 2001, bytes: [0x0a])
    #expect(destination.take([more], nowNanoseconds: 0) == 1 && destination.delivered == 2001)
    #expect(destination.counters.refusedLines == 1 && destination.counters.deliveredLines == 2000)
    close(ends[1])
  }
}
