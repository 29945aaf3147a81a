// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// A real kill, kept as it happens, with the memory before it.
@Suite(
  .serialized, .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct HistoryRecordTests {
  @Test(
    "a kill is kept with what came of it and with the memory before it, and is there before the stream ends",
    arguments: ["auto", "proc"])
  func record(read: String) throws {
    let folder = "/tmp/oomwitness-test-record-\(UUID().uuidString)"
    mkdir(folder, 0o755)
    defer { _ = Program.run("/bin/rm", ["-rf", folder]) }
    let database = folder + "/kept/history.db"
    let fifo = folder + "/stream"
    #expect(mkfifo(fifo, 0o600) == 0)
    let recorder = Program(
      "/bin/sh",
      ["-c", "exec '\(Program.oomwitness)' history record --read \(read) --database '\(database)' < '\(fifo)'"])
    let writeEnd = open(fifo, O_WRONLY | O_CLOEXEC)
    try #require(writeEnd >= 0)
    let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson"], output: writeEnd)
    close(writeEnd)
    func history(_ arguments: String...) -> Program.Ended {
      Program.run(Program.oomwitness, ["history", arguments[0], "--database", database] + arguments.dropFirst())
    }
    func arrives(_ type: String) -> Bool {
      for _ in 0..<300 {
        if history("export", "--type", type).output.contains(type) { return true }
        usleep(100_000)
      }
      return false
    }
    #expect(arrives("stream_start"))
    let group = "oomwitness-record-\(getpid())-\(read)"
    let cgroup = ScratchCgroup(group, limitBytes: 32 << 20)
    _ = cgroup.run(KillTests.hog)
    #expect(arrives("oom_outcome"))
    let list = history("list", "--cgroup", "/\(group)", "--output", "json").output
    let row = try #require(Line.all(in: String(list.dropFirst().dropLast(2))).first)
    #expect(row.value(["has_memory"]) as? Bool == true)
    let id = "\(try #require(row.number("id")))"
    let shown = history("show", id, "--output", "json").output
    #expect(SchemaJudge.judged("history.v1.schema.json", shown) == "judged: True\n")
    let document = Line.all(in: shown)[0]
    let first = try #require(document.array("memory_before", "processes")?.first as? [String: Any])
    let victim = Line(object: first)
    #expect(victim.number("pid") == document.number("event", "victim", "pid"))
    #expect(victim.value(["is_victim"]) as? Bool == true)
    let parts = ["anon_pages", "file_pages", "shmem_pages"].map {
      document.number("event", "badness", "breakdown", $0)!
    }
    #expect((victim.array("resident_pages") as? [Int])?.last == parts.reduce(0, +))
    #expect(document.text("outcome", "event", "type") == "oom_outcome")
    let text = history("show", id).output
    #expect(text.contains("before the kill\n"), "\(text)")
    #expect(text.contains("(victim)"))
    #expect(text.contains("memory available"))
    tracer.signal(SIGTERM)
    _ = tracer.wait()
    let ended = recorder.wait()
    #expect(ended.status == 0)
    #expect(ended.errors == "")
    #expect(arrives("stream_end"))
  }
}
