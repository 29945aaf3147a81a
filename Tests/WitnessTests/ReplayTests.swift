// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import KernelProbe
import Testing

@testable import Witness

/// Recordings of real kills: beside each a note with the kernel's own words on that very kill, from which these
/// expectations were read.
@Suite struct ReplayTests {
  /// A path beside this file, so that no bundle is needed.
  static func path(_ name: String) -> String {
    let here = #filePath
    return String(here[..<here.lastIndex(of: "/")!]) + "/Fixtures/\(name).oomrec"
  }

  static func replay(_ path: String) throws(Recording.Failure) -> (
    actions: [Assembler.Action], failure: Recording.Failure?
  ) {
    let reader = try Recording.Reader(path: path)
    var configuration = Assembler.Configuration(
      source: reader.context.source, pageSizeBytes: reader.context.pageSizeBytes)
    configuration.seesBadness = reader.context.seesBadness
    configuration.seesMemoryFreed = reader.context.seesMemoryFreed
    configuration.hasManyMemoryNodes = reader.context.hasManyMemoryNodes
    let input = RecordInput(source: reader, configuration: configuration)
    var actions: [Assembler.Action] = []
    input.finish(&actions)
    return (actions, reader.failure)
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// The rows of the kernel's task table, of the victims in their order, as it prints them: pid, uid, tgid, total_vm,
    /// rss, rss_anon, rss_file, rss_shmem, pgtables_bytes, swapents, oom_score_adj, name in hexadecimal.
    var taskTable: [String]
    var roles: [String]
    /// "NAME invoked oom-killer", with the ids that the recorder saw.
    var trigger: String
    var cgroup: String
    /// Ranked: most points first, of equals the later in the kernel's table first.
    var candidates: [String]
    var margin: Pages?
    var ends: [String]
  }

  static let rows = [
    Row(
      testDescription: "single",
      taskTable: ["32166 0 32166 10823 9791 8128 1663 0 131072 0 0 \(hex("python3"))"], roles: ["32166 chosen 1"],
      trigger: "python3 32166/32166", cgroup: "/ow-fx-single", candidates: ["32166 9823"], margin: nil,
      ends: ["32166 true 3944"]),
    Row(
      testDescription: "hostile",
      taskTable: ["1165 0 1165 8843 8370 8128 242 0 114688 0 0 61225c0a1b5b316dff292078"], roles: ["1165 chosen 1"],
      trigger: "a\"\\\n\u{1b}[1m\u{fffd}) x 1165/1165", cgroup: "/ow-fx-hostile", candidates: ["1165 8398"],
      margin: nil,
      ends: ["1165 true 4711"]),
    Row(
      testDescription: "threads",
      taskTable: ["1242 0 1242 33423 8336 8064 272 0 143360 0 0 \(hex("threads"))"], roles: ["1242 chosen 1"],
      trigger: "ow-eater 1242/1246", cgroup: "/ow-fx-threads", candidates: ["1242 8371"], margin: nil,
      ends: ["1242 true 23617"]),
    Row(
      testDescription: "shares",
      taskTable: [
        "1269 0 1269 8843 8396 8128 268 0 110592 0 0 \(hex("ow-sharer"))",
        "1268 0 1268 8843 8396 8128 268 0 110592 0 0 \(hex("share"))",
      ], roles: ["1269 chosen 1", "1268 shares_memory 0"], trigger: "share 1268/1268", cgroup: "/ow-fx-shares",
      candidates: ["1269 8423", "1268 8423"], margin: 0, ends: ["1269 true 2109", "1268 true 630"]),
  ]

  private static func hex(_ text: String) -> String { KernelName(text).hex }

  /// An event in the shape of a row of the kernel's table.
  private static func taskTableRow(_ kill: OOMKill) -> String {
    let (victim, parts) = (kill.victim, kill.badness!.parts)
    let numbers: [Int64] = [
      Int64(victim.pid), Int64(victim.uid!), Int64(victim.pid), victim.totalVMPages!, parts.residentPages,
      parts.anonPages, parts.filePages, parts.shmemPages, parts.pgtablePages * 4096, parts.swapPages,
      Int64(victim.oomScoreAdj!),
    ]
    return numbers.map(String.init).joined(separator: " ") + " " + victim.comm.hex
  }

  @Test("a recorded kill is told again as the kernel told it", arguments: rows)
  func replay(row: Row) throws {
    let (actions, failure) = try ReplayTests.replay(ReplayTests.path(row.testDescription))
    #expect(failure == nil)
    #expect(actions.roles == row.roles)
    #expect(actions.kills.map(ReplayTests.taskTableRow) == row.taskTable)
    #expect(actions.noKills.isEmpty && actions.lostKernelCount == 0)
    for kill in actions.kills {
      let trigger = try #require(kill.trigger)
      #expect("\(trigger.comm!.text) \(trigger.pid!)/\(trigger.tid!)" == row.trigger)
      #expect(trigger.isVictim == (trigger.pid == kill.victim.pid))
      #expect(kill.victim.cgroup?.path == KernelName(row.cgroup))
      // constraint=CONSTRAINT_MEMCG, oom_memcg=..., limit_in_bytes of 32 MiB, no swap on the host.
      #expect(kill.scope == .memcg)
      #expect(kill.limit?.cgroup?.path == KernelName(row.cgroup))
      #expect(kill.limit?.limit == .pages(8192))
      #expect(kill.limit?.totalPages == 8192)
      #expect(kill.limit?.ancestors.map(\.path) == [KernelName("/")])
      #expect(kill.candidates?.list.map { "\($0.pid) \($0.points!)" } == row.candidates)
      #expect(kill.candidates?.list.map(\.rank) == Array(1...row.candidates.count))
      #expect(kill.candidates?.runnerUpMarginPages == row.margin)
      #expect(kill.candidates?.considered == row.candidates.count)
      #expect(kill.source == .tracepoint)
    }
    let ends = actions.outcomes.map { "\($0.pid) \($0.exited) \($0.exitMicroseconds ?? -1)" }
    #expect(ends == row.ends)
    let types = actions.map { if case .tell = $0 { "kill" } else { "end" } }
    #expect(types == types.sorted { $0 > $1 }, "an end was told before its kill")
  }

  @Test("a damaged recording is told or refused, and never ends the program", arguments: rows)
  func damaged(row: Row) throws {
    let original = ReplayTests.path(row.testDescription)
    let file = try #require(fopen(original, "re"))
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    bytes.removeLast(bytes.count - count)
    fclose(file)
    var template = Array("/tmp/oomwitness-replay-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    let copy = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    defer {
      close(descriptor)
      unlink(copy)
    }
    try #require(bytes.count == pwrite(descriptor, bytes, bytes.count, 0))
    for offset in bytes.indices {
      for value in [0x7f, 0xff] as [UInt8] where value != bytes[offset] {
        pwrite(descriptor, [value], 1, off_t(offset))
        do throws(Recording.Failure) {
          let (actions, _) = try ReplayTests.replay(copy)
          // Whatever it says can be said as a line.
          let told = actions.filter { if case .lose = $0 { false } else { true } }
          #expect(actions.lines.count == told.count)
        } catch {
          #expect(offset < 48, "byte \(offset): \(error)")
        }
      }
      pwrite(descriptor, [bytes[offset]], 1, off_t(offset))
    }
  }
}
