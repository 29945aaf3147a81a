// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import Sinks

/// The order of lines, who gets which, and what is told of those that nobody got.
@Suite struct DeliveryTests {
  private static func settings(_ folder: TestFolder) -> DeliverySettings {
    DeliverySettings(spoolFolder: folder.path + "/spool")
  }

  @Test("each destination gets all lines in their order, and one that is slow continues where it was")
  func order() throws {
    let folder = TestFolder()
    let bench = try Bench(DeliveryTests.settings(folder), [Bench.destination("fast"), Bench.destination("slow")])
    let (fast, slow) = (bench.keepers["fast"]!, bench.keepers["slow"]!)
    slow.room = 3
    bench.put(1...1000)
    bench.turns()
    #expect(fast.numbers == Array(1...1000) && slow.numbers == [1, 2, 3])
    slow.room = .max
    bench.put(1001...1010)
    bench.turns()
    #expect(fast.numbers == Array(1...1010) && slow.numbers == Array(1...1010))
    #expect(bench.mailbox.takeLosses() == [])
    #expect(slow.lines.map(\.bytes) == (1...1010).map { Bench.line($0) })
  }

  @Test("one that lags beyond memory reads from disk; beyond the disk's bound it is told how many it has lost")
  func lag() throws {
    let folder = TestFolder()
    var settings = DeliveryTests.settings(folder)
    settings.memoryBytesMax = 10_000
    settings.spoolBytesMax = 1 << 20
    let bench = try Bench(settings, [Bench.destination("slow")])
    let slow = bench.keepers["slow"]!
    slow.room = 0
    for first in stride(from: 1, to: 5001, by: 100) {
      bench.put(first...first + 99)
      bench.turns()
    }
    slow.room = 4900
    bench.turns()
    #expect(slow.numbers == Array(1...4900) && bench.mailbox.takeLosses() == [])
    for first in stride(from: 5001, to: 8001, by: 100) {
      bench.put(first...first + 99, bytes: 1000)
      bench.turns()
    }
    slow.room = .max
    bench.turns()
    let losses = bench.mailbox.takeLosses()
    #expect(losses.count == 1 && losses[0].reason == .full && losses[0].destination == "slow")
    #expect(slow.lines.count + Int(losses[0].lines) == 8000 && losses[0].lines > 0)
    #expect(slow.numbers == slow.numbers.sorted() && slow.numbers.last == 8000)
  }

  @Test("what had not arrived when it broke down is handed over again, from memory and from disk")
  func rewind() throws {
    for memory in [1 << 20, 1000] {
      let folder = TestFolder()
      var settings = DeliveryTests.settings(folder)
      settings.memoryBytesMax = memory
      let bench = try Bench(settings, [Bench.destination("one")])
      let keeper = bench.keepers["one"]!
      bench.put(1...300)
      bench.turns()
      keeper.holds = true
      bench.put(301...400)
      bench.turns()
      keeper.breakDown()
      keeper.holds = false
      bench.put(401...500)
      bench.turns()
      #expect(keeper.numbers == Array(1...400) + Array(301...500))
      #expect(bench.mailbox.takeLosses() == [])
    }
  }

  @Test("the next run goes on where this one was, for each; a new one begins with what is new")
  func places() throws {
    let folder = TestFolder()
    let settings = DeliveryTests.settings(folder)
    do {
      let bench = try Bench(settings, [Bench.destination("a"), Bench.destination("b"), Bench.destination("gone")])
      bench.keepers["b"]!.room = 50
      bench.keepers["gone"]!.room = 0
      bench.put(1...100)
      bench.turns()
      bench.core.keep(nowNanoseconds: Monotonic.nanoseconds)
    }
    let bench = try Bench(settings, [Bench.destination("a"), Bench.destination("b"), Bench.destination("new")])
    bench.put(101...110)
    bench.turns()
    #expect(bench.keepers["a"]!.numbers == Array(101...110) && bench.keepers["new"]!.numbers == Array(101...110))
    #expect(bench.keepers["b"]!.numbers == Array(51...110))
  }

  @Test("without places, or with damaged ones, all that is kept is sent again")
  func damagedPlaces() throws {
    for text in [nil, "oomwitness places 1\nlast 5\nsum 7\n"] {
      let folder = TestFolder()
      let settings = DeliveryTests.settings(folder)
      do {
        let bench = try Bench(settings, [Bench.destination("a")])
        bench.keepers["a"]!.holds = true
        bench.put(1...100)
        bench.turns()
      }
      if let text { folder.write(Array(text.utf8), "spool/places") } else { unlink(folder.path + "/spool/places") }
      let bench = try Bench(settings, [Bench.destination("a")])
      bench.turns()
      #expect(bench.keepers["a"]!.numbers == Array(1...100))
    }
  }

  @Test(
    "what everybody has is kept on disk as far as somebody may ask what was told, and no further",
    arguments: [0, 6 << 20])
  func released(keptBytes: Int64) throws {
    let folder = TestFolder()
    var settings = DeliveryTests.settings(folder)
    settings.keptBytes = keptBytes
    let bench = try Bench(settings, [Bench.destination("a"), Bench.destination("b")])
    bench.keepers["b"]!.room = 10_000
    for first in stride(from: 1, to: 20_001, by: 1000) {
      bench.put(first...first + 999, bytes: 500)
      bench.turns()
    }
    // What b has not, at least; on a slow host more of what came before is gone by now.
    #expect(bench.core.store.spool!.bytes > 5_200_000)
    bench.keepers["b"]!.room = .max
    bench.turns()
    bench.core.keep(nowNanoseconds: Monotonic.nanoseconds)
    #expect((keptBytes...keptBytes + 4 << 20).contains(bench.core.store.spool!.bytes))
    var kept: [UInt64] = []
    bench.core.store.spool!.forEachLine { kept.append($0.number) }
    #expect(kept == Array(20_001 - UInt64(kept.count)..<20_001))
    #expect(bench.keepers["b"]!.numbers == Array(1...20_000))
  }

  @Test("a damaged record is passed over, and each who had not got it is told once")
  func damage() throws {
    let folder = TestFolder()
    let settings = DeliveryTests.settings(folder)
    do {
      let bench = try Bench(settings, [Bench.destination("a"), Bench.destination("b")])
      bench.keepers["a"]!.room = 0
      bench.put(1...10)
      bench.turns()
      bench.core.keep(nowNanoseconds: Monotonic.nanoseconds)
    }
    let name = "spool/" + SpoolSegment.name(1)
    var bytes = folder.bytes(name)
    bytes[100] ^= 1
    folder.write(bytes, name)
    let bench = try Bench(settings, [Bench.destination("a"), Bench.destination("b")])
    bench.keepers["a"]!.holds = true
    bench.turns()
    bench.keepers["a"]!.breakDown()
    bench.turns()
    #expect(bench.mailbox.takeLosses() == [DeliveryLoss(destination: "a", reason: .damaged, lines: 1)])
    #expect(Set(bench.keepers["a"]!.numbers).count == 9 && bench.keepers["b"]!.numbers == [])
  }

  @Test("a disk that is full costs nothing while memory lasts, and the rest is counted; once it has room it takes all")
  func fullDisk() throws {
    let folder = TestFolder()
    guard mount("tmpfs", folder.path, "tmpfs", 0, "size=128k") == 0 else {
      #expect(!Requirement.mustRun, "a tmpfs can be mounted")
      return
    }
    defer { umount2(folder.path, Int32(MNT_DETACH)) }
    var settings = DeliveryTests.settings(folder)
    settings.memoryBytesMax = 100_000
    let bench = try Bench(settings, [Bench.destination("fast"), Bench.destination("slow")])
    let (fast, slow) = (bench.keepers["fast"]!, bench.keepers["slow"]!)
    slow.room = 0
    var now = Monotonic.nanoseconds
    for first in stride(from: 1, to: 501, by: 10) {
      bench.put(first...first + 9, bytes: 1000)
      bench.turns(nowNanoseconds: now)
      now += 2 * Monotonic.second
    }
    #expect(fast.numbers == Array(1...500), "who keeps up has all of them")
    #expect(bench.core.store.failure == ENOSPC)
    slow.room = .max
    bench.turns(nowNanoseconds: now)
    let losses = bench.mailbox.takeLosses()
    #expect(losses.map(\.reason) == [.full] && losses.map(\.destination) == ["slow"])
    #expect(slow.lines.count + Int(losses.first?.lines ?? 0) == 500 && slow.numbers == slow.numbers.sorted())
    #expect(slow.lines.count > 100)
    // Room again: what all have is released, and new lines are on disk.
    bench.core.keep(nowNanoseconds: now)
    now += 2 * Monotonic.second
    bench.put(501...510)
    bench.turns(nowNanoseconds: now)
    #expect(bench.core.store.failure == nil && bench.core.store.spool!.lastNumber == 510)
    #expect(slow.numbers.suffix(10) == Array(501...510)[...])
  }

  @Test("what is put beyond the inbox is refused, and its sender tells of it")
  func inbox() throws {
    var settings = DeliverySettings(spoolFolder: nil)
    settings.inboxBytesMax = 1000
    let bench = try Bench(settings, [Bench.destination("a")])
    let taken = (1...100).map { bench.mailbox.put(Bench.line($0)) }
    bench.turns()
    let got = bench.keepers["a"]!.lines.count
    #expect(got > 10 && got < 100)
    #expect(taken == (1...100).map { $0 <= got })
    #expect(bench.mailbox.status().linesRefused == Int64(100 - got) && bench.mailbox.takeLosses().isEmpty)
    #expect(!bench.mailbox.put([UInt8](repeating: 0x78, count: SpoolFrame.payloadBytesMax + 1)))
  }

  @Test("what is refused is told, but for losses that are: to tell of these would have no end")
  func refused() throws {
    let bench = try Bench(DeliverySettings(spoolFolder: nil), [Bench.destination("a"), Bench.destination("b")])
    let keeper = bench.keepers["a"]!
    keeper.refuses = true
    let loss = Array(#"{"type":"loss","detail":"x"}"#.utf8) + [0x0a]
    bench.put(1...3)
    #expect(bench.mailbox.put(loss))
    bench.turns()
    #expect(bench.mailbox.takeLosses() == [DeliveryLoss(destination: "a", reason: .refused(.closed), lines: 3)])
    for _ in 0..<3 {
      #expect(bench.mailbox.put(loss))
      bench.turns()
      #expect(bench.mailbox.takeLosses() == [])
    }
    #expect(bench.core.slots[0].status(bench.core.store).droppedLines == 7)
    keeper.end(.closed)
    for number in 4...6 {
      bench.put(number...number)
      bench.turns()
      #expect(
        bench.mailbox.takeLosses() == (number == 4 ? [DeliveryLoss(destination: "a", reason: .ended, lines: 1)] : []))
    }
    #expect(bench.keepers["b"]!.lines.count == 10)
  }

  private static func kill(_ decision: Int, comm: String, cgroup: String) -> String {
    #"{"schema":"oomwitness.v1","type":"oom_kill","seq":1,"decision":{"id":\#(decision)},"victim":{"pid":7,"#
      + #""comm":"\#(comm)","cgroup":{"path":"\#(cgroup)"}}}"# + "\n"
  }

  private static func outcome(_ decision: Int) -> String {
    #"{"schema":"oomwitness.v1","type":"oom_outcome","seq":2,"decision":{"id":\#(decision)},"victim":{"pid":7,"#
      + #""comm":"x"},"exited":true}"# + "\n"
  }

  @Test("filters keep out what was not asked for; an outcome goes where its kill went, and losses go everywhere")
  func filters() throws {
    let filters: [String: DestinationFilter] = [
      "all": DestinationFilter(), "kills": DestinationFilter(types: ["oom_kill"]),
      "outcomes": DestinationFilter(types: ["oom_outcome"], cgroups: ["/pods/*"]),
      "pods": DestinationFilter(cgroups: ["/pods/*", "/x"]), "java": DestinationFilter(victims: ["java*"]),
      "both": DestinationFilter(cgroups: ["/pods/*"], victims: ["java*"]),
    ]
    let bench = try Bench(DeliverySettings(spoolFolder: nil), filters.map { Bench.destination($0.key, $0.value) })
    let lines = [
      DeliveryTests.kill(1, comm: "java", cgroup: "/pods/a/b"), DeliveryTests.kill(2, comm: "java", cgroup: "/other"),
      DeliveryTests.kill(3, comm: "python3", cgroup: "/pods/c"), DeliveryTests.outcome(1), DeliveryTests.outcome(2),
      DeliveryTests.outcome(3),
      #"{"type":"loss","reason":"ring_full","kernel_count":1,"records":1,"detail":"x"}"# + "\n", "no JSON\n",
    ]
    for line in lines { #expect(bench.mailbox.put(Array(line.utf8))) }
    bench.turns()
    let expected: [String: [UInt64]] = [
      "all": Array(1...8), "kills": [1, 2, 3], "outcomes": [4, 6], "pods": [1, 3, 4, 6, 7, 8],
      "java": [1, 2, 4, 5, 7, 8],
      "both": [1, 4, 7, 8],
    ]
    for (name, numbers) in expected { #expect(bench.keepers[name]!.numbers == numbers, "\(name)") }
  }

  @Test("settings that cannot work are refused, each with its reason")
  func problems() {
    func problem(_ kind: DestinationSettings.Kind, name: String = "x") -> DestinationSettings.Problem? {
      DestinationSettings(name: name, kind: kind).problem()
    }
    #expect(
      problem(.stdout) == nil && problem(.stdout, name: "") == .name("")
        && problem(.stdout, name: "a b") == .name("a b"))
    #expect(problem(.file(FileDestinationSettings(path: "x"))) == .relativePath("x"))
    #expect(problem(.stream(.network(host: "h", port: 0))) == .port(0))
    #expect(problem(.stream(.network(host: "-x", port: 1))) == .host("-x"))
    #expect(problem(.stream(.unix("/" + String(repeating: "x", count: 200)))) != nil)
    #expect(problem(.http(HTTPSettings(format: .ndjson, url: "ftp://x"))) == .url("ftp://x"))
    #expect(problem(.http(HTTPSettings(format: .ndjson, url: "http://x y"))) == .url("http://x y"))
    #expect(problem(.http(HTTPSettings(format: .kubernetes))) == .notInPod)
    var http = HTTPSettings(format: .ndjson, url: "https://x")
    #expect(problem(.http(http)) == nil)
    http.headers = ["X: y\r\nZ: w"]
    #expect(problem(.http(http)) == .header("X: y\r\nZ: w"))
    let twice = [DestinationSettings(name: "a", kind: .stdout), DestinationSettings(name: "a", kind: .stdout)]
    #expect(DestinationSettings.problem(of: twice)?.problem == .duplicateName("a"))
    let typed = DestinationSettings(name: "a", kind: .stdout, filter: DestinationFilter(types: ["oom_kil"]))
    #expect(typed.problem() == .unknownType("oom_kil"))
  }
}
