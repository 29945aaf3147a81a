// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Testing

@testable import KernelProbe

/// What a test needs of the machine. Where OOMWITNESS_MUST_RUN=1 the test runs all the same, and fails by itself.
enum Kernel {
  static var mustRun: Bool { getenv("OOMWITNESS_MUST_RUN").map { String(cString: $0) } == "1" }

  /// Why no iterator can be had here; nil where one can.
  static let iteratorRefusal: String? = refusal { () throws(ProbeError) in
    _ = try TaskIterator()
  }

  /// Whether it comes to be so within five seconds.
  static func comesTrue(_ condition: () -> Bool) -> Bool {
    for _ in 0..<5000 {
      if condition() { return true }
      usleep(1000)
    }
    return condition()
  }

  static func refusal(_ body: () throws(ProbeError) -> Void) -> String? {
    do throws(ProbeError) {
      try body()
      return nil
    } catch {
      return "\(error)"
    }
  }
}

/// The root tier: the real kernel.
@Suite struct KernelTests {
  /// Lines of /proc/PID/status by their key; nil where the process is gone.
  static func status(_ pid: Int32) -> [String: String]? {
    guard let file = fopen("/proc/\(pid)/status", "re") else { return nil }
    defer { fclose(file) }
    var lines: [String: String] = [:]
    var buffer = [CChar](repeating: 0, count: 4096)
    while fgets(&buffer, Int32(buffer.count), file) != nil {
      let line = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      lines[String(line[..<colon])] = String(value.prefix { $0 != "\n" })
    }
    return lines.isEmpty ? nil : lines
  }

  private static func firstNumber(_ text: String?) -> Int64? {
    text.flatMap { Int64(String($0.prefix { $0.isNumber || $0 == "-" })) }
  }

  private static func contents(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = fread(&buffer, 1, buffer.count, file)
    return String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  private static func snapshots() throws -> [Int32: ProcessSnapshot] {
    let iterator = try TaskIterator()
    var tasks: [Int32: ProcessSnapshot] = [:]
    try iterator.forEach { task in
      #expect(tasks[task.pid] == nil, "pid \(task.pid) came twice")
      tasks[task.pid] = task
    }
    return tasks
  }

  /// A child that sleeps, so that its numbers stand still; killed and reaped at the end of its life.
  final class Sleeper {
    let pid: pid_t

    init() throws {
      var child: pid_t = 0
      let argv = [strdup("sleep"), strdup("1000"), nil]
      defer { for pointer in argv { free(pointer) } }
      try #require(posix_spawn(&child, "/bin/sleep", nil, nil, argv, nil) == 0)
      pid = child
      try #require(Kernel.comesTrue { isAsleep }, "the child never began to sleep")
    }

    private var isAsleep: Bool {
      let status = KernelTests.status(pid)
      return status?["Name"] == "sleep" && status?["State"]?.hasPrefix("S") == true
    }

    deinit {
      kill(pid, SIGKILL)
      while waitpid(pid, nil, 0) < 0, errno == EINTR {}
    }
  }

  @Test(
    "the iterator's process is that of /proc: name, owner, adjustment, start and memory",
    .enabled(if: Kernel.iteratorRefusal == nil || Kernel.mustRun, "\(Kernel.iteratorRefusal ?? "")"))
  func sleeper() throws {
    let sleeper = try Sleeper()
    let adjFile = try #require(fopen("/proc/\(sleeper.pid)/oom_score_adj", "we"))
    fputs("317", adjFile)
    fclose(adjFile)
    let task = try #require(try KernelTests.snapshots()[sleeper.pid])
    let status = try #require(KernelTests.status(sleeper.pid))
    #expect(task.comm.name == KernelName("sleep"))
    #expect(Int64(task.uid) == KernelTests.firstNumber(status["Uid"]))
    #expect(task.oomScoreAdj == 317)
    let stat = try #require(KernelTests.contents("/proc/\(sleeper.pid)/stat"))
    let fields = stat[stat.index(after: stat.lastIndex(of: ")")!)...].split(separator: " ")
    let ticks = try #require(task.startBootNanoseconds) / (1_000_000_000 / Int64(sysconf(Int32(_SC_CLK_TCK))))
    #expect("\(ticks)" == fields[19])
    // Its counters stand still; the iterator may read them without the parts that each CPU holds back.
    let page = Int64(getpagesize() / 1024)
    let batch = Int64(2 * 32 * max(1, sysconf(Int32(_SC_NPROCESSORS_CONF))))
    for (key, pages) in [
      ("RssAnon", task.parts.anonPages), ("RssFile", task.parts.filePages), ("RssShmem", task.parts.shmemPages),
      ("VmSwap", task.parts.swapPages), ("VmPTE", task.parts.pgtablePages),
    ] {
      let expected = try #require(KernelTests.firstNumber(status[key])) / page
      #expect(abs(pages - expected) <= batch, "\(key): \(pages), /proc says \(expected)")
    }
    #expect(task.parts.pgtablePages == KernelTests.firstNumber(status["VmPTE"])! / page)
    #expect(task.parts.residentPages > 0)
  }

  @Test(
    "the iterator gives all user processes of /proc, this one among them, and kernel threads as such",
    .enabled(if: Kernel.iteratorRefusal == nil || Kernel.mustRun, "\(Kernel.iteratorRefusal ?? "")"))
  func allProcesses() throws {
    func userPIDs() -> Set<Int32> {
      var pids: Set<Int32> = []
      guard let folder = opendir("/proc") else { return [] }
      defer { closedir(folder) }
      while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) {
          String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
        }
        if let pid = Int32(name), KernelTests.status(pid)?["Kthread"] == "0" { pids.insert(pid) }
      }
      return pids
    }
    let before = userPIDs()
    let tasks = try KernelTests.snapshots()
    let after = userPIDs()
    try #require(!before.isEmpty, "this kernel's status has no Kthread line")
    #expect(tasks[getpid()] != nil)
    // Those that were there all the time must be; those that were there at no time must not.
    let stayed = before.intersection(after)
    // The kernel of our development host shows no program its pid 1, which is never a victim anyhow.
    #expect(stayed.subtracting(tasks.keys).subtracting([1]).isEmpty)
    let threads = Set(tasks.values.filter { $0.skipped == .kernelThread }.map(\.pid))
    let strangers = Set(tasks.keys).subtracting(threads).subtracting(before).subtracting(after)
    #expect(strangers.filter { kill($0, 0) == 0 }.isEmpty)
    // Who is told as a kernel thread is one, by the kernel's own word, if it is still there.
    #expect(!threads.isEmpty)
    let others = threads.filter { (KernelTests.status($0)?["Kthread"] ?? "1") != "1" }
    #expect(others.isEmpty)
    let own = try #require(tasks[getpid()])
    #expect(own.oomScoreAdj == Int(KernelTests.contents("/proc/self/oom_score_adj")!.prefix { $0 != "\n" }))
    #expect(own.uid == getuid())
    #expect(own.comm.name.text == KernelTests.contents("/proc/self/comm")!.prefix { $0 != "\n" })
  }

  /// Why no rung can be had here; nil where one can.
  static let ladderRefusal: String? = {
    var refusals: [String] = []
    if Ladder().attachFirst(
      ProbeSettings(), refused: { refusals.append("\($0.rung.rawValue): \($0.error)") }) == nil
    {
      return refusals.joined(separator: "; ")
    }
    return nil
  }()

  @Test(
    "the ladder attaches the first rung that the kernel allows, and says why those above were refused",
    .enabled(if: ladderRefusal == nil || Kernel.mustRun, "\(ladderRefusal ?? "")"))
  func ladder() throws {
    var refused: [ProbeRung] = []
    var settings = ProbeSettings(candidatesListed: 20)
    settings.ringBytes = 5000
    let attached = Ladder().attachFirst(settings) { refused.append($0.rung) }
    guard let attached else {
      Issue.record("no rung: \(KernelTests.ladderRefusal ?? "")")
      return
    }
    let rung = attached.rung
    #expect(refused + [rung] == Array(ProbeRung.allCases.prefix(refused.count + 1)))
    #expect(attached.descriptor >= 0)
    let missing = attached.probes.filter { $0.refusal != nil }.map(\.name)
    let attachedNames = attached.probes.filter { $0.refusal == nil }.map(\.name)
    #expect(attachedNames.contains("raw_tp:signal_generate") && attachedNames.contains("raw_tp:mark_victim"))
    #expect(Set(missing).isDisjoint(with: attachedNames))
    #expect(attached.losses == LossCounters())
  }

  @Test("a rung that is not asked for is not tried")
  func emptyLadder() {
    var refused = 0
    let attached = Ladder(rungs: []).attachFirst(ProbeSettings()) { _ in refused += 1 }
    let isAttached = attached != nil
    #expect(!isAttached)
    #expect(refused == 0)
  }

  static let sizes: [(Int, UInt32)] = [
    (-1, UInt32(getpagesize())), (0, UInt32(getpagesize())), (1, UInt32(getpagesize())), (65_535, 65_536),
    (65_536, 65_536), (65_537, 131_072), (4 << 20, 4 << 20), (1 << 31, 1 << 31), (.max, 1 << 31),
  ]

  @Test("a ring is as large as a power of two of at least a page", arguments: sizes)
  func ringSize(wanted: Int, entries: UInt32) {
    #expect(ProbeSettings.ringEntries(wanted) == entries)
  }

  @Test("symbols are found by their whole names, in the kernel and in modules; a list that is not there has none")
  func symbols() throws {
    let path = try RecordingTests.Path()
    let text = """
      ffffffff81000000 T out_of_memory
      ffffffff81000010 t oom_badness.part.0
      ffffffff81000020 T oom_kill_process_not
      ffffffffc0000000 t exit_mmap\t[module]
      junk
      """
    try path.write(Array(text.utf8))
    let wanted = ["out_of_memory", "oom_badness", "oom_badness.part.0", "oom_kill_process", "exit_mmap", "junk"]
    let listed = KernelSymbols(interesting: wanted, kallsymsPath: path.path).listed
    #expect(listed == ["out_of_memory", "oom_badness.part.0", "exit_mmap"])
    #expect(KernelSymbols(interesting: wanted, kallsymsPath: "/nowhere").listed == [])
  }

  @Test("a function's code ends where the next symbol begins, and is not known where addresses are hidden")
  func code() throws {
    let path = try RecordingTests.Path()
    let text = """
      ffffffff81000000 T out_of_memory
      ffffffff81000000 T alias
      ffffffff81000040 t moom_callback
      ffffffff81000080 t next
      0000000000000000 T oom_kill_process
      ffffffff81000090 t last

      """
    try path.write(Array(text.utf8))
    let wanted = ["out_of_memory", "moom_callback", "oom_kill_process", "last"]
    let symbols = KernelSymbols(interesting: wanted, kallsymsPath: path.path)
    #expect(symbols.listed.count == 4)
    #expect(
      symbols.code == [
        "out_of_memory": 0xffff_ffff_8100_0000..<0xffff_ffff_8100_0040,
        "moom_callback": 0xffff_ffff_8100_0040..<0xffff_ffff_8100_0080,
      ])
  }
}
