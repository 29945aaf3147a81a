// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The command line as users and scripts meet it.
@Suite struct UsageTests {
  struct Bad: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var sentence: String
    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let bad: [Bad] = [
    Bad(arguments: ["trace", "--nonsense"], sentence: "Error: Unknown option '--nonsense'"),
    Bad(
      arguments: ["trace", "--output", "xml"], sentence: "Error: The value 'xml' is invalid for '--output <output>'."),
    Bad(
      arguments: ["trace", "--probe", "magic"],
      sentence: "Error: The value 'magic' is invalid for '--probe <probe>'."),
    Bad(
      arguments: ["trace", "--candidates", "-1"],
      sentence: "Error: Missing value for '--candidates <n|all>'"),
    Bad(
      arguments: ["trace", "--candidates=few"],
      sentence: "Error: The value 'few' is invalid for '--candidates <n|all>'"),
    Bad(arguments: ["trace", "--count", "0"], sentence: "Error: --count takes a number from 1, not 0"),
    Bad(arguments: ["trace", "--duration", "0"], sentence: "Error: --duration takes seconds above 0, not 0.0"),
    Bad(arguments: ["trace", "--duration", "nan"], sentence: "Error: --duration takes seconds above 0, not nan"),
    Bad(arguments: ["trace", "--ring-bytes", "0"], sentence: "Error: --ring-bytes takes 1 to 1073741824, not 0"),
    Bad(
      arguments: ["trace", "--ring-bytes", "2000000000"],
      sentence: "Error: --ring-bytes takes 1 to 1073741824, not 2000000000"),
    Bad(
      arguments: ["guard", "-m", "5,10"],
      sentence: "Error: --memory: SIGKILL's threshold 10 is above SIGTERM's 5: memory falls past the higher one first"),
    Bad(arguments: ["guard", "--swap", "101"], sentence: "Error: --swap: 101 is out of range"),
    Bad(
      arguments: ["guard", "--memory-size", "1G"],
      sentence: "Error: --memory-size takes a number, or two as in 10,5, not '1G'"),
    Bad(arguments: ["guard", "--prefer", "a(b"], sentence: "Error: --prefer 'a(b', byte 2: this ( has no )"),
    Bad(
      arguments: ["guard", "--ignore", "unit=[z-a]"],
      sentence: "Error: --ignore 'unit=[z-a]', byte 7: this range is not in order"),
    Bad(
      arguments: ["guard", "--avoid", ""], sentence: "Error: --avoid '', byte 1: an empty pattern matches everybody"),
    Bad(
      arguments: ["guard", "--earlyoom-args", "-m 5 --nope"],
      sentence: "Error: --earlyoom-args: earlyoom has no option --nope"),
    Bad(
      arguments: ["guard", "--earlyoom-args", "--prefer 'x"],
      sentence: "Error: --earlyoom-args: a quote that begins in line 1 does not end"),
    Bad(
      arguments: ["guard", "--process-group", "--whole-cgroup"],
      sentence: "Error: --process-group and --whole-cgroup: one of them"),
    Bad(arguments: ["history", "list", "--limit", "0"], sentence: "Error: --limit takes 1 to 1000000, not 0"),
    Bad(
      arguments: ["history", "list", "--since", "yesterday"],
      sentence: "Error: The value 'yesterday' is invalid for '--since <time>'"),
    Bad(
      arguments: ["history", "list", "--since", "1h", "--until", "2h"], sentence: "Error: --since is not before --until"
    ),
    Bad(
      arguments: ["history", "export", "--type", "x y"],
      sentence: "Error: --type takes a type as oom_kill, or any, not 'x y'"),
    Bad(arguments: ["history", "import"], sentence: "Error: Missing expected argument '<files> ...'"),
    Bad(arguments: ["replay"], sentence: "Error: Missing expected argument '<file>'"),
    Bad(arguments: ["witness"], sentence: "Error: Unexpected argument 'witness'"),
  ]

  @Test("a wrong option is a clear sentence and exit 64", arguments: bad)
  func wrongUsage(bad: Bad) {
    let ended = Program.run(Program.oomwitness, bad.arguments)
    #expect(ended.status == 64)
    #expect(ended.output == "")
    #expect(ended.errors.split(separator: "\n").first.map { $0.hasPrefix(bad.sentence) } == true, "\(ended.errors)")
  }

  @Test(
    "help teaches, as a whole",
    arguments: [
      "", "trace", "analyze", "scores", "next", "cgroup", "containers", "limits", "pressure", "pressure watch",
      "pressure status", "doctor", "check", "replay", "protect", "protect plan", "protect apply",
      "protect revert",
      "protect audit", "protect watch", "protect systemd", "protect presets", "guard", "guard run", "guard status",
      "history", "history list", "history show", "history stats", "history export", "history report", "history import",
      "history record", "daemon",
    ])
  func helpTexts(command: String) {
    let ended = Program.run(Program.oomwitness, command.split(separator: " ").map(String.init) + ["--help"])
    let path =
      Repository.root
      + "/Tests/CommandTests/Fixtures/\((["help"] + command.split(separator: " ")).joined(separator: "-")).txt"
    #expect(ended.status == 0)
    #expect(ended.output == Files.text(path))
  }

  @Test("replay says in one sentence what is wrong with a file")
  func badRecordings() {
    let path = "/tmp/oomwitness-test-recording"
    Files.write("not a recording, but long enough to hold the header of one, which has sixty-four bytes", to: path)
    let junk = Program.run(Program.oomwitness, ["replay", path])
    #expect(junk.status == 1)
    #expect(
      junk.errors
        == "oomwitness: \(path) is not a recording of this version and byte order (`trace --record` writes one)\n")
    let gone = Program.run(Program.oomwitness, ["replay", "/nonexistent"])
    #expect(gone.status == 1)
    #expect(gone.errors == "oomwitness: cannot open /nonexistent: no such file or directory\n")
  }

  @Test(
    "without rights it says what is missing and ends with 2", .enabled(if: geteuidIsRoot, "needs root to drop rights"))
  func withoutRights() {
    let arguments = ["--reuid=65534", "--clear-groups", Program.oomwitness, "trace", "--probe", "tracepoint"]
    let ended = Program.run("/usr/bin/setpriv", arguments)
    #expect(ended.status == 2)
    #expect(ended.output == "")
    #expect(
      ended.errors == "oomwitness: the kernel refuses tracepoint programs: operation not permitted "
        + "(needs root, or CAP_BPF and CAP_PERFMON) (`oomwitness check` shows what works here)\n")
  }

  @Test(
    "CAP_BPF and CAP_PERFMON are enough, without root",
    .enabled(if: geteuidIsRoot && Requirement.allowsRealKills, "needs root to give rights away"))
  func leastRights() {
    let rights = "-all,+bpf,+perfmon"
    let ended = Program.run(
      "/usr/bin/setpriv",
      [
        "--reuid=65534", "--clear-groups", "--inh-caps=\(rights)", "--ambient-caps=\(rights)", Program.oomwitness,
        "trace",
        "--output", "ndjson", "--probe", "tracepoint", "--duration", "0.1",
      ])
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(ended.output.contains("\"source\":\"tracepoint\""))
    #expect(ended.output.contains("stream_end"))
  }

  @Test(
    "without CAP_IPC_LOCK it says that its memory is not locked, and works",
    .enabled(if: geteuidIsRoot && Requirement.allowsRealKills, "needs root to take rights away"))
  func lockedMemory() {
    let ended = Program.run(
      "/usr/bin/setpriv",
      [
        "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock", "/usr/bin/prlimit", "--memlock=4194304",
        Program.oomwitness, "trace", "--output", "ndjson", "--probe", "tracepoint", "--duration", "0.3",
      ])
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(ended.output.contains("stream_end"))
    #expect(ended.errors.contains("memory is not locked: "), "\(ended.errors)")
  }

  @Test("check names each rung and ends with 0 where one works, else with 2")
  func check() {
    let ended = Program.run(Program.oomwitness, ["check"])
    for rung in ["fentry: ", "kprobe: ", "tracepoint: ", "iter/task: ", "exec: ", "kmsg: "] {
      #expect(ended.output.contains("\n" + rung) || ended.output.hasPrefix(rung), "\(rung)")
    }
    #expect(ended.status == (ended.output.contains("`oomwitness trace` uses ") ? 0 : 2))
  }
}

#if canImport(Glibc)
  import Glibc
  private let geteuidIsRoot = geteuid() == 0
#endif
