// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Testing

@testable import Host

@Suite("The status of a control group is read in the same words from both versions")
final class CgroupStatusTests {
  /// Kept until the test is over: a tree that nobody holds is removed.
  private var fixtures: [Fixture] = []
  private static let none = "9223372036854771712\n"

  private func reader(_ version: Int, _ files: [String: String]) throws -> (Fixture, CgroupReader) {
    let mount = version == 2 ? CgroupHierarchyTests.v2 : CgroupHierarchyTests.v1
    let top = CgroupStatusTests.top(version)
    var tree = ["proc/self/mountinfo": mount + "\n", "\(top)/cgroup.controllers": "memory\n"]
    for (path, text) in files { tree["\(top)/\(path)"] = text }
    let fixture = try Fixture(tree)
    fixtures.append(fixture)
    return (fixture, try CgroupReader(procRoot: "\(fixture.root)/proc", root: fixture.root, pageSizeBytes: 4096))
  }

  private static func top(_ version: Int) -> String { "sys/fs/cgroup/" + (version == 2 ? "unified" : "memory") }

  /// Without the inode's number, which no test can know.
  private func status(_ reader: CgroupReader, _ path: String) throws -> CgroupStatus? {
    var status = try reader.status(path: KernelName(path))
    status?.cgroup.id = nil
    return status
  }

  private static func expected(
    _ version: Int, _ path: String = "/a", _ change: (inout CgroupStatus) -> Void
  ) -> CgroupStatus {
    var status = CgroupStatus(cgroup: CgroupRef(path: KernelName(path), version: version))
    change(&status)
    return status
  }

  private static let version2Files = [
    "memory.max": "8388608\n", "memory.high": "max\n", "memory.low": "4096\n", "memory.min": "0\n",
    "memory.current": "5000000\n", "memory.peak": "6000000\n", "memory.swap.max": "0\n",
    "memory.swap.current": "12288\n", "memory.oom.group": "1\n", "cgroup.procs": "7\n8\n",
    "memory.events": "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n",
    "memory.stat":
      "anon 10\nfile 20\nkernel 30\nkernel_stack 31\npagetables 1\nsock 40\nshmem 50\nfile_mapped 1\nfile_dirty 60\n"
      + "inactive_anon 3\nactive_anon 4\ninactive_file 70\nactive_file 5\nslab_reclaimable 80\n"
      + "slab_unreclaimable 90\nslab 170\nworkingset_refault_anon 1\n",
    "memory.pressure":
      "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=4\n",
  ]

  @Test("version 2 has a file for everything")
  func version2() throws {
    let files = Dictionary(
      uniqueKeysWithValues: CgroupStatusTests.version2Files.map { ("a/\($0.key)", $0.value) })
    let (_, reader) = try reader(2, files)
    let expected = CgroupStatusTests.expected(2) {
      $0.limitBytes = .bytes(8_388_608)
      ($0.highBytes, $0.lowBytes, $0.minBytes) = (.unlimited, .bytes(4096), .bytes(0))
      ($0.currentBytes, $0.peakBytes) = (5_000_000, 6_000_000)
      ($0.swapLimitBytes, $0.swapCurrentBytes) = (.bytes(0), 12_288)
      var parts = CgroupStatus.Parts()
      (parts.anonBytes, parts.fileBytes, parts.kernelBytes, parts.socketBytes) = (10, 20, 30, 40)
      (parts.shmemBytes, parts.dirtyBytes, parts.inactiveFileBytes) = (50, 60, 70)
      (parts.slabReclaimableBytes, parts.slabUnreclaimableBytes) = (80, 90)
      $0.parts = parts
      var events = CgroupStatus.Events()
      (events.low, events.high, events.max, events.oom, events.oomKills, events.groupKills) = (1, 2, 3, 4, 5, 6)
      $0.events = events
      $0.pressure = PressureStall(
        some: .init(
          average10Hundredths: 150, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 9),
        full: .init(average10Hundredths: 25, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 4))
      $0.isKilledAsOne = true
      $0.processCount = 2
    }
    #expect(try status(reader, "/a") == expected)
    #expect(expected.workingSetBytes == 4_999_930)
  }

  @Test("version 1 counts swap with memory, takes the lines of the whole subtree and adds the kills below")
  func version1() throws {
    let (_, reader) = try reader(
      1,
      [
        "a/memory.limit_in_bytes": "8388608\n", "a/memory.usage_in_bytes": "5000000\n",
        "a/memory.max_usage_in_bytes": "6000000\n", "a/memory.soft_limit_in_bytes": CgroupStatusTests.none,
        "a/memory.memsw.limit_in_bytes": "8392704\n", "a/memory.memsw.usage_in_bytes": "5012288\n",
        "a/memory.kmem.usage_in_bytes": "30\n", "a/memory.kmem.tcp.usage_in_bytes": "40\n",
        "a/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 5\n", "a/cgroup.procs": "",
        "a/memory.stat":
          "cache 1\nrss 1\nrss_huge 1\nshmem 1\ndirty 1\ninactive_file 1\nhierarchical_memory_limit 8388608\n"
          + "total_cache 20\ntotal_rss 10\ntotal_rss_huge 2\ntotal_shmem 50\ntotal_dirty 60\ntotal_inactive_file 70\n",
        "a/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "a/b/c/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
      ])
    let expected = CgroupStatusTests.expected(1) {
      $0.limitBytes = .bytes(8_388_608)
      ($0.currentBytes, $0.peakBytes) = (5_000_000, 6_000_000)
      ($0.swapLimitBytes, $0.swapCurrentBytes) = (.bytes(4096), 12_288)
      var parts = CgroupStatus.Parts()
      (parts.anonBytes, parts.fileBytes, parts.kernelBytes, parts.socketBytes) = (10, 20, 30, 40)
      (parts.shmemBytes, parts.dirtyBytes, parts.inactiveFileBytes) = (50, 60, 70)
      $0.parts = parts
      $0.events = CgroupStatus.Events()
      $0.events?.oomKills = 8
      $0.isKillDisabled = true
      $0.processCount = 0
    }
    #expect(try status(reader, "/a") == expected)
    #expect(try status(reader, "/a/b")?.events?.oomKills == 3)
  }

  @Test("what has no file is nil: the root, a kernel before 5.19, a kernel without swap")
  func absent() throws {
    let rows: [(Int, [String: String], String, CgroupStatus?)] = [
      (2, ["a/memory.max": "max\n"], "/", CgroupStatusTests.expected(2, "/") { _ in }),
      (
        2, ["a/memory.max": "max\n", "a/memory.current": "9\n"], "/a",
        CgroupStatusTests.expected(2) { ($0.limitBytes, $0.currentBytes) = (.unlimited, 9) }
      ),
      (
        1, ["a/memory.limit_in_bytes": "0\n", "a/memory.soft_limit_in_bytes": "4096\n"], "/a",
        CgroupStatusTests.expected(1) { ($0.limitBytes, $0.lowBytes) = (.bytes(0), .bytes(4096)) }
      ),
      (
        1,
        ["a/memory.limit_in_bytes": CgroupStatusTests.none, "a/memory.memsw.limit_in_bytes": CgroupStatusTests.none],
        "/a", CgroupStatusTests.expected(1) { ($0.limitBytes, $0.swapLimitBytes) = (.unlimited, .unlimited) }
      ),
      (
        2, ["a/memory.events": "low 0\n", "a/memory.stat": "unknown 1\n"], "/a",
        CgroupStatusTests.expected(2) {
          $0.events = CgroupStatus.Events()
          $0.events?.low = 0
        }
      ),
      (2, ["a/memory.stat": ""], "/a", CgroupStatusTests.expected(2) { _ in }),
      (2, [:], "/gone", nil), (1, [:], "/gone/deeper", nil), (2, [:], "/../../proc", nil), (2, [:], "relative", nil),
      (2, ["a/memory.max": "1\n"], "/a\0b", nil),
    ]
    for (version, files, path, expected) in rows {
      let (_, reader) = try reader(version, files)
      #expect(try status(reader, path) == expected, "\(files) \(path)")
    }
  }

  @Test(
    "a file that the kernel did not write so is told with its line",
    arguments: [
      (2, "memory.max", "-1\n", 1, "-1"), (2, "memory.max", "", 1, ""), (2, "memory.current", "12 13\n", 1, "12 13"),
      (2, "memory.current", "9223372036854775808\n", 1, "9223372036854775808"),
      (2, "memory.oom.group", "yes\n", 1, "yes"),
      (2, "memory.stat", "anon 1\nfile -5\n", 2, "file -5"), (2, "memory.stat", "anon 1\nfile ", 2, "file "),
      (2, "memory.stat", "anon 1x\n", 1, "anon 1x"), (2, "memory.events", "low 0\nhigh \n", 2, "high "),
      (2, "memory.pressure", "some avg10=1\n", 1, "some avg10=1"),
      (1, "memory.stat", "rss -1\ntotal_rss -1\n", 2, "total_rss -1"),
      (1, "memory.oom_control", "oom_kill_disable 0\noom_kill -2\n", 2, "oom_kill -2"),
      (1, "memory.usage_in_bytes", "max\n", 1, "max"), (1, "memory.memsw.usage_in_bytes", "\n", 1, ""),
    ] as [(Int, String, String, Int, String)])
  func junk(version: Int, file: String, text: String, line: Int, quoted: String) throws {
    let (fixture, reader) = try reader(version, ["a/\(file)": text])
    let path = KernelName("\(fixture.root)/\(CgroupStatusTests.top(version))/a/\(file)")
    #expect(throws: HostError.malformed(path: path, line: line, text: KernelName(quoted))) {
      try reader.status(path: KernelName("/a"))
    }
  }

  @Test("a file that is longer than any the kernel writes is refused")
  func tooLong() throws {
    let (_, reader) = try reader(2, ["a/memory.stat": String(repeating: "x 1\n", count: 20_000)])
    #expect(throws: HostError.self) { try reader.status(path: KernelName("/a")) }
    #expect(try reader.status(path: KernelName("/a"), []) != nil)
  }

  @Test("only what is asked for is read")
  func reading() throws {
    var files = Dictionary(uniqueKeysWithValues: CgroupStatusTests.version2Files.map { ("a/\($0.key)", $0.value) })
    files["a/memory.stat"] = "anon x\n"
    let (_, reader) = try reader(2, files)
    let few = try #require(try reader.status(path: KernelName("/a"), [.pressure]))
    #expect(few.limitBytes == .bytes(8_388_608) && few.peakBytes == 6_000_000 && few.events?.oomKills == 5)
    #expect(try reader.status(path: KernelName("/a"), [.withoutEvents])?.events == nil)
    #expect(few.pressure != nil && few.parts == nil && few.highBytes == nil && few.processCount == nil)
  }

  @Test("the tree is in order, its kills are summed in version 1, and what is too much is counted")
  func tree() throws {
    func control(_ kills: Int) -> String { "oom_kill_disable 0\nunder_oom 0\noom_kill \(kills)\n" }
    let (_, reader) = try reader(
      1,
      [
        "memory.oom_control": control(1), "a/memory.oom_control": control(2), "a/b/memory.oom_control": control(4),
        "a/b/c/memory.oom_control": control(8), "d/memory.oom_control": control(16),
      ])
    func told(_ node: CgroupNode?) -> [String] {
      var lines: [String] = []
      node?.forEach { lines.append("\($1) \($0.cgroup.path!.text) \($0.events?.oomKills ?? -1)") }
      return lines.sorted()
    }
    #expect(told(try reader.tree()) == ["0 / 31", "1 /a 14", "1 /d 16", "2 /a/b 12", "3 /a/b/c 8"])
    #expect(told(try reader.tree(at: KernelName("/a/b"))) == ["0 /a/b 12", "1 /a/b/c 8"])
    #expect(try reader.tree(at: KernelName("/gone")) == nil)
    let flat = try #require(try reader.tree(depthMax: 1))
    #expect(told(flat) == ["0 / 19", "1 /a 2", "1 /d 16"] && flat.omitted == 1)
    let few = try #require(try reader.tree(groupsMax: 2))
    #expect(told(few).count == 2 && few.omitted >= 1)
    let (paths, omitted) = try reader.paths()
    #expect(Set(paths.map(\.text)) == ["/a", "/a/b", "/a/b/c", "/d"] && omitted == 0)
    #expect(paths.firstIndex(of: KernelName("/a"))! < paths.firstIndex(of: KernelName("/a/b"))!)
    #expect(try reader.paths(groupsMax: 1).paths.count == 1)
    #expect(try reader.paths(below: KernelName("/gone")).paths == [])
  }

  @Test("a hostile name is walked like any other")
  func names() throws {
    let (fixture, reader) = try reader(2, [:])
    let hostile = KernelName(bytes: [0xff, 0x0b, 0x20, 0x5c, 0x27, 0x22])
    let folder = KernelName("\(CgroupStatusTests.top(2))").appending(hostile)
    try fixture.write(folder.appending(KernelName("memory.max")), Array("4096\n".utf8))
    let tree = try #require(try reader.tree())
    #expect(tree.children.map(\.status.cgroup.path) == [KernelName("/").appending(hostile)])
    #expect(tree.children.map(\.status.limitBytes) == [.bytes(4096)])
  }
}

@Suite(
  "The status of a real version 1 group", .serialized,
  .enabled(if: Machine.hasMemoryV1, "needs root and a version 1 memory hierarchy at /sys/fs/cgroup/memory"))
struct CgroupStatusLiveTests {
  @Test("a group with a limit and a process in it is told as it is, and is nil after its end")
  func live() throws {
    let reader = try CgroupReader()
    let group = try ScratchCgroup(Array("status".utf8))
    try group.write("memory.limit_in_bytes", "67108864")
    let child = try Child(program: KernelName("/bin/sleep"), arguments: [Array("sleep".utf8), Array("1000".utf8)])
    defer { child.end() }
    try group.write("cgroup.procs", String(child.pid))
    let path = KernelName("/").appending(group.name)
    let status = try #require(try reader.status(path: path))
    #expect(status.cgroup.id == group.id && status.cgroup.version == 1)
    #expect(status.limitBytes == .bytes(67_108_864) && status.swapLimitBytes == .unlimited)
    #expect(status.processCount == 1 && status.events?.oomKills == 0 && status.isKillDisabled == false)
    #expect(status.parts?.anonBytes != nil && status.parts?.inactiveFileBytes != nil && status.currentBytes != nil)
    #expect(try #require(status.peakBytes) >= 0 && status.isKilledAsOne == nil && status.highBytes == nil)
    let root = try #require(try reader.tree())
    var found = 0
    root.forEach { status, _ in found += status.cgroup.path == path ? 1 : 0 }
    #expect(found == 1)
    #expect(try reader.paths().paths.contains(path))
    child.end()
    group.end()
    #expect(try reader.status(path: path) == nil)
  }
}
