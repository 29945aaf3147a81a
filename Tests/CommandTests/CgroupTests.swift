// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// `oomwitness cgroup` over real groups of version 1.
@Suite(.enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct CgroupTests {
  private static func cgroup(_ arguments: [String]) -> Program.Ended {
    Program.run(Program.oomwitness, ["cgroup"] + arguments)
  }

  private static func report(_ name: String, _ more: [String] = []) throws -> Line {
    let ended = cgroup([name, "--output", "json"] + more)
    #expect(ended.status == 0, "\(ended.errors)")
    return try #require(Line.all(in: ended.output).first)
  }

  private static let uid = "19b7441c-63a1-4548-896d-ace74c0bf03c"

  @Test("a path, a pid, the beginning of a container's id, a pod's uid and a unit all name the group that is meant")
  func names() throws {
    let groups = ScratchGroups()
    let id = MadeID.next()
    let uid = "\(MadeID.next().prefix(16).suffix(8))-63a1-4548-896d-\(MadeID.next().prefix(16).suffix(12))"
    let container = groups.add("kubepods/burstable/pod\(uid)/\(id)")
    groups.add("kubepods/burstable/pod\(uid)/\(id)/inner")
    let unit = groups.add("\(groups.name).service")
    let sleeper = groups.start("exec sleep 1000", in: container)
    for (name, path) in [
      (container, container), (String(container.dropFirst()), container), ("\(sleeper.pid)", container),
      (id, container), (String(id.prefix(20)), container), (uid, groups.path + "/kubepods/burstable/pod" + uid),
      ("\(groups.name).service", unit), (groups.path + "/", groups.path), (groups.name, groups.path),
    ] {
      #expect(try CgroupTests.report(name).text("group", "path") == path, "\(name)")
    }
    let found = try CgroupTests.report(id)
    #expect(found.text("group", "container", "id") == id && found.text("group", "kubernetes", "pod_uid") == uid)
    #expect(found.text("group", "kubernetes", "qos_class") == "Burstable")
  }

  @Test("where the pod's limit is the nearest it binds, and who would be killed at it is in the pod")
  func podLimit() throws {
    let groups = ScratchGroups()
    let pod = groups.add("kubepods/pod\(CgroupTests.uid)", limitBytes: 64 << 20)
    let container = groups.add("kubepods/pod\(CgroupTests.uid)/\(MadeID.next())")
    let other = groups.add("kubepods/pod\(CgroupTests.uid)/\(MadeID.next())", limitBytes: 48 << 20)
    let holder = "exec /usr/bin/python3 -c 'import time;x=bytearray(24<<20);print(1,flush=True);time.sleep(1000)'"
    let big = groups.start(holder, in: other)
    #expect(big.waitForOutput(containing: "1"))
    let sleeper = groups.start("exec sleep 1000", in: container)
    let report = try CgroupTests.report(container)
    #expect(report.text("binding", "path") == pod && report.number("binding", "limit_bytes") == 64 << 20)
    #expect(report.text("runs_out_first") == "limit")
    let left = try #require(report.number("binding", "left_bytes"))
    #expect(left > 0 && left < 40 << 20)
    #expect(report.number("forecast", "victim", "pid") == Int(big.pid))
    #expect(report.array("processes")?.compactMap { ($0 as? [String: Any])?["pid"] as? Int } == [Int(sleeper.pid)])
    let explanation = try #require(report.text("explanation"))
    let beginning = "A limit would run out before the system's memory: the limit of \(pod) binds, "
    #expect(explanation.hasPrefix(beginning), "\(explanation)")
    #expect(explanation.contains("; at it the kernel would kill python3 (pid \(big.pid)), "), "\(explanation)")
    // In the other container its own limit is nearer than the pod's.
    let own = try CgroupTests.report(other)
    #expect(own.text("binding", "path") == other)
    #expect(own.array("ancestors")?.compactMap { ($0 as? [String: Any])?["path"] as? String }.first == pod)
    let text = CgroupTests.cgroup([other]).output
    #expect(text.hasPrefix("\(other)  "), "\(text)")
    #expect(text.contains("\n  limit        48M\n") && text.contains("\n  above        \(pod): limit 64M, "), "\(text)")
    #expect(text.contains("\nRANK ") && text.contains("python3"), "\(text)")
  }

  @Test("without a limit it is the system's memory that can run out; where killing is disabled tasks wait")
  func otherAnswers() throws {
    let groups = ScratchGroups()
    let free = groups.add("free")
    let report = try CgroupTests.report(free)
    #expect(report.text("runs_out_first") == "system" && report.value(["binding"]) == nil)
    #expect(report.value(["group", "unlimited"]) as? Bool == true)
    let explanation = try #require(report.text("explanation"))
    #expect(explanation.hasPrefix("No limit at or above \(free) binds: only the system's memory can run out ("))
    #expect(report.text("forecast", "scope") == "system")
    let stuck = groups.add("stuck", limitBytes: 32 << 20)
    Files.write("1", to: "\(ScratchGroups.top)\(stuck)/memory.oom_control")
    let waiting = try CgroupTests.report(stuck)
    #expect(waiting.value(["group", "oom_kill_disable"]) as? Bool == true)
    #expect(waiting.text("explanation")?.hasSuffix("since oom_kill_disable is set.") == true)
  }

  @Test("the tree is drawn with the container that a group is of, and sums its kills")
  func tree() throws {
    let groups = ScratchGroups()
    let id = MadeID.next()
    let container = groups.add("docker/\(id)", limitBytes: 64 << 20)
    groups.add("docker/\(id)/inner\u{1b}[31m")
    let text = CgroupTests.cgroup([]).output
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.first?.hasPrefix("CGROUP ") == true)
    #expect(lines.contains { $0.contains("─ \(groups.name) ") })
    let drawn = try #require(lines.first { $0.contains("└─ \(id.prefix(12))… ") })
    #expect(drawn.contains("  64M  ") && drawn.hasSuffix("docker \(id.prefix(12))"), "\(drawn)")
    #expect(!text.utf8.contains { $0 < 0x20 && $0 != 0x0a })
    let json = CgroupTests.cgroup(["--output", "json"])
    let all = try #require(Line.all(in: json.output).first?.array("groups") as? [[String: Any]])
    let own = try #require(all.first { $0["path"] as? String == container })
    #expect(own["depth"] as? Int == 3 && own["limit_bytes"] as? Int == 64 << 20)
    let flat = CgroupTests.cgroup(["--depth", "1", "--output", "json"])
    #expect(!flat.output.contains(container) && flat.output.contains("\"\(groups.path)\""))
    #expect((Line.all(in: flat.output).first?.number("omitted") ?? 0) > 0)
  }

  @Test("what is not there, or not one thing alone, is one sentence and 1; a wrong option 64")
  func badInput() {
    let groups = ScratchGroups()
    let one = MadeID.next()
    let two = one.prefix(62) + "cd"
    groups.add(one)
    groups.add(String(two))
    let rows: [([String], Int32, String)] = [
      (["/no/such"], 1, "oomwitness: there is no memory cgroup /no/such (`oomwitness cgroup` lists them)\n"),
      (["4194304"], 1, "oomwitness: there is no process 4194304, and no container whose id begins so\n"),
      (
        ["no-such-thing\u{1b}[31m"], 1,
        "oomwitness: 'no-such-thing\\x1b[31m' is no cgroup, pid, container, pod or unit of this host "
          + "(`oomwitness cgroup` and `oomwitness containers` list them)\n"
      ),
      ([String(one.prefix(3))], 1, "oomwitness: '\(one.prefix(3))' is no cgroup, pid, container, "),
      (
        [String(one.prefix(60))], 1,
        "oomwitness: '\(one.prefix(60))' may be 2 things: container \(one.prefix(12)), container \(two.prefix(12)) "
          + "(say more of the name, or the cgroup's path)\n"
      ),
      (["/../proc"], 1, "oomwitness: there is no memory cgroup "), ([""], 1, "oomwitness: '' is no cgroup, "),
      (["--watch=0"], 64, "Error: --watch takes 0.1 to 86400 seconds, not 0.0"),
      (["--duration", "1"], 64, "Error: --duration is for --watch"), (["--depth", "-1"], 64, "Error: "),
      (["/", "--depth", "1"], 64, "Error: --depth is for the tree, without a name"),
      (["--output", "xml"], 64, "Error: The value 'xml' is invalid"),
    ]
    for (arguments, status, sentence) in rows {
      let ended = CgroupTests.cgroup(arguments)
      #expect(ended.status == status, "\(arguments)")
      #expect(ended.output == "", "\(arguments)")
      #expect(ended.errors.hasPrefix(sentence), "\(arguments) \(ended.errors)")
    }
  }

  @Test("watched into a pipe it is one line of JSON a look, until the group is gone")
  func watch() throws {
    var groups: ScratchGroups? = ScratchGroups()
    let path = groups!.path
    let looks = CgroupTests.cgroup([path, "--watch=0.1", "--duration", "3"])
    #expect(looks.status == 0)
    let lines = Line.all(in: looks.output)
    #expect(lines.count >= 2 && lines.allSatisfy { $0.text("group", "path") == path })
    let watcher = Program(Program.oomwitness, ["cgroup", path, "--watch=0.1"])
    #expect(watcher.waitForOutput(containing: "\"group\""))
    groups = nil
    let ended = watcher.wait()
    #expect(ended.status == 1)
    #expect(ended.errors == "oomwitness: the memory cgroup \(path) is gone\n")
  }

  @Test(
    "each document is what its schema allows",
    .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")))
  func schema() {
    let groups = ScratchGroups()
    let container = groups.add("kubepods/pod\(CgroupTests.uid)/\(MadeID.next())", limitBytes: 64 << 20)
    groups.start("exec sleep 1000", in: container)
    for arguments in [
      [], ["--depth", "1"], ["/"], [groups.path], [container], [container, "--top", "all"],
      [container, "--watch=0.1", "--duration", "0.15"],
    ] {
      let ended = CgroupTests.cgroup(arguments + ["--output", "json"])
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(SchemaJudge.judged("cgroup.v1.schema.json", ended.output) == "judged: True\n", "\(arguments)")
    }
  }
}
