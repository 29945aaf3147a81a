// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// Memory pressure as the binary sees it: real groups that fill, one look, and bad input.
@Suite struct PressureTests {
  static func pressure(_ arguments: String...) -> Program.Ended {
    Program.run(Program.oomwitness, ["pressure"] + arguments)
  }

  /// Stall does not count: what else runs on this machine is not ours to say.
  static let still = ["--stall-some", "100,100,100", "--stall-full", "100,100,100"]

  /// Holds as many MiB as a file says, and follows it.
  private static let hog = """
    import mmap, sys, time
    held = []
    while True:
        try: wanted = int(open(sys.argv[1]).read() or 0)
        except (OSError, ValueError): wanted = len(held)
        while len(held) < wanted:
            piece = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for place in range(0, 1 << 20, 4096): piece[place] = 1
            held.append(piece)
        while len(held) > wanted: held.pop().close()
        time.sleep(0.02)
    """

  /// A group with a limit of 256 MiB and a hog in it.
  final class FilledGroup {
    let group: ScratchCgroup
    private let file: String
    private let hog: Program

    init(_ name: String) {
      group = ScratchCgroup("oomwitness-\(name)-\(getpid())", limitBytes: 256 << 20)
      file = "/tmp/oomwitness-hog-\(name)-\(getpid())"
      hog = Program(
        "/bin/sh",
        [
          "-c", "echo $$ > \(group.folder)/cgroup.procs; exec /usr/bin/python3 -c \"$0\" \"$1\"", PressureTests.hog,
          file,
        ])
    }

    var pid: Int { Int(hog.pid) }

    func hold(mebibytes: Int) {
      Files.write("\(mebibytes)", to: file + ".new")
      rename(file + ".new", file)
    }

    deinit {
      hog.signal(SIGKILL)
      _ = hog.wait()
      unlink(file)
    }
  }

  @Test(
    "a group that fills goes through all levels and back, each told once, with who fills it; each line is the schema's",
    .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func fills() throws {
    let filled = FilledGroup("levels")
    filled.hold(mebibytes: 40)
    let watch = Program(
      Program.oomwitness,
      ["pressure", "--no-system", "--cgroup", filled.group.path, "--settle", "1", "--output", "ndjson"]
        + PressureTests.still)
    usleep(500_000)
    // The hog itself needs some MiB besides.
    for (level, mebibytes) in [("low", 190), ("medium", 225), ("critical", 240), ("normal", 40)] {
      filled.hold(mebibytes: mebibytes)
      #expect(watch.waitForOutput(containing: "\"level\":\"\(level)\"", seconds: 40), "\(level) \(watch.outputSoFar)")
    }
    watch.signal(SIGTERM)
    let ended = watch.wait()
    #expect(ended.status == 0 && ended.errors == "", "\(ended.errors)")
    let events = Line.all(in: ended.output)
    #expect(events.map { $0.text("level") } == ["low", "medium", "critical", "normal"])
    #expect(events.map { $0.text("previous_level") } == ["normal", "low", "medium", "critical"])
    #expect(events.map { $0.number("seq") } == [1, 2, 3, 4])
    for event in events {
      #expect(event.text("scope") == "memcg" && event.text("cgroup", "path") == filled.group.path)
      #expect(event.number("total_pages") == (256 << 20) / (event.number("page_size") ?? 1))
      let biggest = event.array("biggest") as? [[String: Any]]
      #expect(biggest?.count == 1 && biggest?.first?["pid"] as? Int == filled.pid, "\(String(describing: biggest))")
    }
    // The first may have come when the hog had filled up already: nothing grew between the two looks then.
    for event in events.dropFirst().prefix(2) {
      let growing = event.array("growing") as? [[String: Any]]
      #expect(growing?.first?["pid"] as? Int == filled.pid, "\(event.object)")
      #expect((growing?.first?["pages_per_second"] as? Int ?? 0) > 0)
      #expect(event.json("causes") == #"["memory"]"#)
    }
    for event in events.dropFirst().prefix(2) {
      let suggestion = (event.array("suggestions") as? [[String: Any]])?.first
      #expect(suggestion?["pid"] as? Int == filled.pid && suggestion?["level_after"] as? String == "normal")
    }
    #expect(events.last?.json("causes") == "[]" && events.first?.array("suggestions") == nil)
    #expect(PressureTests.judged(ended.output) == "lines: 4\n")
  }

  /// What the schema of the stream refuses in lines.
  static func judged(_ lines: String) -> String {
    let script = """
      import json, sys
      from jsonschema import Draft202012Validator
      validator = Draft202012Validator(json.load(open(sys.argv[1])))
      lines = [json.loads(line) for line in open(sys.argv[2], newline="\\n")]
      for line in lines:
          for error in validator.iter_errors(line): print("/".join(map(str, error.absolute_path)), error.message[:200])
      print("lines:", len(lines))
      """
    let path = Python.temporaryFile(lines)
    defer { unlink(path) }
    return Python.run(script, [Repository.root + "/docs/schema/oomwitness.v1.schema.json", path]).output
  }

  @Test(
    "a group that goes away is told once, and the watch goes on",
    .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func vanishes() {
    let name = "oomwitness-gone-\(getpid())"
    var group: ScratchCgroup? = ScratchCgroup(name, limitBytes: 64 << 20)
    let watch = Program(
      Program.oomwitness, ["pressure", "--no-system", "--cgroup", name, "--output", "pretty", "--duration", "14"])
    #expect(watch.waitForOutput(containing: "watching /\(name); "))
    #expect(group?.path == "/" + name)
    group = nil
    let ended = watch.wait()
    #expect(ended.status == 0)
    #expect(
      ended.errors == "oomwitness: there is no memory cgroup /\(name) (paths are those of /proc/PID/cgroup); "
        + "it is looked for again every 10 s\n")
  }

  struct Level: Sendable, CustomTestStringConvertible {
    let memory: String
    let level: String
    let status: Int32
    var testDescription: String { "\(memory) is \(level)" }
  }

  static let levels: [Level] = [
    Level(memory: "100,100,100", level: "normal", status: 0),
    Level(memory: "0.01,100,100", level: "low", status: 1),
    Level(memory: "0.01,0.01,100", level: "medium", status: 2),
    Level(memory: "0.01,0.01,0.01", level: "critical", status: 3),
  ]

  @Test("status exits with the level, as text and as JSON", arguments: levels)
  func status(row: Level) throws {
    let options =
      ["pressure", "status", "--memory", row.memory, "--swap", "100,100,100"] + PressureTests.still
    let text = Program.run(Program.oomwitness, options)
    #expect(text.status == row.status && text.errors == "")
    let cause = row.status == 0 ? "" : " (by memory)"
    let lines = text.output.split(separator: "\n")
    #expect(lines.first == "the whole system: \(row.level)\(cause)")
    #expect(lines.dropFirst().first?.hasPrefix("  memory [") == true, "\(text.output)")
    let json = Program.run(Program.oomwitness, options + ["--output", "json"])
    #expect(json.status == row.status && json.errors == "")
    let document = try #require(Line.all(in: json.output).first)
    #expect(document.text("level") == row.level)
    #expect(SchemaJudge.judged("pressure.v1.schema.json", json.output) == "judged: True\n")
  }

  @Test(
    "of a group its own limit counts, and the highest level of all is the status",
    .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func groupStatus() throws {
    let group = ScratchCgroup("oomwitness-status-\(getpid())", limitBytes: 64 << 20)
    let ended = Program.run(
      Program.oomwitness,
      ["pressure", "status", "--cgroup", group.path, "--output", "json", "--memory", "0.01,100,100"]
        + PressureTests.still)
    #expect(ended.status == 1)
    let document = try #require(Line.all(in: ended.output).first)
    let targets = try #require(document.array("targets") as? [[String: Any]])
    #expect(targets.map { $0["level"] as? String } == ["low", "normal"])
    #expect(targets.map { $0["scope"] as? String } == ["system", "memcg"])
    #expect(targets[1]["total_pages"] as? Int == (64 << 20) / (document.number("page_size") ?? 1))
  }

  @Test("what cannot be read is a sentence: 69 of status, 1 of the watch")
  func unreadable() {
    let sentence = "oomwitness: there is no memory cgroup /nonexistent (paths are those of /proc/PID/cgroup)\n"
    let status = PressureTests.pressure("status", "--cgroup", "nonexistent")
    #expect(status.status == 69 && status.output == "" && status.errors == sentence)
    let watch = PressureTests.pressure("--cgroup", "/nonexistent/")
    #expect(watch.status == 1 && watch.output == "" && watch.errors == sentence)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let sentence: String
    var testDescription: String { arguments.joined(separator: " ") }
  }

  private static func order(_ option: String, _ value: String, _ command: [String] = []) -> Bad {
    Bad(
      arguments: command + [option, value],
      sentence:
        "\(option) takes three percentages above 0 and up to 100 in the order low, medium, critical, as 70,85,95, "
        + "not '\(value)'")
  }

  static let bad: [Bad] = [
    order("--memory", "85,70,95"), order("--memory", "70,85"), order("--memory", "70,85,95,99"),
    order("--memory", "0,1,2"), order("--memory", "70,85,100.01"), order("--memory", "70,85,1e2"),
    order("--memory", "a,b,c"), order("--memory", ""), order("--memory", "70,,95"), order("--memory", "7.123,8,9"),
    order("--memory", "99999999999999999999,1,2"), order("--swap", "95,85,70", ["status"]),
    order("--stall-some", "1,2,+3"), order("--stall-full", "3,2,1", ["watch"]),
    Bad(arguments: ["--settle", "-1"], sentence: "Missing value for '--settle <seconds>'"),
    Bad(arguments: ["--settle=-1"], sentence: "--settle takes 0 to 86400 seconds, not -1.0"),
    Bad(arguments: ["--duration", "0"], sentence: "--duration takes seconds above 0, not 0.0"),
    Bad(arguments: ["--no-system"], sentence: "--no-system leaves nothing to look at: add --cgroup PATH"),
    Bad(arguments: ["--run", ""], sentence: "--run takes a program, not nothing"),
    Bad(arguments: ["--run", "[]"], sentence: "--run takes a JSON array of texts, first the program"),
    Bad(arguments: ["--run", #"["a", 1]"#], sentence: "--run takes a JSON array of texts, first the program"),
    Bad(arguments: ["--run", #"["a""#], sentence: "--run: this is no JSON array from character 5 on"),
    Bad(arguments: ["--run-seconds", "0"], sentence: "--run-seconds takes 0.1 to 3600 seconds, not 0.0"),
    Bad(
      arguments: ["--webhook", "ftp://a"],
      sentence: "--webhook takes a URL that begins with https:// or http:// and has no blanks"),
    Bad(
      arguments: ["--webhook", "http://a/\noutput = /etc/passwd"],
      sentence: "--webhook takes a URL that begins with https:// or http:// and has no blanks"),
    Bad(arguments: ["--webhook-per-minute", "0"], sentence: "--webhook-per-minute takes 1 to 600, not 0"),
    Bad(arguments: ["--cleanup", "swap"], sentence: "--cleanup takes drop-caches or reclaim=/PATH, not 'swap'"),
    Bad(
      arguments: ["--cleanup", "reclaim=a"], sentence: "--cleanup takes drop-caches or reclaim=/PATH, not 'reclaim=a'"),
    Bad(
      arguments: ["--handle-from", "dire"], sentence: "The value 'dire' is invalid for '--handle-from <level>'"),
  ]

  @Test("wrong usage is a sentence and 64, and nothing is watched", arguments: bad)
  func wrongUsage(row: Bad) {
    let ended = Program.run(Program.oomwitness, ["pressure"] + row.arguments)
    #expect(ended.status == 64 && ended.output == "")
    #expect(ended.errors.hasPrefix("Error: " + row.sentence), "\(ended.errors)")
  }

  @Test("a reader that goes away ends the watch, and a full disk is said")
  func outputs() {
    let full = Program(
      "/bin/sh",
      ["-c", "exec \"$0\" pressure --memory 0.01,100,100 --output ndjson > /dev/full", Program.oomwitness]
    ).wait()
    #expect(full.status == 1)
    #expect(
      full.errors == "oomwitness: cannot write standard output: no space left on device; nothing is watched any more\n")
    let gone = Program(
      "/bin/sh",
      ["-c", "\"$0\" pressure --memory 0.01,100,100 --output ndjson | true; echo ended", Program.oomwitness]
    ).wait()
    #expect(gone.output == "ended\n" && gone.errors == "")
  }
}
