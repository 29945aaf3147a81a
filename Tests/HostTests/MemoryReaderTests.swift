// SPDX-License-Identifier: Apache-2.0

import Events
import Glibc
import Host
import Testing

@Suite("The host's memory is what /proc says")
final class MemoryReaderTests {
  /// Kept until the test is over: a tree that nobody holds is removed.
  private var fixtures: [Fixture] = []

  /// Linux 6.18, `cat /proc/meminfo`, shortened.
  static let meminfo = """
    MemTotal:       24684084 kB
    MemFree:        24128520 kB
    MemAvailable:   24358956 kB
    Buffers:             692 kB
    Cached:           414576 kB
    SwapCached:            0 kB
    Shmem:              8872 kB
    Slab:              79868 kB
    SReclaimable:      58188 kB
    SUnreclaim:        21680 kB
    PageTables:         1908 kB
    SwapTotal:          1024 kB
    SwapFree:              7 kB
    HugePages_Total:       0
    Hugepagesize:       2048 kB

    """

  private func reader(_ files: [String: String]) throws -> (Fixture, MemoryReader) {
    let fixture = try Fixture(files)
    fixtures.append(fixture)
    return (fixture, try MemoryReader(procRoot: fixture.root, pageSizeBytes: 4096))
  }

  @Test("Every field that we tell is in whole pages")
  func state() throws {
    let (_, reader) = try reader(["meminfo": MemoryReaderTests.meminfo])
    var expected = MemoryState()
    expected.totalPages = 6_171_021
    expected.freePages = 6_032_130
    expected.availablePages = 6_089_739
    expected.buffersPages = 173
    expected.cachedPages = 103_644
    expected.shmemPages = 2218
    expected.slabReclaimablePages = 14_547
    expected.slabUnreclaimablePages = 5420
    expected.pageTablesPages = 477
    expected.swapTotalPages = 256
    expected.swapFreePages = 1
    #expect(try reader.state().map { "\($0)" } == "\(expected)")
  }

  @Test("What the file does not have is absent, and a missing file is nil")
  func absent() throws {
    let (_, reader) = try reader(["meminfo": "MemFree: 8 kB\n"])
    var expected = MemoryState()
    expected.freePages = 2
    #expect(try reader.state().map { "\($0)" } == "\(expected)")
    let (_, empty) = try self.reader(["vmstat": ""])
    #expect(try empty.state() == nil)
    #expect(try empty.pressure() == nil)
    #expect(try empty.oomKillCount() == nil)
    #expect(try empty.sysctl("vm/panic_on_oom") == nil)
  }

  @Test(
    "Junk in meminfo is told with its line",
    arguments: [
      ("MemTotal", 1), ("MemTotal:", 1), ("MemTotal: 1", 1), ("MemTotal: 1 MB", 1), ("MemTotal: -1 kB", 1),
      ("MemTotal: 9223372036854775807 kB", 1), ("MemTotal: 99999999999999999999 kB", 1), ("MemFree: 1 kB x", 1),
      ("Unknown: what\nSwapFree: x kB", 2),
    ])
  func junkMeminfo(text: String, line: Int) throws {
    let (fixture, reader) = try reader(["meminfo": text])
    let last = String(text.split(separator: "\n").last!)
    let error = HostError.malformed(path: KernelName("\(fixture.root)/meminfo"), line: line, text: KernelName(last))
    #expect(throws: error) { try reader.state() }
  }

  @Test(
    "The kernel's count of kills is the line of that very name",
    arguments: [
      ("nr_free_pages 1\noom_kill 42\n", 42), ("oom_kill_x 1\n", nil), ("xoom_kill 1\n", nil), ("", nil),
      ("oom_kill 9223372036854775807", Int64.max),
    ] as [(String, Int64?)])
  func killCount(text: String, count: Int64?) throws {
    let (_, reader) = try reader(["vmstat": text])
    #expect(try reader.oomKillCount() == count)
  }

  @Test(
    "Junk in the count is told", arguments: ["oom_kill ", "oom_kill x", "oom_kill -1", "oom_kill 9223372036854775808"])
  func junkCount(text: String) throws {
    let (fixture, reader) = try reader(["vmstat": "first 1\n\(text)\n"])
    let path = KernelName("\(fixture.root)/vmstat")
    #expect(throws: HostError.malformed(path: path, line: 2, text: KernelName(text))) { try reader.oomKillCount() }
  }

  @Test("Pressure is in hundredths and microseconds; full may be missing")
  func pressure() throws {
    let some = "some avg10=0.25 avg60=12.34 avg300=100.00 total=9970\n"
    let line = PressureStall.Line(
      average10Hundredths: 25, average60Hundredths: 1234, average300Hundredths: 10_000, totalMicroseconds: 9970)
    let zero = PressureStall.Line(
      average10Hundredths: 0, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 0)
    let full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    for (text, expected) in [
      (some, PressureStall(some: line, full: nil)), (some + full, PressureStall(some: line, full: zero)),
      (full + some + "later x\n", PressureStall(some: line, full: zero)),
    ] {
      let (_, reader) = try reader(["pressure/memory": text])
      #expect(try reader.pressure().map { "\($0)" } == "\(expected)")
    }
  }

  @Test(
    "Junk in the pressure file is told",
    arguments: [
      "", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0", "some", "some avg10=0.00 avg60=0.00 avg300=0.00",
      "some avg10=0 avg60=0.00 avg300=0.00 total=0", "some avg10=0.0 avg60=0.00 avg300=0.00 total=0",
      "some avg10=.00 avg60=0.00 avg300=0.00 total=0", "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1",
      "some avg10=92233720368547758.08 avg60=0.00 avg300=0.00 total=0",
    ])
  func junkPressure(text: String) throws {
    let (fixture, reader) = try reader(["pressure/memory": text])
    let path = KernelName("\(fixture.root)/pressure/memory")
    #expect(throws: HostError.malformed(path: path, line: 1, text: KernelName(text))) { try reader.pressure() }
  }

  @Test("A setting is one number")
  func sysctl() throws {
    let (fixture, reader) = try reader(["sys/vm/one": "1\n", "sys/vm/less": "-7\n", "sys/vm/two": "1\t2\n"])
    #expect(try reader.sysctl("vm/one") == 1)
    #expect(try reader.sysctl("vm/less") == -7)
    let path = KernelName("\(fixture.root)/sys/vm/two")
    #expect(throws: HostError.malformed(path: path, line: 1, text: KernelName("1\t2"))) { try reader.sysctl("vm/two") }
  }

  @Test("This machine's files are understood")
  func live() throws {
    let reader = try MemoryReader()
    let state = try #require(try reader.state())
    let total = try #require(state.totalPages)
    #expect(total == Pages(sysconf(Int32(_SC_PHYS_PAGES))))
    #expect(try #require(state.freePages) < total)
    #expect(try #require(try reader.oomKillCount()) >= 0)
    #expect(try #require(try reader.sysctl("vm/oom_kill_allocating_task")) >= 0)
  }
}

@Suite("The kernel wakes us under memory pressure")
struct PressureTriggerTests {
  @Test(
    "Events of a poll have one meaning each",
    arguments: [
      (POLLPRI, .stalled), (POLLERR, .withdrawn), (POLLERR | POLLPRI, .withdrawn), (POLLNVAL, .withdrawn), (0, .quiet),
      (POLLIN, .quiet),
    ] as [(Int32, PressureTrigger.Signal)])
  func signal(events: Int32, signal: PressureTrigger.Signal) {
    #expect(PressureTrigger.signal(pollEvents: Int16(events)) == signal)
  }

  @Test("A missing file is an error, since nothing would ever wake us")
  func missing() {
    let path = "/proc/pressure/none"
    #expect(throws: HostError.system(operation: .open, path: KernelName(path), errno: ENOENT)) {
      _ = try PressureTrigger(path: path)
    }
  }

  @Test("The wish is written with its NUL")
  func wish() throws {
    let fixture = try Fixture(["memory": ""])
    do { _ = try PressureTrigger(path: "\(fixture.root)/memory", kind: .full, stallMicroseconds: 7) }
    let directory = try Directory(path: fixture.root)
    let contents = try #require(try FileReader().contents(KernelName("memory"), in: directory))
    #expect(Array(contents.bytes) == Array("full 7 2000000\0".utf8))
  }

  @Test(
    "The kernel of this machine takes the default trigger, refuses a senseless one, and closing gives it back",
    .enabled(if: Machine.hasPressure, "needs /proc/pressure/memory to be writable"))
  func live() throws {
    let refused = HostError.system(operation: .write, path: KernelName("/proc/pressure/memory"), errno: EINVAL)
    #expect(throws: refused) { _ = try PressureTrigger(stallMicroseconds: 3_000_000) }
    let descriptor: Int32
    do {
      let trigger = try PressureTrigger()
      descriptor = trigger.descriptor
      #expect([.quiet, .stalled].contains(try trigger.wait(timeoutMilliseconds: 0)))
      #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
    }
    #expect(linkOfDescriptor(descriptor) != "/proc/pressure/memory")
  }

  /// Another thread may have opened another file under the number meanwhile.
  private func linkOfDescriptor(_ descriptor: Int32) -> String? {
    (try? Directory(path: "/proc/self/fd").link(KernelName(String(descriptor))))?.text
  }
}
