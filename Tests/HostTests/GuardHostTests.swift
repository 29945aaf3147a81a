// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@testable import Host

/// What the guard reads and holds, in place and without the heap.
@Suite struct GuardHostTests {
  private static func with<Value>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Value) -> Value {
    Array(text.utf8).withUnsafeBytes(body)
  }

  private static func text(_ bytes: UnsafeRawBufferPointer?) -> String? {
    bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("a word that is a number is read where it lies, and nothing else is one")
  func words() {
    for (text, index, expected) in [
      ("12\n", 0, 12), ("-1000\n", 0, -1000), ("a 7", 1, 7), ("1 2 3", 2, 3), ("1 2 3", 3, nil), ("", 0, nil),
      ("12x", 0, nil), ("-", 0, nil), ("9223372036854775807", 0, Int64.max), ("9223372036854775808", 0, nil),
      ("  5", 0, 5), ("1  2", 1, 2),
    ] as [(String, Int, Int64?)] {
      #expect(GuardHostTests.with(text) { GuardFiles.word(index, of: $0[...]) } == expected, "\(text)")
    }
  }

  @Test("lines are found by their key, averages by theirs")
  func lines() {
    let stat = "inactive_file 12\nactive_file 30\nxactive_file 7\n"
    #expect(GuardHostTests.with(stat) { GuardFiles.value("active_file ", in: $0) } == 30)
    #expect(GuardHostTests.with(stat) { GuardFiles.value("file ", in: $0) } == nil)
    #expect(GuardHostTests.with("MemTotal:   24 kB\n") { GuardFiles.value("MemTotal:", in: $0) } == 24)
    let stalls = "some avg10=1.50 avg60=0.00\nfull avg10=100.00 avg60=0.00\n"
    #expect(GuardHostTests.with(stalls) { GuardFiles.average10("full ", in: $0) } == 10_000)
    #expect(GuardHostTests.with(stalls) { GuardFiles.average10("some ", in: $0) } == 150)
    for junk in [
      "full avg10=1.5", "full avg10=", "full avg10=x.yz", "full avg10=.", "full", "full avg10=99999999999999.00",
    ] {
      #expect(GuardHostTests.with(junk) { GuardFiles.average10("full ", in: $0) } == nil, "\(junk)")
    }
  }

  @Test(
    "groups, units and containers are found in what /proc says",
    arguments: [
      ("0::/a/b\n", "/a/b", nil, nil), ("4:memory:/x\n0::/y\n", "/x", nil, nil),
      ("0::/y\n4:cpu,memory:/x\n", "/x", nil, nil),
      ("4:memoryx:/x\n", nil, nil, nil), ("", nil, nil, nil), ("x\n::\n0:a:/b\n", nil, nil, nil),
      ("0::/system.slice/db.service\n", "/system.slice/db.service", "db.service", nil),
      ("0::/system.slice/nodot/db.service\n", "/system.slice/nodot/db.service", nil, nil),
      ("0::/a.slice\n", "/a.slice", nil, nil),
    ] as [(String, String?, String?, String?)])
  func groups(text: String, path: String?, unit: String?, container: String?) {
    GuardHostTests.with(text) { bytes in
      let group = GuardFiles.memoryGroup(bytes)
      #expect(GuardHostTests.text(group) == path)
      #expect(GuardHostTests.text(group.flatMap(GuardFiles.unit)) == unit)
      #expect(GuardHostTests.text(group.flatMap(GuardFiles.container)) == container)
    }
  }

  @Test("a container is the innermost run of 64 hexadecimal digits")
  func containers() {
    let (one, other) = (String(repeating: "0a", count: 32), String(repeating: "f1", count: 32))
    for (path, expected) in [
      ("/docker/\(one)", one), ("/system.slice/docker-\(one).scope", one), ("/\(one)/kubepods/\(other)", other),
      ("/\(one)0", nil), ("/\(one.dropLast())", nil), ("/\(one.uppercased())", nil),
    ] {
      GuardHostTests.with(path) { #expect(GuardHostTests.text(GuardFiles.container($0)) == expected, "\(path)") }
    }
  }

  // MARK: A group that is a folder

  /// A folder that looks like a control group, with what is in it.
  private final class Folder {
    let path: String
    let descriptor: Int32

    init(_ name: String, _ files: [String: String]) {
      path = "/tmp/oomwitness-guard-\(name)-\(getpid())"
      for file in files.keys.sorted() {
        var folder = path
        mkdir(folder, 0o755)
        for part in file.split(separator: "/").dropLast() {
          folder += "/" + part
          mkdir(folder, 0o755)
        }
        Files.write(files[file]!, to: path + "/" + file)
      }
      descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    deinit {
      close(descriptor)
      _ = Program.run("/bin/rm", ["-r", path])
    }
  }

  @Test("a group's memory is its limit less what it uses, with what its cache can give back")
  func groupReading() throws {
    let mebibyte = 1 << 20
    let folder = Folder(
      "v2",
      [
        "memory.current": "\(48 * mebibyte)\n", "memory.max": "\(64 * mebibyte)\n",
        "memory.stat":
          "anon 1\nfile_dirty \(2 * mebibyte)\ninactive_file \(12 * mebibyte)\nactive_file \(10 * mebibyte)\nslab_reclaimable 0\n",
      ])
    let meter = try GuardMeter(cgroup: (folder.descriptor, 2), watchesPressure: false, pageSizeBytes: 4096)
    let reading = try #require(meter.reading())
    #expect(meter.hasLimit && reading.totalPages == 16_384)
    // 16 MiB below the limit, 22 of cache, of which a 64th of the limit stays.
    #expect(reading.availablePages == (16 + 22) * 256 - 256)
    Files.write("max\n", to: folder.path + "/memory.max")
    let unlimited = try GuardMeter(cgroup: (folder.descriptor, 2), watchesPressure: false, pageSizeBytes: 4096)
    #expect(!unlimited.hasLimit && unlimited.reading() != nil)
    unlink(folder.path + "/memory.current")
    #expect(try GuardMeter(cgroup: (folder.descriptor, 2), watchesPressure: true).reading() == nil)
  }

  @Test("version 1 counts memory and swap together, and what is below by its total lines")
  func groupReading1() throws {
    let mebibyte = 1 << 20
    let folder = Folder(
      "v1",
      [
        "memory.usage_in_bytes": "\(60 * mebibyte)\n", "memory.limit_in_bytes": "\(64 * mebibyte)\n",
        "memory.stat": "inactive_file 999999999\ntotal_inactive_file 0\ntotal_active_file 0\n",
        "memory.memsw.usage_in_bytes": "\(62 * mebibyte)\n", "memory.memsw.limit_in_bytes": "\(65 * mebibyte)\n",
      ])
    let reading = try #require(
      try GuardMeter(cgroup: (folder.descriptor, 1), watchesPressure: false, pageSizeBytes: 4096).reading())
    #expect(reading.availablePages == 4 * 256)
    // A host without swap has none for a group either.
    #expect(reading.swapTotalPages <= 256 && reading.swapFreePages <= reading.swapTotalPages)
  }

  @Test("a group is walked with what is below it, itself, init and what patterns spare left out")
  func walk() throws {
    let sleepers = (0..<4).map { _ in Program("/bin/sleep", ["60"]) }
    defer {
      for sleeper in sleepers {
        sleeper.signal(SIGKILL)
        _ = sleeper.wait()
      }
    }
    let many = String(repeating: "4194304\n", count: 2000)
    let folder = Folder(
      "walk",
      [
        "cgroup.procs": "\(getpid())\n1\n\(sleepers[0].pid)\n", "a/cgroup.procs": many + "\(sleepers[1].pid)\n",
        "a/b/cgroup.procs": "\(sleepers[2].pid)\n", "c/cgroup.procs": "\(sleepers[3].pid)\n0\n",
      ])
    let scanner = try GuardScanner()
    let found = scanner.scan(.group(descriptor: folder.descriptor), by: .badness, domainPages: 1 << 20) {
      $0 == sleepers[3].pid ? .never : .may(bonusPermille: $0 == sleepers[2].pid ? 450 : 0)
    }
    scanner.readAll()
    #expect(found && Set(scanner.candidates.map(\.pid)) == Set(sleepers[..<3].map(\.pid)))
    let first = try #require(scanner.candidates.first)
    #expect(first.pid == sleepers[2].pid && first.bonusPages == 450 * ((1 << 20) / 1000))
    #expect(first.comm.name.text == "sleep" && first.ppid == getpid() && first.parts.residentPages > 0)
    #expect(first.points == first.parts.totalPages + Pages(first.oomScoreAdj) * ((1 << 20) / 1000))
    scanner.remember(stuck: first)
    _ = scanner.scan(.group(descriptor: folder.descriptor), by: .rss, domainPages: 1 << 20) { _ in
      .may(bonusPermille: 0)
    }
    scanner.readAll()
    #expect(!scanner.candidates.contains { $0.pid == first.pid } && scanner.candidates.count == 3)
    scanner.keepDetails(of: sleepers[0].pid)
    #expect(GuardHostTests.text(scanner.exe)?.hasSuffix("/sleep") == true && scanner.cgroup?.first == 0x2f)
  }

  @Test("the first of the host are those whom the kernel shows first, however they are read")
  func host() throws {
    let scanner = try GuardScanner()
    let pages: Pages = 1 << 22
    #expect(scanner.scan(.host, by: .badness, domainPages: pages) { _ in .may(bonusPermille: 0) })
    #expect(scanner.considered > 1 && !scanner.candidates.contains { $0.pid == 1 || $0.pid == getpid() })
    let ranks = scanner.candidates.map { $0.rank(.badness) }
    #expect(ranks == ranks.sorted(by: >))
    #expect(!scanner.candidates.contains { $0.oomScoreAdj == -1000 })
  }

  // MARK: Victims

  @Test("a held process is signalled, waited for, and gone; another start is not held")
  func targets() throws {
    let sleeper = Program("/bin/sleep", ["60"])
    let folder = Folder("held", ["cgroup.procs": "\(sleeper.pid)\n"])
    let scanner = try GuardScanner()
    _ = scanner.scan(.group(descriptor: folder.descriptor), by: .badness, domainPages: 1 << 20) { _ in
      .may(bonusPermille: 0)
    }
    let candidate = try #require(scanner.candidates.first)
    let targets = GuardTargets(scanner)
    var other = candidate
    other.startTimeTicks += 1
    #expect(!targets.hold(other) && targets.count == 0 && !targets.areGone)
    #expect(targets.hold(candidate) && targets.contains(pid: sleeper.pid) && targets.signal(0))
    #expect(!targets.wait(nanoseconds: 1_000_000, other: -1) && !targets.areGone)
    // It lives: its memory is not taken. The kernel has the call, or not.
    #expect([EINVAL, ENOSYS].contains(targets.takeMemory()))
    #expect(targets.signal(SIGTERM))
    for _ in 0..<200 where !targets.areGone { _ = targets.wait(nanoseconds: 50_000_000, other: -1) }
    #expect(targets.areGone && sleeper.wait().status == 128 + SIGTERM)
    targets.release()
    #expect(!targets.hold(candidate), "it is reaped")
  }

  // MARK: What may have to wait

  /// Two counters that both threads see: what was done, and what lets it go on.
  private final class Gate: @unchecked Sendable {
    let ends: (reader: Int32, writer: Int32)
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var doneCount = 0

    init() {
      var pair: [Int32] = [-1, -1]
      pipe(&pair)
      ends = (pair[0], pair[1])
      pthread_mutex_init(lock, nil)
    }

    func work() {
      var byte: UInt8 = 0
      _ = read(ends.reader, &byte, 1)
      pthread_mutex_lock(lock)
      doneCount += 1
      pthread_mutex_unlock(lock)
    }

    func open() {
      var byte: UInt8 = 1
      _ = write(ends.writer, &byte, 1)
    }

    var count: Int {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      return doneCount
    }
  }

  @Test("an errand that hangs keeps nobody, is not sent twice, and is back once it is done")
  func errand() throws {
    let gate = Gate()
    var errand: GuardErrand? = try GuardErrand("a test") { gate.work() }
    #expect(errand!.isBack() && !errand!.isOut)
    errand!.send()
    #expect(errand!.isOut && !errand!.isBack() && !errand!.isBack(waitingMilliseconds: 20))
    errand!.send()
    gate.open()
    #expect(errand!.isBack(waitingMilliseconds: 10_000) && !errand!.isOut && gate.count == 1)
    errand!.send()
    // Nobody waits any more: the thread ends when it is back, and its answer is no signal.
    errand = nil
    gate.open()
    for _ in 0..<1000 where gate.count < 2 { usleep(5000) }
    #expect(gate.count == 2)
  }

  @Test("the arguments of the very process are read, and of no other that has its pid")
  func arguments() throws {
    let sleeper = Program("/bin/sh", ["-c", "sleep 60; :", "name", "", "two words", "\u{1b}[31m", ""])
    defer {
      sleeper.signal(SIGKILL)
      _ = sleeper.wait()
    }
    for _ in 0..<1000 where Files.text("/proc/\(sleeper.pid)/comm") != "sh\n" { usleep(5000) }
    let files = try GuardFiles(root: "/proc", pageSizeBytes: 4096)
    var candidate = try #require(files.candidate(sleeper.pid, domainPages: 1 << 20))
    let reader = try GuardArguments()
    #expect(reader.list(of: sleeper.pid) == nil, "nobody has asked")
    func list() -> [KernelName]? {
      reader.ask(of: candidate)
      for _ in 0..<2000 {
        reader.wait()
        if let list = reader.list(of: candidate.pid) { return list }
      }
      return nil
    }
    let expected = ["/bin/sh", "-c", "sleep 60; :", "name", "", "two words", "\u{1b}[31m"]
    #expect(list() == expected.map { KernelName($0) })
    #expect(reader.list(of: 1) == nil)
    candidate.startTimeTicks += 1
    #expect(list() == nil)
    #expect(files.cgroup(of: candidate) == nil)
    candidate.startTimeTicks -= 1
    #expect(GuardHostTests.text(files.cgroup(of: candidate))?.first == "/")
  }
}
