// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `oomwitness doctor` as users and scripts meet it, on this machine.
@Suite struct DoctorTests {
  static let workloads =
    [[], ["--workload", "web"], ["--workload", "database"], ["--workload", "batch"]]
    + [["--workload", "container"], ["--ignore", "memory.swap", "--ignore", "kernel.psi"]]

  @Test("the exit status says whether something is critical", arguments: workloads)
  func status(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["doctor"] + arguments)
    #expect(ended.errors == "")
    let isCritical = !ended.output.contains("\n0 critical, ")
    #expect(ended.status == (isCritical ? 1 : 0), "\(ended.output)")
    #expect(isCritical == ended.output.hasPrefix("critical "))
    #expect(ended.output.contains("vm.overcommit_memory"))
  }

  @Test("text has no control characters where it goes to no terminal", arguments: workloads)
  func plain(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["doctor"] + arguments)
    let strange = ended.output.unicodeScalars.filter { ($0.value < 0x20 && $0 != "\n") || (0x7f..<0xa0) ~= $0.value }
    #expect(strange.isEmpty)
  }

  @Test("what is ignored is left out, and named")
  func ignored() {
    let ended = Program.run(Program.oomwitness, ["doctor", "--ignore", "vm.swappiness", "--ignore", "memory.swap"])
    #expect(!ended.output.contains("\nok       vm.swappiness"))
    #expect(ended.output.hasSuffix("; ignored: vm.swappiness, memory.swap\n"))
  }

  @Test(
    "an unknown check or workload is wrong usage",
    arguments: [
      (["--ignore", "vm.nonsense"], "Error: there is no check 'vm.nonsense' (docs/doctor.md lists them)\n"),
      (["--ignore", "a\u{1b}"], "Error: there is no check 'a\\x1b' (docs/doctor.md lists them)\n"),
      (["--workload", "game"], "Error: The value 'game' is invalid for '--workload <workload>'."),
      (["--output", "xml"], "Error: The value 'xml' is invalid for '--output <output>'."),
    ])
  func usage(arguments: [String], sentence: String) {
    let ended = Program.run(Program.oomwitness, ["doctor"] + arguments)
    #expect(ended.status == 64)
    #expect(ended.output == "")
    #expect(ended.errors.hasPrefix(sentence), "\(ended.errors)")
  }

  /// Swift's runtime finds the arguments by /proc/self/maps, so that /proc cannot be hidden as a whole.
  @Test(
    "where /proc cannot be read it ends with 2",
    .enabled(if: Requirement.mustRun || geteuid() == 0, "needs root to cover a file of /proc in a mount namespace"))
  func unreadable() {
    let path = Python.temporaryFile("junk\u{1b}\nMemTotal: junk\n")
    defer { unlink(path) }
    let script = "mount --bind \(path) /proc/meminfo && exec \(Program.oomwitness) doctor"
    let ended = Program.run("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script])
    #expect(ended.status == 2)
    #expect(ended.output == "")
    let sentence = "line 2 of /proc/meminfo is not what the kernel writes: MemTotal: junk"
    #expect(ended.errors == "oomwitness: \(sentence)\n")
  }

  @Test(
    "a critical setting is status 1, and 0 where it is ignored",
    .enabled(if: Requirement.mustRun || geteuid() == 0, "needs root to cover a file of /proc in a mount namespace"))
  func critical() {
    for (arguments, status) in [("", 1), ("--ignore vm.panic_on_oom", 0)] as [(String, Int32)] {
      let script = """
        echo 2 > "$0" && mount --bind "$0" /proc/sys/vm/panic_on_oom && exec \(Program.oomwitness) doctor \(arguments)
        """
      let path = Python.temporaryFile("")
      defer { unlink(path) }
      let ended = Program.run("/usr/bin/unshare", ["--mount", "/bin/sh", "-c", script, path])
      #expect(ended.status == status, "\(ended.output)\(ended.errors)")
      #expect(ended.output.hasPrefix("critical  vm.panic_on_oom") == (status == 1))
    }
  }

  @Test(
    "JSON is what its schema allows", .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")),
    arguments: workloads)
  func schema(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["doctor", "--output", "json"] + arguments)
    #expect(ended.errors == "")
    #expect(SchemaJudge.judged("doctor.v1.schema.json", ended.output) == "judged: True\n")
  }

  @Test("the schema and the page name every check, and no other")
  func names() throws {
    let source = try #require(Files.text(Repository.root + "/Sources/Events/CheckID.swift"))
    let ids = source.split(separator: "\n").filter { $0.hasPrefix("  case ") && $0.contains(" = \"") }
      .map { $0.split(separator: "\"")[1] }
    #expect(ids.count > 30)
    let page = try #require(Files.text(Repository.root + "/docs/doctor.md"))
    let schema = try #require(Files.text(Repository.root + "/docs/schema/doctor.v1.schema.json"))
    for id in ids {
      #expect(page.contains("\n### \(id)\n"), "\(id)")
      #expect(schema.contains("\"\(id)\""), "\(id)")
    }
    #expect(page.split(separator: "\n").count { $0.hasPrefix("### ") } == ids.count)
  }
}
