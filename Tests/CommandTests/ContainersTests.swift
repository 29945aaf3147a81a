// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// `oomwitness containers` over groups that are named as engines name them, with real kills in them.
@Suite(
  .serialized, .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct ContainersTests {
  private static let hog = "/usr/bin/python3 -c 'x=[bytearray(1<<20) for _ in range(200)]'"

  private static func rows() throws -> [Line] {
    let ended = Program.run(Program.oomwitness, ["containers", "--output", "ndjson"])
    #expect(ended.status == 0, "\(ended.errors)")
    return Line.all(in: ended.output)
  }

  private static func row(_ id: String) throws -> Line {
    let own = try rows().filter { $0.text("container", "id") == id }
    #expect(own.count == 1)
    return try #require(own.first)
  }

  @Test("a child's kill while pid 1 lives on is counted, dated and named; the rest is told as the kernel has it")
  func killedChild() throws {
    RealKills.awaitReports()
    let groups = ScratchGroups()
    let id = MadeID.next()
    let path = groups.add("docker/\(id)", limitBytes: 32 << 20)
    groups.add("docker/\(id)/inner")
    let began = Date().timeIntervalSince1970
    let first = groups.start("{ \(ContainersTests.hog); echo dead; exec sleep 1000; }", in: path)
    #expect(first.waitForOutput(containing: "dead"))
    let row = try ContainersTests.row(id)
    #expect(row.text("container", "runtime") == "docker" && row.text("cgroup", "path") == path)
    #expect(row.number("kills") == 1 && row.text("verdict") == "killed")
    #expect(row.text("last_kill", "comm") == "python3")
    #expect(row.number("last_kill", "pid") != Int(first.pid))
    let formatter = ISO8601DateFormatter()
    let text = try #require(row.text("last_kill", "time"))
    let time = try #require(formatter.date(from: String(text.prefix(19)) + "Z")).timeIntervalSince1970
    #expect(abs(time - began) < 60, "\(text)")
    #expect(row.number("limit_bytes") == 32 << 20 && row.text("binding", "path") == path)
    #expect((row.number("peak_bytes") ?? 0) > 30 << 20)
    #expect((row.number("current_bytes") ?? .max) < 32 << 20)
    let table = Program.run(Program.oomwitness, ["containers"]).output
    let line = try #require(table.split(separator: "\n").first { $0.contains(id.prefix(12)) })
    #expect(table.hasPrefix("RUNTIME ") && line.hasSuffix("killed once"), "\(line)")
    #expect(line.contains("Z python3 (pid "), "\(line)")
  }

  @Test("a pod's limit is the one that is told where it is the nearest, with a verdict for each kind")
  func verdicts() throws {
    let groups = ScratchGroups()
    let uid = "29b7441c-63a1-4548-896d-ace74c0bf03c"
    let pod = groups.add("kubepods/pod\(uid)", limitBytes: 32 << 20)
    let (inPod, alone, full) = (MadeID.next(), MadeID.next(), MadeID.next())
    groups.add("kubepods/pod\(uid)/\(inPod)")
    groups.add("docker/\(alone)")
    let fullPath = groups.add("docker/\(full)", limitBytes: 32 << 20)
    let idle = try ContainersTests.row(inPod)
    #expect(idle.text("binding", "path") == pod && idle.text("verdict") == "fine")
    #expect(idle.value(["unlimited"]) as? Bool == true && idle.text("kubernetes", "pod_uid") == uid)
    #expect(try ContainersTests.row(alone).text("verdict") == "no_limit")
    #expect(try ContainersTests.row(alone).value(["binding"]) == nil)
    // Filled to 95 percent, whatever the interpreter holds itself.
    let fill =
      "import time;p=open(\"\(ScratchGroups.top)\(fullPath)/memory.usage_in_bytes\");x=[]\n"
      + "while int(open(p.name).read())<(305<<20)//10: x.append(bytearray(1<<17))\nprint(1,flush=True);time.sleep(1000)"
    let filler = groups.start("exec /usr/bin/python3 -c '\(fill)'", in: fullPath)
    #expect(filler.waitForOutput(containing: "1"))
    let near = try ContainersTests.row(full)
    #expect(near.text("verdict") == "near_limit", "\(near.object)")
    #expect((near.value(["used_percent"]) as? Double ?? 0) >= 90)
  }

  @Test(
    "the events are those of containers alone, a process that is not pid 1 named; who is killed by hand is not told")
  func events() throws {
    let groups = ScratchGroups()
    let id = MadeID.next()
    let path = groups.add("docker/\(id)", limitBytes: 32 << 20)
    let other = groups.add("plain", limitBytes: 32 << 20)
    let follower = Program(Program.oomwitness, ["containers", "--events"])
    #expect(follower.waitForOutput(containing: "stream_start"))
    let plain = groups.start(ContainersTests.hog, in: other)
    #expect(plain.wait().status == 137)
    let byHand = groups.start("exec sleep 1000", in: path)
    byHand.signal(SIGKILL)
    #expect(byHand.wait().status == 137)
    let first = groups.start("{ \(ContainersTests.hog); echo dead; exec sleep 1000; }", in: path)
    #expect(first.waitForOutput(containing: "dead"))
    #expect(follower.waitForOutput(containing: "\"type\":\"oom_kill\""))
    follower.signal(SIGTERM)
    let ended = follower.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    let kills = Line.all(in: ended.output).filter { $0.type == "oom_kill" }
    #expect(kills.compactMap { $0.text("victim", "cgroup", "path") } == [path])
    #expect(kills.first?.text("victim", "comm") == "python3")
    #expect(kills.first?.number("victim", "pid") != Int(first.pid))
  }

  @Test(
    "each row is what its schema allows", .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
  func schema() throws {
    let groups = ScratchGroups()
    groups.add("docker/\(MadeID.next())", limitBytes: 32 << 20)
    groups.add("kubepods/pod\(MadeID.next().prefix(32))/\(MadeID.next())")
    for arguments in [["--output", "json"], ["--output", "ndjson"], ["--watch=0.1", "--duration", "0.25"]] {
      let ended = Program.run(Program.oomwitness, ["containers"] + arguments)
      #expect(SchemaJudge.judged("containers.v1.schema.json", ended.output) == "judged: True\n", "\(arguments)")
    }
  }

  @Test(
    "wrong usage is a sentence and 64",
    arguments: [
      (["--count", "1"], "Error: --count is for --events"),
      (["--duration", "1"], "Error: --duration is for --events and --watch"),
      (["--events", "--watch"], "Error: --events follows kills and --watch the list: one at a time"),
      (["--watch=0"], "Error: --watch takes 0.1 to 86400 seconds, not 0.0"),
      (["--events", "--output", "table"], "Error: --events writes ndjson, nothing else"),
      (["--events", "--count", "0"], "Error: --count takes a number from 1, not 0"),
      (["--events", "--duration", "nan"], "Error: --duration takes seconds above 0, not nan"), (["x"], "Error: "),
    ])
  func badInput(arguments: [String], sentence: String) {
    let ended = Program.run(Program.oomwitness, ["containers"] + arguments)
    #expect(ended.status == 64 && ended.output == "")
    #expect(ended.errors.hasPrefix(sentence), "\(ended.errors)")
  }
}
