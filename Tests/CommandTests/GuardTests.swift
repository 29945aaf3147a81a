// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// The guard in scratch cgroups: it ends who is to be ended, before the kernel does, and tells it.
///
/// Each guards its own group by --cgroup; nothing outside of it may be taken.
@Suite(
  .serialized, .realKills, .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct GuardTests {
  /// Takes 1 MiB after another, pausing, up to so many; then waits.
  static func hog(_ mebibytes: Int, pause: Double = 0.002, before: String = "") -> String {
    "exec /usr/bin/python3 -c 'import time,signal; \(before)\nx=[]\nfor _ in range(\(mebibytes)):\n"
      + "  x.append(bytearray(1<<20)); time.sleep(\(pause))\ntime.sleep(60)'"
  }

  /// A group of 64 MiB with a guard, a command in it, and what was told of it by the end of the guard.
  static func guarded(
    _ name: String, _ options: [String], command: String, until text: String? = "\"outcome\":\"exited\""
  ) -> (lines: [Line], ended: Program.Ended, command: Program.Ended, kernelKills: Int) {
    let group = ScratchCgroup("oomwitness-guard-\(name)-\(getpid())", limitBytes: 64 << 20)
    let guardian = Program(
      Program.oomwitness, ["guard", "--cgroup", group.path, "--output", "ndjson", "--duration", "30"] + options)
    let hog = group.start(command)
    if let text {
      #expect(guardian.waitForOutput(containing: text), "\(guardian.outputSoFar)")
      usleep(50_000)
      guardian.signal(SIGTERM)
    }
    let ended = guardian.wait()
    // Only what was not ended by the guard is ended here.
    hog.signal(SIGKILL)
    let command = hog.wait()
    group.end()
    return (Line.all(in: ended.output), ended, command, group.kernelKills)
  }

  @Test("SIGTERM comes before the kernel's kill, is told with all that a kill is told with, and so is the end")
  func term() throws {
    let (lines, ended, hog, kernelKills) = GuardTests.guarded(
      "term", ["-m", "20,5", "-s", "100"], command: GuardTests.hog(60))
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(hog.status == 128 + SIGTERM && kernelKills == 0)
    let sent = try #require(lines.first)
    #expect(sent.type == "guard_action" && sent.text("by") == "oomwitness" && sent.text("outcome") == "sent")
    #expect(sent.text("signal") == "SIGTERM" && sent.text("scope") == "memcg" && sent.number("action_id") == 1)
    #expect(sent.text("victim", "comm") == "python3" && sent.number("victim", "kernel_count") == 0)
    #expect(sent.text("victim", "exe")?.contains("python3") == true)
    // On a busy host the signal does not wait for the command line.
    if let arguments = sent.array("victim", "cmdline") as? [String] {
      #expect(arguments.count == 3 && arguments[1] == "-c" && arguments[2].hasPrefix("import time,signal; "))
    }
    let first = try #require(sent.array("candidates", "list")?.first as? [String: Any])
    #expect((first["cgroup"] as? [String: Any])?["path"] as? String == sent.text("victim", "cgroup", "path"))
    #expect(sent.text("victim", "cgroup", "path") == sent.text("cgroup", "path"))
    let parts = ["anon_pages", "file_pages", "shmem_pages", "swap_pages", "pgtable_pages", "adj_points"]
    let sum = parts.reduce(0) { $0 + (sent.number("badness", "breakdown", $1) ?? 0) }
    #expect(sent.number("badness", "points") == sum && sum > 8000)
    #expect(sent.number("candidates", "considered") == 1 && sent.number("candidates", "listed") == 1)
    let (available, threshold) = (
      sent.number("reading", "available_pages"), sent.number("threshold", "available_pages")
    )
    #expect(sent.number("reading", "total_pages") == 16_384 && threshold == 16_384 / 5)
    #expect((available ?? .max) <= 16_384 / 5)
    #expect(sent.number("latency", "threshold_to_signal_us") != nil)
    let gone = try #require(lines.last)
    #expect(gone.text("outcome") == "exited" && gone.number("action_id") == 1)
    #expect((gone.number("freed_bytes") ?? 0) > 32 << 20 && gone.number("latency", "signal_to_exit_us") != nil)
    #expect((gone.number("reading", "available_pages") ?? 0) > 16_384 / 2)
    #expect(lines.map { $0.number("seq") } == lines.indices.map { $0 + 1 })
  }

  @Test("one that ignores SIGTERM gets SIGKILL when its grace is over")
  func ignoresTerm() throws {
    let (lines, ended, hog, kernelKills) = GuardTests.guarded(
      "deaf", ["-m", "20,1", "-s", "100", "--grace", "0.3"],
      command: GuardTests.hog(52, before: "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(hog.status == 128 + SIGKILL && kernelKills == 0)
    #expect(lines.map { $0.text("outcome") } == ["sent", "sent", "exited"])
    #expect(lines.map { $0.text("signal") } == ["SIGTERM", "SIGKILL", "SIGKILL"])
    #expect((lines.last?.number("latency", "signal_to_exit_us") ?? 0) >= 300_000)
  }

  @Test("from the reading to the signal nothing is allocated: it works when malloc has not sixteen bytes left")
  func allocatesNothing() throws {
    let (lines, ended, hog, kernelKills) = GuardTests.guarded(
      "dry",
      [
        "-m", "20,5", "-s", "100", "--prove-no-allocation", "--prefer", "(py|ru)thon[0-9.]*$", "--avoid", "exe=nobody",
        "--ignore", "cmdline=^never$", "--ignore", "unit=x", "--ignore", "container=y", "--process-group",
      ], command: GuardTests.hog(60))
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(hog.status == 128 + SIGTERM && kernelKills == 0)
    #expect(lines.first?.text("outcome") == "sent" && (lines.first?.number("bonus_pages") ?? 0) > 0)
  }

  @Test("the proof proves: where something is allocated before the signal, it ends the program")
  func proofProves() {
    let (lines, ended, _, _) = GuardTests.guarded(
      "proof", ["-m", "20,5", "-s", "100", "--prove-no-allocation", "--allocate-before-signal"],
      command: GuardTests.hog(60), until: nil)
    #expect(ended.status > 128 && lines.isEmpty, "\(ended.status) \(ended.errors)")
  }

  @Test("many small ones that take memory together go together, and the kernel kills nobody")
  func manySmall() {
    let (lines, ended, _, kernelKills) = GuardTests.guarded(
      "many", ["-m", "50,1", "-s", "100"],
      command: """
        exec /usr/bin/python3 -c 'import os,time
        for _ in range(12):
          if os.fork() == 0:
            x = bytearray(4 << 20); time.sleep(60)
        time.sleep(60)'
        """)
    #expect(ended.status == 0 && kernelKills == 0, "\(ended.errors)")
    var sent: [Int: Int] = [:]
    for line in lines where line.text("outcome") == "sent" && line.text("victim", "role") == "chosen" {
      sent[line.number("action_id") ?? 0, default: 0] += 1
    }
    #expect((sent.values.max() ?? 0) > 1 && (sent.values.max() ?? 0) <= 16, "\(sent)")
  }

  @Test("lines that find no room are counted, and told")
  func loss() {
    // Room for a line of loss, and for none that tells of an action.
    let (lines, ended, hog, _) = GuardTests.guarded(
      "loss", ["-m", "20,5", "-s", "100", "--queue-bytes", "600"], command: GuardTests.hog(60),
      until: "\"records\":1,")
    #expect(ended.status == 0 && hog.status == 128 + SIGTERM, "\(ended.errors)")
    #expect(lines.allSatisfy { $0.type == "loss" && $0.text("reason") == "output_full" })
    #expect(lines.reduce(0) { $0 + ($1.number("records") ?? 0) } == 2, "that it was taken, and that it is gone")
  }

  @Test("a dry run signals nobody, and says who it would be")
  func dryRun() throws {
    let (lines, ended, hog, _) = GuardTests.guarded(
      "only", ["-m", "20,5", "-s", "100", "--dry-run"], command: GuardTests.hog(52),
      until: "\"outcome\":\"would_send\"")
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(hog.status == 128 + SIGKILL, "ended by the test")
    #expect(lines.count == 1 && lines[0].text("victim", "comm") == "python3")
  }

  @Test("page cache that fills a group is no reason to act")
  func pageCache() {
    let group = ScratchCgroup("oomwitness-guard-cache-\(getpid())", limitBytes: 64 << 20)
    let file = "/tmp/oomwitness-guard-cache-\(getpid())"
    defer { unlink(file) }
    let guardian = Program(
      Program.oomwitness,
      ["guard", "--cgroup", group.path, "-m", "20,5", "-s", "100", "--output", "ndjson", "--duration", "4"])
    let reader = group.start(
      "dd if=/dev/zero of=\(file) bs=1M count=200 2>/dev/null; sync \(file); while true; do cat \(file) > /dev/null; done"
    )
    let told = guardian.wait()
    #expect(told.status == 0 && told.output == "", "\(told.output)")
    reader.signal(SIGKILL)
    #expect(reader.wait().status == 128 + SIGKILL, "ended by the test")
    group.end()
  }

  @Test(
    "who is preferred goes first, who is ignored never, and a group goes as one",
    arguments: ["", "--whole-cgroup", "--process-group"])
  func preferences(option: String) throws {
    let group = ScratchCgroup("oomwitness-guard-first\(option)-\(getpid())", limitBytes: 64 << 20)
    let copy = "/tmp/oomwitness-small-\(getpid())"
    let taken = Program.run("/bin/sh", ["-c", "cp $(readlink -f /usr/bin/python3) \(copy)"])
    #expect(taken.status == 0)
    defer { unlink(copy) }
    let program = "import time; x=bytearray(6<<20); time.sleep(60)"
    let pair = group.start(
      "exec /usr/bin/setsid /bin/sh -c '\(copy) -c \"\(program)\" & \(copy) -c \"\(program)\" & wait'")
    let large = group.start(GuardTests.hog(24))
    usleep(300_000)
    let guardian = Program(
      Program.oomwitness,
      [
        "guard", "--cgroup", group.path, "-m", "30,1", "-s", "100", "--output", "ndjson", "--duration", "30",
        "--prefer",
        "exe=/oomwitness-small-", "--ignore", "^python3", "--ignore", "exe=python3[.0-9]*$",
      ] + (option.isEmpty ? [] : [option]))
    #expect(guardian.waitForOutput(containing: "\"outcome\":\"exited\""), "\(guardian.outputSoFar)")
    usleep(300_000)
    guardian.signal(SIGTERM)
    let lines = Line.all(in: guardian.wait().output)
    for line in lines where line.text("outcome") == "sent" {
      #expect(line.number("victim", "pid") != Int(large.pid), "the ignored one was taken")
    }
    #expect(lines.first?.text("victim", "exe") == copy && (lines.first?.number("bonus_pages") ?? 0) > 0)
    if !option.isEmpty {
      // The shell that started both, and both: the one that is ignored is in another process group, and in the same cgroup.
      let first = lines.filter { $0.number("action_id") == 1 && $0.text("outcome") == "sent" }
      #expect(first.count == 3 && first.map { $0.text("victim", "role") } == ["chosen", "group", "group"])
    }
    for program in [large, pair] {
      program.signal(SIGKILL)
      _ = program.wait()
    }
    group.end()
  }

  @Test("what it may not signal is told, and where nobody may be signalled it does not start")
  func noRight() {
    let group = ScratchCgroup("oomwitness-guard-right-\(getpid())", limitBytes: 64 << 20)
    let sleeper = group.start("exec sleep 60")
    usleep(50_000)
    let arguments = ["guard", "--cgroup", group.path, "--duration", "5"]
    let refused = Program.run(
      "/usr/bin/setpriv", ["--reuid=65534", "--clear-groups", Program.oomwitness] + arguments)
    #expect(refused.status == 2 && refused.output == "")
    #expect(
      refused.errors.hasSuffix(
        "oomwitness: the one that would be taken now, sleep (pid \(sleeper.pid)), may not be signalled: operation not "
          + "permitted (needs root, or CAP_KILL; or spare what is not yours with --ignore)\n"), "\(refused.errors)")
    sleeper.signal(SIGKILL)
    _ = sleeper.wait()
  }

  @Test("a group without limit, and one that is not there, are sentences")
  func noGroup() {
    let gone = Program.run(Program.oomwitness, ["guard", "--cgroup", "/no/such"])
    #expect(gone.status == 1)
    #expect(
      gone.errors == "oomwitness: there is no memory cgroup /no/such here (paths are those of /proc/PID/cgroup)\n")
  }

  @Test("status tells readings beside thresholds, and the same of a group as JSON")
  func status() throws {
    let group = ScratchCgroup("oomwitness-guard-status-\(getpid())", limitBytes: 64 << 20)
    let sleeper = group.start("exec sleep 60")
    usleep(50_000)
    let text = Program.run(Program.oomwitness, ["guard", "status", "--cgroup", group.path, "--output", "pretty"])
    #expect(text.status == 0 && text.output.hasPrefix("memory "), "\(text.errors)")
    #expect(
      text.output.contains(" of 64.0 MiB available (") && text.output.contains("SIGTERM at 6.4 MiB, SIGKILL at 3.2 MiB")
    )
    #expect(text.output.contains("now     nothing is to be done\n"))
    #expect(text.output.contains("victim  sleep pid \(sleeper.pid) is first of 1: "))
    let json = Program.run(Program.oomwitness, ["guard", "status", "--cgroup", group.path, "--output", "ndjson"])
    let line = try #require(Line.all(in: json.output).first)
    #expect(line.text("outcome") == "would_send" && line.number("victim", "pid") == Int(sleeper.pid))
    #expect(line.array("victim", "cmdline") as? [String] == ["sleep", "60"])
    sleeper.signal(SIGKILL)
    _ = sleeper.wait()
  }

  @Test("earlyoom's file is taken, and what is wrong in it is named")
  func earlyoomFile() {
    let group = ScratchCgroup("oomwitness-guard-file-\(getpid())", limitBytes: 64 << 20)
    let file = "/tmp/oomwitness-guard-file-\(getpid())"
    Files.write(
      "EARLYOOM_ARGS=\"--memory 20 --kill-process-group\"\nEARLYOOM_ARGS=\"$EARLYOOM_ARGS -r 60\"\n", to: file)
    defer { unlink(file) }
    let ended = Program.run(
      Program.oomwitness,
      ["guard", "status", "--cgroup", group.path, "--output", "pretty", "--earlyoom-file", file])
    #expect(ended.status == 0 && ended.output.contains("SIGTERM at 12.8 MiB, SIGKILL at 6.4 MiB"))
    #expect(
      ended.errors == """
        oomwitness: earlyoom has no --memory and would not start: it is -m there; taken as that
        oomwitness: earlyoom has no --kill-process-group and would not start: it is -g there; taken as that
        oomwitness: -r: nothing is reported between actions; `oomwitness guard status` says how memory stands

        """)
  }

  @Test("what another guard does is told by the tracer, by its name, and a kill that comes all the same is marked")
  func others() throws {
    let copy = "/tmp/oomwitness-others-\(getpid())"
    mkdir(copy, 0o755)
    defer { _ = Program.run("/bin/rm", ["-r", copy]) }
    #expect(Program.run("/bin/cp", ["/bin/kill", copy + "/earlyoom"]).status == 0)
    let tracer = Program(Program.oomwitness, ["trace", "--output", "ndjson"])
    #expect(tracer.waitForOutput(containing: "stream_start"))
    let sleeper = Program("/bin/sleep", ["60"])
    #expect(Program.run("/bin/kill", ["-TERM", "\(Program("/bin/sleep", ["60"]).pid)"]).status == 0)
    for _ in 0..<1000 where Files.text("/proc/\(sleeper.pid)/comm") != "sleep\n" { usleep(5000) }
    let sender = Program(copy + "/earlyoom", ["-KILL", "\(sleeper.pid)"])
    #expect(sender.wait().status == 0 && sleeper.wait().status == 128 + SIGKILL)
    #expect(tracer.waitForOutput(containing: "guard_action"), "\(tracer.outputSoFar)")
    let cgroup = ScratchCgroup("oomwitness-others-\(getpid())", limitBytes: 32 << 20)
    _ = cgroup.run(KillTests.hog)
    #expect(tracer.waitForOutput(containing: "oom_outcome"))
    tracer.signal(SIGTERM)
    let lines = Line.all(in: tracer.wait().output)
    let action = try #require(
      lines.first { $0.type == "guard_action" && $0.number("victim", "pid") == Int(sleeper.pid) })
    #expect(action.text("by") == "earlyoom" && action.text("signal") == "SIGKILL" && action.text("outcome") == "sent")
    #expect(action.number("sender", "pid") == Int(sender.pid) && action.text("victim", "comm") == "sleep")
    #expect(!lines.contains { $0.text("by") == "kill" })
    let kill = try #require(lines.first { $0.type == "oom_kill" && $0.text("victim", "cgroup", "path") == cgroup.path })
    #expect(kill.text("after_guard_action", "by") == "earlyoom")
    #expect(kill.number("after_guard_action", "pid") == Int(sleeper.pid))
  }
}
