// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("Memory pressure is what the files say")
final class PressureReaderTests {
  /// Kept until the test is over: a tree that nobody holds is removed.
  private var fixtures: [Fixture] = []

  static let psi = """
    some avg10=12.05 avg60=0.66 avg300=1.00 total=32641004
    full avg10=1.00 avg60=0.02 avg300=0.05 total=2481647

    """

  private func reader(version: Int, _ files: [String: String], meminfo: String? = nil) throws -> PressureReader {
    let mount = version == 2 ? CgroupHierarchyTests.v2 : CgroupHierarchyTests.v1
    let top = version == 2 ? "sys/fs/cgroup/unified" : "sys/fs/cgroup/memory"
    var tree = [
      "proc/self/mountinfo": mount + "\n", "\(top)/cgroup.controllers": "memory\n",
      "proc/meminfo": meminfo ?? MemoryReaderTests.meminfo, "proc/pressure/memory": PressureReaderTests.psi,
    ]
    for (path, text) in files { tree["\(top)/\(path)"] = text }
    let fixture = try Fixture(tree)
    fixtures.append(fixture)
    return PressureReader(
      memory: try MemoryReader(procRoot: "\(fixture.root)/proc", pageSizeBytes: 4096),
      cgroups: try CgroupReader(procRoot: "\(fixture.root)/proc", root: fixture.root, pageSizeBytes: 4096))
  }

  @Test("The system's is MemAvailable of MemTotal, swap and stall")
  func system() throws {
    let reading = try #require(try reader(version: 2, [:]).system())
    #expect(reading.cgroup == nil && reading.totalPages == 6_171_021 && reading.availablePages == 6_089_739)
    #expect(reading.swapTotalPages == 256 && reading.swapFreePages == 1)
    #expect(reading.stall?.some.average10Hundredths == 1205 && reading.stall?.full?.average10Hundredths == 100)
  }

  @Test("Without MemAvailable there is no reading, and without swap no swap")
  func oldSystem() throws {
    #expect(try reader(version: 2, [:], meminfo: "MemTotal: 8 kB\nMemFree: 4 kB\n").system() == nil)
    let none = "MemTotal: 80 kB\nMemAvailable: 40 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
    let reading = try #require(try reader(version: 2, [:], meminfo: none).system())
    #expect(reading.totalPages == 20 && reading.swapTotalPages == nil && reading.swapUsedHundredths == nil)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var version = 2
    let files: [String: String]
    var available: Pages?
    var total: Pages = 100
    /// Of the group: 256 pages are the system's, 1 is free.
    var swap: [Pages?] = [256, 1]
    var hasStall = false
  }

  static let none = "9223372036854771712\n"
  static let rows: [Row] = [
    Row(
      testDescription: "limit less usage, and page cache that was not used lately can be had",
      files: [
        "a/memory.max": "409600\n", "a/memory.current": "204800\n",
        "a/memory.stat": "anon 1\nfile 2\ninactive_file 81920\nactive_file 4096\n", "a/memory.swap.max": "max\n",
        "a/memory.swap.current": "0\n", "a/memory.pressure": psi,
      ], available: 70, hasStall: true),
    Row(
      testDescription: "its own limit of swap, where the system has that much",
      files: [
        "a/memory.max": "409600\n", "a/memory.current": "409600\n", "a/memory.stat": "inactive_file 0\n",
        "a/memory.swap.max": "40960\n", "a/memory.swap.current": "40960\n",
      ], available: 0, swap: [10, 0]),
    Row(
      testDescription: "no swap for it",
      files: ["a/memory.max": "409600\n", "a/memory.current": "0\n", "a/memory.swap.max": "0\n"], available: 100,
      swap: [nil, nil]),
    Row(
      testDescription: "more than its limit, as after the limit was lowered",
      files: ["a/memory.max": "409600\n", "a/memory.current": "819200\n"], available: -100),
    Row(
      testDescription: "more inactive page cache than usage, since they are read one after the other",
      files: ["a/memory.max": "409600\n", "a/memory.current": "4096\n", "a/memory.stat": "inactive_file 8192\n"],
      available: 100),
    Row(
      testDescription: "version 1 counts what is below it too", version: 1,
      files: [
        "a/memory.limit_in_bytes": "409600\n", "a/memory.usage_in_bytes": "204800\n",
        "a/memory.stat": "inactive_file 0\nhierarchical_memory_limit 9\ntotal_inactive_file 4096\n",
        "a/memory.memsw.limit_in_bytes": none, "a/memory.memsw.usage_in_bytes": "204800\n",
        "a/memory.pressure": psi,
      ], available: 51),
  ]

  @Test("A group's is its limit less its working set", arguments: rows)
  func group(row: Row) throws {
    let reader = try reader(version: row.version, row.files)
    guard case .reading(let reading) = try reader.group(KernelName("/a"), system: try reader.system()) else {
      Issue.record("no reading")
      return
    }
    #expect(reading.cgroup == CgroupRef(path: KernelName("/a"), version: row.version))
    #expect(reading.availablePages == row.available && reading.totalPages == row.total)
    #expect([reading.swapTotalPages, reading.swapFreePages] == row.swap)
    #expect((reading.stall != nil) == row.hasStall)
  }

  @Test("A group without a limit, one that is gone, the root, and paths that lead out of the tree are told apart")
  func noReading() throws {
    let version2 = try reader(version: 2, ["a/memory.max": "max\n", "a/memory.current": "1\n"])
    let version1 = try reader(
      version: 1, ["a/memory.limit_in_bytes": PressureReaderTests.none, "a/memory.usage_in_bytes": "1\n"])
    for reader in [version2, version1] {
      for path in ["/a", "/"] { #expect(try reader.group(KernelName(path), system: nil) == .unlimited, "\(path)") }
      for path in ["/gone", "/../../proc", "a", ""] {
        #expect(try reader.group(KernelName(path), system: nil) == .gone, "\(path)")
      }
      #expect(try reader.group(KernelName(bytes: [0x2f, 0]), system: nil) == .gone)
    }
  }

  @Test(
    "What the kernel never writes is an error with its place",
    arguments: [
      ["a/memory.current": "many\n"], ["a/memory.current": ""], ["a/memory.stat": "inactive_file -4\n"],
      ["a/memory.stat": "inactive_file \n"], ["a/memory.pressure": "some avg10=x\n"],
      ["a/memory.max": "99999999999999999999\n"],
    ])
  func junk(files: [String: String]) throws {
    let good = ["a/memory.max": "409600\n", "a/memory.current": "4096\n"]
    let reader = try reader(version: 2, good.merging(files) { $1 })
    #expect(throws: HostError.self) { try reader.group(KernelName("/a"), system: nil) }
  }
}
