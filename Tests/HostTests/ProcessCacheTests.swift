// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("The biggest processes are held for the one that is killed next")
struct ProcessCacheTests {
  private let fixture: Fixture
  private let reader: ProcReader

  init() throws {
    fixture = try Fixture()
    reader = try ProcReader(root: fixture.root, pageSizeBytes: 4096)
  }

  private func sized(_ pairs: (Int32, Pages)...) -> [ProcessCache.Sized] {
    pairs.map { ProcessCache.Sized(pid: $0.0, residentPages: $0.1) }
  }

  private func write(_ pid: Int32, start: UInt64 = 5, cmdline: String = "a") throws {
    var process = ProcFixture(pid: pid)
    process.startTimeTicks = start
    process.cmdline = Array(cmdline.utf8)
    try process.write(to: fixture)
  }

  /// Takes a process away, as its end would.
  private func end(_ pid: Int32) {
    rename("\(fixture.root)/\(pid)", "\(fixture.root)/gone-\(pid)")
  }

  private func restore(_ pid: Int32) {
    rename("\(fixture.root)/gone-\(pid)", "\(fixture.root)/\(pid)")
  }

  @Test("A victim is told after its end, and only under its own start time")
  func victim() throws {
    try write(7, start: 99, cmdline: "victim\0-x\0")
    let cache = ProcessCache(reader: reader)
    #expect(cache.refresh(biggest: sized((7, 1000))) == .init(read: 1))
    end(7)
    defer { restore(7) }
    var expected = ProcFixture.facts
    expected.pid = 7
    expected.startTimeTicks = 99
    expected.residentPages = 1000
    expected.cmdline = [KernelName("victim"), KernelName("-x")]
    #expect(cache.facts(pid: 7, startTimeTicks: 99) == expected)
    #expect(cache.facts(pid: 7, startTimeTicks: nil) == expected)
    #expect(cache.facts(pid: 7, startTimeTicks: 98) == nil)
    #expect(cache.facts(pid: 8, startTimeTicks: nil) == nil)
    #expect(cache.refresh(biggest: sized((7, 1000))) == .init(gone: 1))
    #expect(cache.facts(pid: 7, startTimeTicks: 99) == expected)
  }

  @Test("What is held is not read again, but its size is kept up to date")
  func kept() throws {
    try write(7, cmdline: "first")
    let cache = ProcessCache(reader: reader)
    _ = cache.refresh(biggest: sized((7, 10)))
    try fixture.write(KernelName("7/cmdline"), Array("second".utf8))
    #expect(cache.refresh(biggest: sized((7, 20))) == .init(kept: 1))
    let facts = try #require(cache.facts(pid: 7, startTimeTicks: 5))
    #expect(facts.cmdline == [KernelName("first")])
    #expect(facts.residentPages == 20)
  }

  @Test("A pid that was given again, and a program that was exchanged by exec, are read anew")
  func changed() throws {
    try write(7, cmdline: "first")
    let cache = ProcessCache(reader: reader)
    _ = cache.refresh(biggest: sized((7, 10)))
    try write(7, start: 6, cmdline: "reused")
    #expect(cache.refresh(biggest: sized((7, 10))) == .init(read: 1))
    #expect(cache.facts(pid: 7, startTimeTicks: 5) == nil)
    #expect(cache.facts(pid: 7, startTimeTicks: 6)?.cmdline == [KernelName("reused")])
    var execed = ProcFixture(pid: 7)
    execed.startTimeTicks = 6
    execed.startStack = 2000
    execed.cmdline = Array("execed".utf8)
    try execed.write(to: fixture)
    #expect(cache.refresh(biggest: sized((7, 10))) == .init(read: 1))
    #expect(cache.facts(pid: 7, startTimeTicks: 6)?.cmdline == [KernelName("execed")])
    #expect(cache.count == 1)
  }

  @Test("The bound is hard: the biggest come in, and what was longest not among them goes out")
  func bound() throws {
    for pid in Int32(1)...6 { try write(pid) }
    let cache = ProcessCache(reader: reader, capacity: 3)
    #expect(cache.refresh(biggest: sized((1, 10), (2, 40), (3, 30), (4, 20))) == .init(read: 3))
    #expect(held(cache) == [2, 3, 4])
    #expect(cache.refresh(biggest: sized((2, 40))) == .init(kept: 1))
    #expect(held(cache) == [2, 3, 4])
    #expect(cache.refresh(biggest: sized((5, 5))) == .init(read: 1))
    #expect(held(cache) == [2, 3, 5])
    #expect(cache.refresh(biggest: sized((6, 50), (5, 5))) == .init(read: 1, kept: 1))
    #expect(held(cache) == [2, 5, 6])
    #expect(cache.count == 3)
  }

  private func held(_ cache: ProcessCache) -> [Int32] {
    (Int32(1)...6).filter { cache.facts(pid: $0, startTimeTicks: nil) != nil }
  }

  @Test("A cache of nothing holds nothing", arguments: [0, -1])
  func empty(capacity: Int) throws {
    try write(7)
    let cache = ProcessCache(reader: reader, capacity: capacity)
    #expect(cache.refresh(biggest: sized((7, 10))) == .init())
    #expect(cache.count == 0)
  }

  @Test("One that cannot be read is told, and keeps no other from being read")
  func junk() throws {
    try write(7)
    try write(8)
    try fixture.write(KernelName("8/stat"), Array("junk".utf8))
    let cache = ProcessCache(reader: reader)
    let error = HostError.malformed(path: KernelName("\(fixture.root)/8/stat"), line: 1, text: KernelName("junk"))
    let report = cache.refresh(biggest: sized((8, 30), (7, 20), (9, 10)))
    #expect(report == .init(read: 1, gone: 1, failed: 1, firstError: error))
    #expect(cache.facts(pid: 7, startTimeTicks: 5) != nil)
  }

  @Test("The biggest are those with most resident pages, without those that have none")
  func biggest() throws {
    for (pid, pages) in [(1, 10), (2, 0), (3, 30), (4, 20), (5, 30)] {
      try fixture.write(KernelName("\(pid)/statm"), Array("100 \(pages) 3 4 5 6 7\n".utf8))
    }
    fixture.makeDirectory("6")
    let cache = ProcessCache(reader: reader)
    #expect(try cache.biggest(limit: 3) == sized((3, 30), (5, 30), (4, 20)))
    #expect(try cache.biggest(limit: 100) == sized((3, 30), (5, 30), (4, 20), (1, 10)))
    #expect(try cache.biggest(limit: -1) == [])
  }

  @Test("A child of this machine is still known after its end")
  func live() throws {
    let cache = ProcessCache(reader: try ProcReader())
    let child = try Child(program: KernelName("/bin/sleep"), arguments: [Array("sleep".utf8), Array("1000".utf8)])
    #expect(try cache.biggest(limit: 1_000_000).contains { $0.pid == child.pid })
    #expect(cache.refresh(biggest: sized((child.pid, 1))) == .init(read: 1))
    #expect(cache.refresh(biggest: sized((child.pid, 1))) == .init(kept: 1))
    child.end()
    #expect(cache.facts(pid: child.pid, startTimeTicks: nil)?.cmdline == [KernelName("sleep"), KernelName("1000")])
  }
}
