// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Testing

@testable import Host

@Suite("A process is what /proc says of it")
final class ProcReaderTests {
  /// Kept until the test is over: a tree that nobody holds is removed.
  private var fixtures: [Fixture] = []

  private func reader(_ process: ProcFixture...) throws -> (Fixture, ProcReader) {
    let fixture = try Fixture()
    fixtures.append(fixture)
    for process in process { try process.write(to: fixture) }
    return (fixture, try ProcReader(root: fixture.root, pageSizeBytes: 4096))
  }

  @Test("All files of a process become its facts")
  func all() throws {
    let (fixture, reader) = try reader(ProcFixture(), ProcFixture(pid: 1, comm: Array("systemd".utf8)))
    try fixture.link("42/exe", to: Array("/usr/bin/worker (deleted)".utf8))
    var expected = ProcFixture.facts
    expected.exe = KernelName("/usr/bin/worker (deleted)")
    expected.parentComm = KernelName("systemd")
    #expect(try reader.process(pid: 42) == expected)
    #expect(try reader.startTimeTicks(pid: 42) == 167_098)
    #expect(try reader.pids().sorted() == [1, 42])
  }

  @Test("A process that is gone is nil, at each step of its going")
  func gone() throws {
    let (fixture, reader) = try reader()
    #expect(try reader.process(pid: 42) == nil)
    #expect(try reader.process(pid: -1) == nil)
    #expect(try reader.startTimeTicks(pid: 42) == nil)
    #expect(try reader.residentPages(pid: 42) == nil)
    #expect(try reader.comm(pid: 42) == nil)
    fixture.makeDirectory("42")
    #expect(try reader.process(pid: 42) == nil)
    try fixture.write(KernelName("42/stat"), ProcFixture().stat)
    #expect(try reader.process(pid: 42) == nil)
    try fixture.write(KernelName("42/status"), Array(ProcFixture().status.utf8))
    var expected = ProcFixture.facts
    expected.oomScore = nil
    expected.oomScoreAdj = nil
    expected.cmdline = nil
    expected.cgroup = nil
    #expect(try reader.process(pid: 42) == expected)
  }

  @Test(
    "A name may be anything, and forges no field",
    arguments: [
      "", ")", "(", "a b", ") R 1 1 1", "a) S 0 0 (", "x\ny", "\u{1b}[31m", "((((", "))))", "\n", "a\tb",
    ])
  func names(name: String) throws {
    var process = ProcFixture()
    process.comm = Array(name.utf8)
    process.ppid = 7
    var parent = process
    parent.pid = 7
    let (_, reader) = try reader(process, parent)
    var expected = ProcFixture.facts
    expected.comm = KernelName(name)
    expected.ppid = 7
    expected.parentComm = KernelName(name)
    #expect(try reader.process(pid: 42) == expected)
  }

  @Test("A name of broken UTF-8 keeps its bytes")
  func brokenName() throws {
    var process = ProcFixture()
    process.comm = [0xff, 0x29, 0xc3, 0x28]
    let (_, reader) = try reader(process)
    #expect(try reader.process(pid: 42)?.comm.bytes == [0xff, 0x29, 0xc3, 0x28])
  }

  @Test(
    "A command line is its arguments, up to the limits",
    arguments: [
      ([], [], false), ([0, 0, 0], [], false), (Array("a\0".utf8), ["a"], false), (Array("a".utf8), ["a"], false),
      (Array("a\0\0b\0".utf8), ["a", "", "b"], false), (Array("title\0\0\0\0".utf8), ["title"], false),
      (Array("\0a\0".utf8), ["", "a"], false), (Array("a\nb\0".utf8), ["a\nb"], false),
      (Array(repeating: [0x61, 0], count: 1024).flatMap { $0 }, Array(repeating: "a", count: 1024), false),
      (Array(repeating: [0x61, 0], count: 1025).flatMap { $0 }, Array(repeating: "a", count: 1024), true),
      ([UInt8](repeating: 0x61, count: 65_536), [String(repeating: "a", count: 65_536)], false),
      ([UInt8](repeating: 0x61, count: 65_537), [String(repeating: "a", count: 65_536)], true),
    ] as [([UInt8], [String], Bool)])
  func cmdline(bytes: [UInt8], arguments: [String], isTruncated: Bool) throws {
    var process = ProcFixture()
    process.cmdline = bytes
    let (_, reader) = try reader(process)
    var expected = ProcFixture.facts
    expected.cmdline = arguments.map { KernelName($0) }
    expected.isCmdlineTruncated = isTruncated
    #expect(try reader.process(pid: 42) == expected)
  }

  @Test("A kernel thread has an empty command line, a zombie none")
  func withoutMemory() throws {
    var process = ProcFixture()
    process.status = "Tgid:\t42\nUid:\t0\t0\t0\t0\n"
    process.cmdline = []
    for (flags, cmdline) in [(0x0020_0040, []), (0x40, nil)] as [(UInt32, [KernelName]?)] {
      process.flags = flags
      let (_, reader) = try reader(process)
      let facts = try #require(try reader.process(pid: 42))
      #expect(facts.cmdline == cmdline)
      #expect(facts.isKernelThread == (flags != 0x40))
      #expect(facts.parts == nil)
    }
  }

  @Test(
    "The control group is that of the memory hierarchy",
    arguments: [
      ("0::/\n", "/", 2), ("0::/a b/c:d\n", "/a b/c:d", 2), ("0::/gone (deleted)\n", "/gone", 2),
      ("2:cpu,memory,pids:/x\n0::/y\n", "/x", 1), ("0::/y\n2:memory:/x\n", "/x", 1),
      ("3:name=memory:/z\n0::/y\n", "/y", 2), ("3:memoryx:/z\n0::/y\n", "/y", 2),
      ("4:memory:/gone (deleted)\n", "/gone (deleted)", 1), ("0::/../..\n", "/../..", 2), ("3:cpu:/z\n", nil, nil),
      ("", nil, nil),
    ] as [(String, String?, Int?)])
  func cgroup(text: String, path: String?, version: Int?) throws {
    var process = ProcFixture()
    process.cgroup = text
    let (_, reader) = try reader(process)
    var expected = ProcFixture.facts
    expected.cgroup = path.map { CgroupRef(path: KernelName($0), version: version) }
    #expect(try reader.process(pid: 42) == expected)
  }

  @Test(
    "Junk in any file is told with path and line",
    arguments: [
      ("stat", "", 1, ""), ("stat", "42 worker S", 1, "42 worker S"), ("stat", "42 )(", 1, "42 )("),
      ("stat", "42 (a) S 1 2 3", 1, "42 (a) S 1 2 3"), ("status", "", 1, ""), ("status", "Tgid:\tx\n", 1, "Tgid:\tx"),
      ("status", "Tgid:\t1\nUid:\t1\n", 2, "Uid:\t1"), ("status", "Name:\tx\nTgid:\t1\n", 2, "Tgid:\t1"),
      ("status", "RssAnon:\t99999999999999999999 kB", 1, "RssAnon:\t99999999999999999999 kB"),
      ("status", "VmSwap:\t9223372036854775807 kB", 1, "VmSwap:\t9223372036854775807 kB"),
      ("status", "VmSwap:\t-1 kB", 1, "VmSwap:\t-1 kB"),
      ("status", "Uid:\t0\t4294967296\t0\t0", 1, "Uid:\t0\t4294967296\t0\t0"),
      ("oom_score", "", 1, ""), ("oom_score_adj", "1 2\n", 1, "1 2"), ("cgroup", "0::/\nx\n", 2, "x"),
      ("cgroup", "0::relative\n", 1, "0::relative"), ("cgroup", "-1:memory:/\n", 1, "-1:memory:/"),
      ("statm", "", 1, ""), ("statm", "1 -2\n", 1, "1 -2"),
    ])
  func junk(file: String, text: String, line: Int, quoted: String) throws {
    let (fixture, reader) = try reader(ProcFixture())
    try fixture.write(KernelName("42/\(file)"), Array(text.utf8))
    let path = KernelName("\(fixture.root)/42/\(file)")
    #expect(throws: HostError.malformed(path: path, line: line, text: KernelName(quoted))) {
      _ = try reader.process(pid: 42)
      _ = try reader.residentPages(pid: 42)
    }
  }

  @Test("Every shortened stat file is told, and none crashes")
  func shortened() throws {
    let (fixture, reader) = try reader(ProcFixture())
    let whole = ProcFixture().stat
    /// Up to field 48, the last that we read, a shorter file cannot be whole.
    let needed = whole.split(separator: 0x20).prefix(47).map { $0.count + 1 }.reduce(0, +)
    for count in 0..<needed {
      try fixture.write(KernelName("42/stat"), Array(whole[..<count]))
      #expect(throws: HostError.self, "\(count) bytes") { try reader.startTimeTicks(pid: 42) }
    }
  }

  @Test("The greatest numbers of the kernel fit, greater ones are told")
  func greatest() throws {
    let (fixture, reader) = try reader()
    let zeros = String(repeating: " 0", count: 40)
    func stat(vsize: String, start: String) -> [UInt8] {
      Array("42 (a) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0 1 0 \(start) \(vsize) 5\(zeros)".utf8)
    }
    let most = String(UInt64.max)
    try fixture.write(KernelName("42/stat"), stat(vsize: most, start: most))
    try fixture.write(KernelName("42/status"), Array(ProcFixture().status.utf8))
    let facts = try #require(try reader.process(pid: 42))
    #expect(facts.startTimeTicks == UInt64.max)
    #expect(facts.totalVMPages == Pages(UInt64.max / 4096))
    try fixture.write(KernelName("42/stat"), stat(vsize: "0", start: most + "0"))
    #expect(throws: HostError.self) { try reader.process(pid: 42) }
  }

  @Test("Only whole numbers that are pids are listed")
  func pids() throws {
    let (fixture, reader) = try reader()
    for name in ["1", "42", "2147483647", "2147483648", "-1", "1a", "self", "sys"] { fixture.makeDirectory(name) }
    #expect(try reader.pids().sorted() == [1, 42, 2_147_483_647])
  }
}

@Suite("The processes of this machine are read")
struct ProcReaderLiveTests {
  @Test("This process knows itself")
  func own() throws {
    let reader = try ProcReader()
    let facts = try #require(try reader.process(pid: getpid()))
    #expect(facts.tgid == getpid())
    #expect(facts.ppid == getppid())
    #expect(facts.uid == geteuid())
    #expect(facts.cmdline?.map(\.text) == CommandLine.arguments)
    #expect(facts.parentComm != nil)
    #expect(facts.startTimeTicks > 0)
    #expect(try #require(facts.parts).anonPages > 0)
    #expect(try reader.pids().contains(getpid()))
    #expect(try #require(try reader.residentPages(pid: getpid())) > 0)
  }

  @Test("A child's hostile name, arguments and removed program are told byte by byte, until it is gone")
  func hostileChild() throws {
    let fixture = try Fixture()
    let name = Array("x) R 1 (\n".utf8) + [0xff, 0xc3] + Array("'\"".utf8)
    let program = try Child.sleeper(in: fixture, name: name)
    let arguments: [[UInt8]] = [Array("sl) 0 (eep\n".utf8), Array("100".utf8), Array("0".utf8)]
    let child = try Child(program: program, arguments: arguments)
    let reader = try ProcReader()
    #expect(program.withPath { unlink($0) } == 0)
    let facts = try #require(try reader.process(pid: child.pid))
    #expect(facts.comm.bytes == name)
    #expect(facts.cmdline?.map(\.bytes) == arguments)
    #expect(facts.ppid == getpid())
    #expect(facts.parentComm == (try reader.comm(pid: getpid())))
    #expect(facts.exe == KernelName(bytes: program.bytes + Array(" (deleted)".utf8)))
    #expect(try reader.startTimeTicks(pid: child.pid) == facts.startTimeTicks)
    kill(child.pid, SIGKILL)
    var zombie = siginfo_t()
    #expect(waitid(P_PID, id_t(child.pid), &zombie, WEXITED | WNOWAIT) == 0)
    let dead = try #require(try reader.process(pid: child.pid))
    #expect(dead.startTimeTicks == facts.startTimeTicks)
    #expect(dead.cmdline == nil && dead.exe == nil && dead.parts == nil)
    child.end()
    #expect(try reader.process(pid: child.pid) == nil)
  }

  @Test("Every process of this machine is read, or gone")
  func everyProcess() throws {
    let reader = try ProcReader()
    let facts = try reader.pids().compactMap { pid throws in try reader.process(pid: pid) }
    #expect(facts.first { $0.pid == getpid() }?.cgroup != nil)
    #expect(facts.allSatisfy { $0.pid == $0.tgid })
  }
}
