// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import KernelProbe
import TestSupport
import Testing

/// The root tier: the kernel's ranking against the iterator's processes, ranked here.
@Suite struct TaskRankingTests {
  static let refusal: String? = Kernel.refusal { () throws(ProbeError) in _ = try TaskRanking() }
  private static let domainPages: Pages = 6_000_000

  private static func points(_ process: ProcessSnapshot) -> Pages {
    Badness.points(process.parts, oomScoreAdj: process.oomScoreAdj, domainPages: domainPages)
  }

  /// Those that would be taken first by the iterator's account, in the order of their start, without their groups.
  private static func expected(_ count: Int, among pids: Set<Int32>) throws -> [ProcessSnapshot] {
    let iterator = try TaskIterator()
    var all: [ProcessSnapshot] = []
    try iterator.forEach { if pids.contains($0.pid), $0.skipped == nil { all.append($0) } }
    func start(_ process: ProcessSnapshot) -> Int64 { process.startBootNanoseconds ?? 0 }
    all.sort { (points($0), start($0)) > (points($1), start($1)) }
    return all.prefix(count).sorted { start($0) < start($1) }.map {
      var process = $0
      process.cgroup = nil
      return process
    }
  }

  @Test(
    "the first of 80 sleepers, of equals the later, and one whose leader is gone",
    .enabled(if: refusal == nil || Kernel.mustRun, "\(refusal ?? "")"))
  func sleepers() throws {
    var sleepers: [KernelTests.Sleeper] = []
    for index in 0..<80 {
      let sleeper = try KernelTests.Sleeper()
      sleepers.append(sleeper)
      // Above all else on this host, and of five kinds: sleepers hold about the same, so there are equals.
      try adjust(sleeper.pid, 700 + index % 5)
    }
    let headless = Program("/usr/bin/python3", ["-c", TaskRankingTests.headless])
    defer {
      headless.signal(SIGKILL)
      _ = headless.wait()
    }
    try adjust(headless.pid, 999)
    let isHeadless = Kernel.comesTrue { KernelTests.status(headless.pid)?["State"]?.hasPrefix("Z") == true }
    try #require(isHeadless, "the leader never went")
    let pids = Set(sleepers.map(\.pid) + [headless.pid])
    let ranking = try TaskRanking()
    for count in [1, 5, 64] {
      let first = try ranking.first(count, domainPages: TaskRankingTests.domainPages)
      #expect(first == (try TaskRankingTests.expected(count, among: pids)))
      let found = try #require(first.first { $0.pid == headless.pid })
      #expect(found.tid != found.pid)
    }
  }

  @Test(
    "one at least and as many as there is room for", .enabled(if: refusal == nil || Kernel.mustRun, "\(refusal ?? "")"))
  func bounds() throws {
    let ranking = try TaskRanking()
    let sleepers = try (0..<70).map { _ in try KernelTests.Sleeper() }
    #expect(try ranking.first(0, domainPages: 1000).count == 1)
    #expect(try ranking.first(1000, domainPages: 1000).count == TaskRanking.countMax)
    withExtendedLifetime(sleepers) {}
  }

  /// exit(2) by the leader alone.
  private static let headless = """
    import ctypes, os, threading, time
    threading.Thread(target=time.sleep, args=(1000,)).start()
    ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
    """

  private func adjust(_ pid: Int32, _ value: Int) throws {
    let file = try #require(fopen("/proc/\(pid)/oom_score_adj", "we"))
    fputs("\(value)", file)
    try #require(fclose(file) == 0)
  }
}
