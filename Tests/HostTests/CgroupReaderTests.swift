// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("Control groups are read in both versions")
final class CgroupReaderTests {
  /// Kept until the test is over: a tree that nobody holds is removed.
  private var fixtures: [Fixture] = []

  private func reader(version: Int, _ files: [String: String]) throws -> (Fixture, CgroupReader) {
    let mount = version == 2 ? CgroupHierarchyTests.v2 : CgroupHierarchyTests.v1
    let top = version == 2 ? "sys/fs/cgroup/unified" : "sys/fs/cgroup/memory"
    var tree = ["proc/self/mountinfo": mount + "\n", "\(top)/cgroup.controllers": "memory\n"]
    for (path, text) in files { tree["\(top)/\(path)"] = text }
    let fixture = try Fixture(tree)
    fixtures.append(fixture)
    return (fixture, try CgroupReader(procRoot: "\(fixture.root)/proc", root: fixture.root, pageSizeBytes: 4096))
  }

  @Test("Version 2 says max for no limit, and the root has no files")
  func version2() throws {
    let (_, reader) = try reader(
      version: 2,
      [
        "a/memory.max": "8192\n", "a/memory.current": "4097\n", "a/memory.swap.max": "max\n",
        "a/memory.swap.current": "0\n", "a/b/memory.max": "max\n", "a/b/memory.current": "0\n",
        "a/memory.events": "low 0\nhigh 0\nmax 3\noom 2\noom_kill 5\noom_group_kill 1\n",
      ])
    let a = CgroupMemory(limit: .pages(2), usagePages: 1, swapLimit: .unlimited, swapUsagePages: 0)
    #expect(try reader.limits(path: KernelName("/a")) == a)
    #expect(try reader.limits(path: KernelName("/a/b")) == CgroupMemory(limit: .unlimited, usagePages: 0))
    #expect(try reader.limits(path: KernelName("/")) == CgroupMemory())
    #expect(try reader.limits(path: KernelName("/gone")) == nil)
    #expect(try reader.limits(path: KernelName("/../../../proc")) == nil)
    #expect(try reader.oomKillCount(path: KernelName("/a")) == 5)
    #expect(try reader.oomKillCount(path: KernelName("/a/b")) == nil)
    #expect(try reader.oomKillCount(path: KernelName("/gone")) == nil)
    let ancestors = try reader.ancestors(of: KernelName("/a/b/c"))
    #expect(ancestors.map(\.path) == ["/a/b", "/a", "/"].map { KernelName($0) })
    #expect(ancestors.map(\.limit) == [.unlimited, .pages(2), nil])
    #expect(ancestors.map(\.usagePages) == [0, 1, nil])
    #expect(try reader.ancestors(of: KernelName("/")).isEmpty)
  }

  @Test("Version 1 counts swap together with memory, and prints a great number for no limit")
  func version1() throws {
    let none = "9223372036854771712\n"
    let rows: [([String: String], CgroupMemory)] = [
      (
        ["limit_in_bytes": none, "usage_in_bytes": "8192\n", "memsw.limit_in_bytes": none],
        CgroupMemory(limit: .unlimited, usagePages: 2, swapLimit: .unlimited)
      ),
      (
        [
          "limit_in_bytes": "12288\n", "usage_in_bytes": "8192\n", "memsw.limit_in_bytes": none,
          "memsw.usage_in_bytes": "8192",
        ],
        CgroupMemory(limit: .pages(3), usagePages: 2, swapLimit: .unlimited, swapUsagePages: 0)
      ),
      (
        [
          "limit_in_bytes": "12288\n", "usage_in_bytes": "8192\n", "memsw.limit_in_bytes": "20480\n",
          "memsw.usage_in_bytes": "12288\n",
        ], CgroupMemory(limit: .pages(3), usagePages: 2, swapLimit: .pages(2), swapUsagePages: 1)
      ),
      (
        [
          "limit_in_bytes": "12288\n", "usage_in_bytes": "8192\n", "memsw.limit_in_bytes": "4096\n",
          "memsw.usage_in_bytes": "0\n",
        ],
        CgroupMemory(limit: .pages(3), usagePages: 2, swapLimit: .pages(0), swapUsagePages: 0)
      ),
      (["limit_in_bytes": "0\n"], CgroupMemory(limit: .pages(0))),
    ]
    for (files, expected) in rows {
      let tree = Dictionary(uniqueKeysWithValues: files.map { ("a/memory.\($0.key)", $0.value) })
      let (_, reader) = try reader(version: 1, tree)
      #expect(try reader.limits(path: KernelName("/a")) == expected, "\(files)")
    }
    let (_, reader) = try reader(
      version: 1,
      [
        "a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "b/memory.oom_control": "under_oom 0\n",
      ])
    #expect(try reader.oomKillCount(path: KernelName("/a")) == 2)
    #expect(try reader.oomKillCount(path: KernelName("/b")) == nil)
  }

  @Test("Junk in a file is told", arguments: ["", "x\n", "maximum\n", "1 2\n", "9223372036854775808\n", "max \n"])
  func junk(text: String) throws {
    let (fixture, reader) = try reader(version: 2, ["a/memory.max": text])
    let path = KernelName("\(fixture.root)/sys/fs/cgroup/unified/a/memory.max")
    let line = text.hasSuffix("\n") ? String(text.dropLast()) : text
    #expect(throws: HostError.malformed(path: path, line: 1, text: KernelName(line))) {
      try reader.limits(path: KernelName("/a"))
    }
  }

  @Test("Names of any bytes are found, and a deep tree is told up to the limit")
  func names() throws {
    let (fixture, reader) = try reader(version: 2, [:])
    let hostile = KernelName(bytes: [0xff, 0x20, 0x5c, 0x27, 0x22])
    let folder = KernelName("sys/fs/cgroup/unified").appending(hostile)
    try fixture.write(folder.appending(KernelName("memory.max")), Array("4096\n".utf8))
    let path = KernelName("/").appending(hostile)
    #expect(try reader.limits(path: path) == CgroupMemory(limit: .pages(1)))
    let deep = KernelName(String(repeating: "/x", count: 200))
    let ancestors = try reader.ancestors(of: deep)
    #expect(ancestors.count == CgroupReader.ancestorLimit)
    #expect(ancestors.first?.path == KernelName(String(repeating: "/x", count: 199)))
  }

  @Test("Without a hierarchy every answer is nil")
  func none() throws {
    let fixture = try Fixture(["proc/self/mountinfo": CgroupHierarchyTests.root + "\n"])
    let reader = try CgroupReader(procRoot: "\(fixture.root)/proc", root: fixture.root)
    #expect(reader.hierarchy == nil)
    #expect(reader.path(forID: 1) == nil)
    #expect(try reader.limits(path: KernelName("/")) == nil)
    #expect(try reader.oomKillCount(path: KernelName("/")) == nil)
  }

  @Test("An id on a file system without kernfs handles is nil, and the refusal is kept")
  func foreignMount() throws {
    let (_, reader) = try reader(version: 2, ["a/memory.max": "max\n"])
    #expect(reader.path(forID: 1) == nil)
    guard case .system(.openByHandle, _, let code)? = reader.idRefusal else {
      // ESTALE is no refusal: some file systems look at the handle's type first.
      #expect(reader.idRefusal == nil)
      return
    }
    #expect([EPERM, EOPNOTSUPP, EINVAL].contains(code))
  }
}

/// A scratch group of this machine's version 1 memory hierarchy, removed at the end of its life.
final class ScratchCgroup {
  let name: KernelName
  private(set) var directory: KernelName

  init(_ suffix: [UInt8]) throws {
    name = KernelName(bytes: Array("oomwitness-host-\(getpid())-".utf8) + suffix)
    directory = KernelName("/sys/fs/cgroup/memory").appending(name)
    let made = directory.withPath { mkdir($0, 0o755) }
    try #require(made == 0, "errno \(errno)")
  }

  deinit { end() }

  func end() { _ = directory.withPath { rmdir($0) } }

  var id: UInt64 {
    var status = stat()
    return directory.withPath { stat($0, &status) } == 0 ? UInt64(status.st_ino) : 0
  }

  func write(_ file: String, _ text: String) throws {
    let descriptor = try #require(directory.appending(KernelName(file)).withPath { open($0, O_WRONLY) })
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
  }
}

@Suite(
  "This machine's version 1 memory hierarchy is read",
  .enabled(if: Machine.hasMemoryV1, "needs root and a version 1 memory hierarchy at /sys/fs/cgroup/memory"))
struct CgroupLiveTests {
  @Test("The hierarchy is found, and its root has no limit and no parent")
  func hierarchy() throws {
    let reader = try CgroupReader()
    let expected = CgroupHierarchy(
      version: 1, mountPoint: KernelName("/sys/fs/cgroup/memory"), mountRoot: KernelName("/"))
    #expect(reader.hierarchy == expected)
    let root = try #require(try reader.limits(path: KernelName("/")))
    #expect(root.limit == .unlimited)
    #expect(try #require(root.usagePages) > 0)
    #expect(try #require(try reader.oomKillCount(path: KernelName("/"))) >= 0)
    #expect(reader.path(forID: 1) == KernelName("/"))
  }

  @Test(
    "A group is found by its id under any name, and still named after its end",
    arguments: [
      Array("plain".utf8), Array("with blank (deleted)".utf8), [0xff, 0x5c, 0x22, 0xc3] + Array("'\u{1b}[31m".utf8),
    ])
  func pathForID(suffix: [UInt8]) throws {
    let reader = try CgroupReader()
    let group = try ScratchCgroup(suffix)
    let path = KernelName("/").appending(group.name)
    let id = group.id
    #expect(reader.path(forID: id) == path)
    group.end()
    #expect(reader.path(forID: id) == path)
    #expect(try CgroupReader().path(forID: id) == nil)
    #expect(reader.idRefusal == nil)
    #expect(try reader.limits(path: path) == nil)
  }

  @Test("A limit that was set is read, and its ancestors up to the root")
  func limits() throws {
    let reader = try CgroupReader()
    let group = try ScratchCgroup(Array("limit".utf8))
    try group.write("memory.limit_in_bytes", "67108864")
    let path = KernelName("/").appending(group.name)
    let memory = try #require(try reader.limits(path: path))
    #expect(memory.limit == .pages(Pages(67_108_864 / getpagesize())))
    #expect(memory.usagePages == 0)
    #expect(memory.swapLimit == .unlimited)
    #expect(memory.swapUsagePages == 0)
    #expect(try reader.oomKillCount(path: path) == 0)
    let ancestors = try reader.ancestors(of: path)
    #expect(ancestors.map(\.path) == [KernelName("/")])
    #expect(ancestors.map(\.limit) == [.unlimited])
  }

  @Test("A process is told in the group that it was put into")
  func membership() throws {
    let group = try ScratchCgroup(Array("member".utf8))
    let child = try Child(program: KernelName("/bin/sleep"), arguments: [Array("sleep".utf8), Array("1000".utf8)])
    defer { child.end() }
    try group.write("cgroup.procs", String(child.pid))
    let facts = try #require(try ProcReader().process(pid: child.pid))
    #expect(facts.cgroup == CgroupRef(path: KernelName("/").appending(group.name), version: 1))
  }

  @Test("A file of a group that ends while it is open says that it is gone")
  func endWhileOpen() throws {
    let group = try ScratchCgroup(Array("open".utf8))
    let file = group.directory.appending(KernelName("memory.usage_in_bytes"))
    let descriptor = try #require(file.withPath { open($0, O_RDONLY) })
    defer { close(descriptor) }
    group.end()
    var byte: UInt8 = 0
    guard case .failure(let code) = SystemCall.retrying({ read(descriptor, &byte, 1) }) else {
      Issue.record("the file of a removed group was read")
      return
    }
    #expect(code == ENODEV)
    #expect(SystemCall.Outcome.isGone(code))
  }

  @Test("An id that never was is nil, and no refusal")
  func unknown() throws {
    let reader = try CgroupReader()
    for id in [0, UInt64.max, 1 << 40] as [UInt64] { #expect(reader.path(forID: id) == nil, "\(id)") }
    #expect(reader.idRefusal == nil)
  }
}
