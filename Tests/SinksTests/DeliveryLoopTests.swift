// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// The delivery with its thread: from many threads, with destinations that change, to its end.
@Suite struct DeliveryLoopTests {
  private static func file(_ folder: TestFolder, _ name: String) -> DestinationSettings {
    DestinationSettings(name: name, kind: .file(FileDestinationSettings(path: folder.path + "/" + name)))
  }

  private static func numbers(_ folder: TestFolder, _ name: String) -> [Int] {
    Delivered.numbers(Files.text(folder.path + "/" + name) ?? "").numbers
  }

  @Test("lines from eight threads arrive once each, those of one thread in their order")
  func threads() async throws {
    let folder = TestFolder()
    let loop = try Delivered.loop(folder.path + "/spool", [DeliveryLoopTests.file(folder, "a")])
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask { Delivered.put(loop, thread * 1000 + 1...thread * 1000 + 1000) { Bench.line($0) } }
      }
    }
    #expect(Delivered.all(8000, loop))
    loop.finish(milliseconds: 5000)
    let numbers = DeliveryLoopTests.numbers(folder, "a")
    #expect(numbers.sorted() == Array(1...8000))
    for thread in 0..<8 {
      let own = numbers.filter { ($0 - 1) / 1000 == thread }
      #expect(own == own.sorted())
    }
    #expect(!loop.put(Bench.line(1)), "after the end nothing is taken")
    #expect(loop.status().linesTaken == 8000 && loop.status().linesRefused >= 1)
  }

  @Test("destinations come and go while lines do: who stays misses none, who is new begins with what is new")
  func replace() throws {
    let folder = TestFolder()
    let (a, b, c) = (
      DeliveryLoopTests.file(folder, "a"), DeliveryLoopTests.file(folder, "b"), DeliveryLoopTests.file(folder, "c")
    )
    let loop = try Delivered.loop(folder.path + "/spool", [a, b])
    Delivered.put(loop, 1...100) { Bench.line($0) }
    #expect(Delivered.all(100, loop))
    // Another file under b's name: it goes on where b was.
    var moved = b
    moved.kind = .file(FileDestinationSettings(path: folder.path + "/b2"))
    try loop.replace([a, moved, c])
    #expect(Delivered.until { loop.status().destinations.map(\.name) == ["a", "b", "c"] })
    Delivered.put(loop, 101...200) { Bench.line($0) }
    #expect(Delivered.until { DeliveryLoopTests.numbers(folder, "c").last == 200 })
    try loop.replace([c])
    #expect(Delivered.until { loop.status().destinations.map(\.name) == ["c"] })
    Delivered.put(loop, 201...210) { Bench.line($0) }
    loop.finish(milliseconds: 20_000)
    #expect(DeliveryLoopTests.numbers(folder, "a") == Array(1...200))
    #expect(DeliveryLoopTests.numbers(folder, "b") == Array(1...100))
    #expect(DeliveryLoopTests.numbers(folder, "b2") == Array(101...200))
    #expect(DeliveryLoopTests.numbers(folder, "c") == Array(101...210))
    #expect(throws: SinkError.settings(name: "x", .relativePath("x"))) {
      try loop.replace([DestinationSettings(name: "x", kind: .file(FileDestinationSettings(path: "x")))])
    }
  }

  @Test("an end waits for nobody who is down, and the next run brings what is left")
  func endsWithoutThem() throws {
    let folder = TestFolder()
    let port = Delivered.freePort()
    let away = DestinationSettings(name: "away", kind: .stream(.network(host: "127.0.0.1", port: port)))
    var loop = try Delivered.loop(folder.path + "/spool", [DeliveryLoopTests.file(folder, "a"), away])
    Delivered.put(loop, 1...300)
    #expect(Delivered.until { (loop.status().destinations.last?.failures ?? 0) > 0 })
    loop.finish(milliseconds: 600_000)
    #expect(loop.status().destinations.map(\.queuedLines) == [0, 300])
    #expect(loop.takeLosses() == [])
    let receiver = Receiver(StreamTests.receiver, ["\(port)", folder.path + "/out", "reads"])
    loop = try Delivered.loop(folder.path + "/spool", [DeliveryLoopTests.file(folder, "a"), away])
    Delivered.put(loop, 301...310)
    #expect(Delivered.until { loop.status().destinations.last?.state == .up })
    loop.finish(milliseconds: 60_000)
    receiver.stop()
    #expect(Delivered.firsts(DeliveryLoopTests.numbers(folder, "out")) == Array(1...310))
    #expect(DeliveryLoopTests.numbers(folder, "a") == Array(1...310))
  }

  @Test("a signal to reopen begins the file that was moved away anew")
  func reopen() throws {
    let folder = TestFolder()
    let loop = try Delivered.loop(nil, [DeliveryLoopTests.file(folder, "a")])
    Delivered.put(loop, 1...10)
    #expect(Delivered.all(10, loop))
    #expect(rename(folder.path + "/a", folder.path + "/a.old") == 0)
    loop.reopen()
    Delivered.put(loop, 11...20)
    #expect(Delivered.all(20, loop))
    loop.finish(milliseconds: 5000)
    #expect(DeliveryLoopTests.numbers(folder, "a.old") == Array(1...10))
    #expect(DeliveryLoopTests.numbers(folder, "a") == Array(11...20))
  }

  @Test("a spool that another has is refused, and so are settings that cannot work")
  func refused() throws {
    let folder = TestFolder()
    let loop = try Delivered.loop(folder.path + "/spool", [])
    #expect(throws: SinkError.spoolBusy(path: folder.path + "/spool")) {
      try Delivered.loop(folder.path + "/spool", [])
    }
    loop.finish(milliseconds: 0)
    #expect(throws: SinkError.settings(name: "a b", .name("a b"))) {
      try Delivered.loop(nil, [DestinationSettings(name: "a b", kind: .stdout)])
    }
    #expect(throws: SinkError.self) { try Delivered.loop("/proc/nowhere/spool", []) }
  }
}
