// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `oomwitness analyze` on logs that real kernels wrote: Tests/KernelLogTests/Fixtures.
@Suite struct AnalyzeTests {
  private static let fixtures = Repository.root + "/Tests/KernelLogTests/Fixtures/"

  private static func analyze(_ arguments: [String]) -> Program.Ended {
    Program.run(Program.oomwitness, ["analyze"] + arguments)
  }

  @Test("a file's kills are told, as many as the kernel printed")
  func file() {
    let ended = AnalyzeTests.analyze(["--output", "ndjson", AnalyzeTests.fixtures + "7.2-group.kmsg"])
    #expect(ended.status == 0 && ended.errors == "")
    let kills = Line.all(in: ended.output).filter { $0.type == "oom_kill" }
    #expect(kills.map { $0.text("victim", "role") } == ["chosen", "group", "group"])
    #expect(kills.allSatisfy { $0.text("source") == "log" && $0.text("time") == nil && $0.text("host") == nil })
    #expect(kills.allSatisfy { $0.number("monotonic_ns") != nil })
  }

  @Test(
    "lines of a log are what the schema allows", .enabled(if: Python.mayRun, Comment(rawValue: Python.refusal ?? "")),
    arguments: ["6.12-system.kmsg", "6.18-hostile.kmsg", "6.12-nokillable.kmsg"])
  func schema(name: String) {
    let ended = AnalyzeTests.analyze(["--output", "ndjson", AnalyzeTests.fixtures + name])
    #expect(!ended.output.isEmpty)
    // The judge would have each object closed by itself; the stream's are closed together, and EventsTests see to that.
    let said = SchemaJudge.judged("oomwitness.v1.schema.json", ended.output).split(separator: "\n")
    #expect(said.filter { !$0.hasPrefix("open:") } == ["judged: True"])
  }

  @Test(
    "what was made smaller is known by its content, from a file and from a pipe", arguments: ["gzip", "xz", "zstd"])
  func compressed(program: String) {
    let fixture = AnalyzeTests.fixtures + "6.12-system.kmsg"
    let plain = AnalyzeTests.analyze(["--output", "ndjson", fixture])
    let path = "/tmp/oomwitness-analyze-\(getpid())-\(program).log"
    defer { unlink(path) }
    let made = Program.run("/bin/sh", ["-c", "\(program) -c < \(fixture) > \(path)"])
    #expect(made.status == 0, "\(made.errors)")
    #expect(AnalyzeTests.analyze(["--output", "ndjson", path]).output == plain.output)
    let piped = Program.run("/bin/sh", ["-c", "cat \(path) | \(Program.oomwitness) analyze --output ndjson -"])
    #expect(piped.output == plain.output)
    let redirected = Program.run("/bin/sh", ["-c", "\(Program.oomwitness) analyze --output ndjson - < \(path)"])
    #expect(redirected.output == plain.output)
  }

  @Test("one file that cannot be read is a sentence and status 1; the others are read")
  func missing() {
    let ended = AnalyzeTests.analyze([
      "--output", "ndjson", "/nonexistent/log", AnalyzeTests.fixtures + "6.12-memcg.kmsg", "/",
    ])
    #expect(ended.status == 1)
    #expect(
      ended.errors == """
        oomwitness: cannot open /nonexistent/log: no such file or directory
        oomwitness: cannot read /: is a directory

        """)
    #expect(Line.all(in: ended.output).filter { $0.type == "oom_kill" }.count == 1)
  }

  @Test("text for people ends with the sum, and has no control character of a name")
  func text() {
    let ended = AnalyzeTests.analyze([
      AnalyzeTests.fixtures + "6.18-hostile.kmsg", AnalyzeTests.fixtures + "7.2-group.kmsg",
    ])
    #expect(ended.status == 0)
    #expect(ended.output.contains("at the limit of a cgroup"))
    #expect(!ended.output.utf8.contains { ($0 < 0x20 && $0 != 0x0a) || $0 == 0x7f })
    #expect(AnalyzeTests.analyze(["/dev/null"]).output == "no OOM kill found\n")
  }

  @Test("decisions are numbered through all files")
  func numbers() {
    let files = ["6.12-memcg.kmsg", "6.1-memcg.kmsg"].map { AnalyzeTests.fixtures + $0 }
    let ended = AnalyzeTests.analyze(["--output", "ndjson"] + files)
    let ids = Line.all(in: ended.output).filter { $0.type == "oom_kill" }.map { $0.number("decision", "id") }
    #expect(ids == [1, 2])
  }

  /// Without a file, where journalctl is a script that writes this; standard output's lines of kills.
  private static func host(_ journal: String?) -> (ended: Program.Ended, kills: [Line]) {
    let folder = "/tmp/oomwitness-journal-\(getpid())"
    mkdir(folder, 0o755)
    defer {
      unlink(folder + "/journalctl")
      rmdir(folder)
    }
    if let journal {
      Files.write("#!/bin/sh\nexec cat \(journal)\n", to: folder + "/journalctl")
      chmod(folder + "/journalctl", 0o755)
    }
    let path = journal == nil ? folder : folder + ":/usr/bin:/bin"
    let ended = Program.run(
      "/bin/sh", ["-c", "PATH=\(path) exec \(Program.oomwitness) analyze --output ndjson"])
    return (ended, Line.all(in: ended.output).filter { $0.type == "oom_kill" })
  }

  @Test(
    "without a file the journal's boots come first, then this one's",
    .enabled(if: access("/dev/kmsg", R_OK) == 0 || Requirement.mustRun, "needs the right to read /dev/kmsg"))
  func journal() {
    let (ended, kills) = AnalyzeTests.host(AnalyzeTests.fixtures + "journal.export")
    let alone = AnalyzeTests.host(nil)
    #expect(ended.status == 0 && ended.errors == "" && alone.ended.status == 0 && alone.ended.errors == "")
    #expect(kills.prefix(4).map { $0.number("victim", "pid") } == [4584, 118, 116, 115])
    #expect(kills.prefix(4).allSatisfy { $0.text("source") == "log" && $0.text("host") == "db-1" })
    #expect(kills.dropFirst(4).allSatisfy { $0.text("source") == "kmsg" })
    // Another test may kill meanwhile, and the kernel may overwrite: what is told of this boot goes on where it was.
    #expect(kills.count >= 4 && alone.kills.allSatisfy { $0.text("source") == "kmsg" })
    let ids = kills.compactMap { $0.number("decision", "id") }
    #expect(ids == ids.sorted() && ids.first == 1)
  }

  @Test(
    "a kill that both the journal and /dev/kmsg have is told once",
    .enabled(if: Python.mayRun && access("/dev/kmsg", R_OK) == 0, "needs python3 and the right to read /dev/kmsg"))
  func once() {
    let path = Python.temporaryFile("")
    defer { unlink(path) }
    let made = Python.run(AnalyzeTests.exportOfThisBoot, [path])
    #expect(made.status == 0, "\(made.output)")
    let twice = AnalyzeTests.host(path).kills.map {
      "\($0.number("monotonic_ns") ?? 0) \($0.number("victim", "tid") ?? 0)"
    }
    #expect(Set(twice).count == twice.count)
  }

  /// Writes what /dev/kmsg holds as the journal of this boot.
  private static let exportOfThisBoot = """
    import os, re, struct, sys
    boot = open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", "")
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    with open(sys.argv[1], "wb") as out:
        out.write(b"__CURSOR=a\\n\\n")
        while True:
            try: record = os.read(kmsg, 16384)
            except BlockingIOError: break
            except BrokenPipeError: continue
            found = re.match(rb"(\\d+),\\d+,(\\d+),[^;]*;([^\\n]*)", record)
            if not found or int(found[1]) >> 3: continue
            text = re.sub(rb"\\\\x([0-9a-f]{2})", lambda one: bytes([int(one[1], 16)]), found[3])
            out.write(b"_BOOT_ID=" + boot.encode() + b"\\n_TRANSPORT=kernel\\n_SOURCE_MONOTONIC_TIMESTAMP=" + found[2])
            out.write(b"\\nMESSAGE\\n" + struct.pack("<Q", len(text)) + text + b"\\n\\n")
    """
}
