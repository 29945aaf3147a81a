// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Rules that are applied to what starts, and services that start with a value.
@Suite struct ProtectWatchTests {
  typealias Sleeper = ProtectTests.Sleeper
  typealias Scratch = ProtectTests.Scratch

  /// Sets what ran before, then waits for what starts.
  private func watch(_ options: [String], cause: String) throws {
    let marker = "0.\(getpid())\(cause == "exec" ? 1 : 2)"
    let (first, journal) = (Sleeper(marker: marker), Scratch())
    let arguments =
      ["protect", "watch", "--rule", "comm=sleep,cmdline=*sleep * \(marker):300", "--reason", "a test"]
      + ["--journal", journal.path, "--output", "ndjson"] + options
    let watch = Program(Program.oomwitness, arguments)
    #expect(watch.waitForOutput(containing: #""cause":"start""#), "\(watch.outputSoFar)")
    #expect(first.adj == 300)
    let second = Sleeper(marker: marker)
    #expect(second.waitForAdj(300))
    watch.signal(SIGTERM)
    let ended = watch.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    let lines = Line.all(in: ended.output)
    let line = try #require(lines.first { $0.number("process", "pid") == Int(second.pid) })
    #expect(line.text("type") == "policy_action" && line.text("outcome") == "applied")
    #expect(line.text("cause") == cause && line.text("reason") == "a test")
    #expect(line.number("oom_score_adj_before") == 0 && line.number("oom_score_adj_after") == 300)
    #expect(lines.map { $0.number("seq") } == lines.indices.map { $0 + 1 })
    #expect(ProtectTests.protect("revert", "--journal", journal.path).status == 0)
    #expect(first.adj == 0 && second.adj == 0)
  }

  @Test(
    "a program that starts is set by the exec tracepoint, long before the next round",
    .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func byTracepoint() throws { try watch(["--poll", "600"], cause: "exec") }

  @Test(
    "programs that start faster than they can be looked at are counted and told, and all processes are looked at",
    .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func lostPrograms() throws {
    let marker = "0.\(getpid())3"
    let (first, journal) = (Sleeper(marker: marker), Scratch())
    let watch = Program(
      Program.oomwitness,
      [
        "protect", "watch", "--rule", "comm=sleep,cmdline=*sleep * \(marker):300", "--journal", journal.path,
        "--output",
        "ndjson", "--poll", "600",
      ])
    #expect(watch.waitForOutput(containing: #""cause":"start""#) && first.adj == 300)
    // The ring holds 6553 records.
    watch.signal(SIGSTOP)
    let shell = Program("/bin/sh", ["-c", "i=0; while [ $i -lt 7000 ]; do /bin/true; i=$((i + 1)); done"])
    #expect(shell.wait(seconds: 120).status == 0)
    let second = Sleeper(marker: marker)
    watch.signal(SIGCONT)
    #expect(second.waitForAdj(300))
    watch.signal(SIGINT)
    let ended = watch.wait()
    #expect(ended.status == 0, "\(ended.errors)")
    let lines = Line.all(in: ended.output)
    let loss = try #require(lines.first { $0.type == "loss" })
    #expect(loss.text("reason") == "ring_full" && (loss.number("records") ?? 0) > 0 && loss.number("kernel_count") == 0)
    let line = try #require(lines.first { $0.number("process", "pid") == Int(second.pid) })
    #expect(line.text("cause") == "poll")
    #expect(ProtectTests.protect("revert", "--journal", journal.path).status == 0)
  }

  @Test("without BPF it is found on the rounds")
  func byRounds() throws { try watch(["--no-bpf", "--poll", "0.1"], cause: "poll") }

  @Test(
    "what cannot be set is told once, not on each round", .enabled(if: geteuid() == 0, "needs root to give up a right"))
  func failuresAreToldOnce() {
    let (sleeper, journal) = (Sleeper(), Scratch())
    let ended = Program.run(
      "/usr/bin/setpriv",
      [
        "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", Program.oomwitness, "protect", "watch", "--rule",
        "cmdline=\(sleeper.cmdline):-100", "--journal", journal.path, "--output", "pretty", "--no-bpf", "--poll", "0.1",
        "--duration", "1",
      ])
    #expect(ended.status == 0, "\(ended.errors)")
    let lines = ended.output.split(separator: "\n")
    #expect(lines.count == 2 && lines.first == "1 rule, applied every 0.1 s")
    #expect(
      lines.last?.hasSuffix(
        "FAILED  sleep pid \(sleeper.pid): the kernel refuses -100: it is below the floor of the process (needs CAP_SYS_RESOURCE)"
      ) == true, "\(ended.output)")
    #expect(journal.text == "")
  }

  @Test(
    "a service's unit file is compared with the rules for it, and its control group's limit is a domain of the plan",
    .enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
  func units() throws {
    let unit = "oomwitness-\(getpid()).service"
    let (root, journal) = ("/tmp/oomwitness-units-\(getpid())", Scratch())
    for folder in ["", "/etc", "/etc/systemd", "/etc/systemd/system"] { mkdir(root + folder, 0o755) }
    defer { _ = Program.run("/bin/rm", ["-r", root]) }
    let group = ScratchCgroup(unit, limitBytes: 64 << 20)
    let started = group.run("/bin/sleep 600 >/dev/null & echo $!")
    let pid = try #require(pid_t(started.output.dropLast()))
    defer { kill(pid, SIGKILL) }
    let rule = "unit=\(unit):300"
    let plan = ProtectTests.protect("plan", "--rule", rule)
    #expect(
      plan.output.contains("\nnow    If cgroup /\(unit) were at its limit of 64MiB now, the kernel would kill sleep"))
    #expect(ProtectTests.protect("apply", "--rule", rule, "--journal", journal.path).status == 0)
    func audit() -> Program.Ended { ProtectTests.protect("audit", "--rule", rule, "--root", root) }
    #expect(audit().output == "unknown    \(unit): no unit file was found\n1 process has a rule, all agrees.\n")
    Files.write("[Service]\nOOMScoreAdjust=-100\nOOMPolicy=stop\n", to: "\(root)/etc/systemd/system/\(unit)")
    let differs = audit()
    #expect(differs.status == 1)
    #expect(
      differs.output
        == "differs    \(unit) starts with OOMScoreAdjust=-100, OOMPolicy=stop, rules declare 300 "
        + "(`oomwitness protect systemd \(unit) --oom-score-adj 300`)\n1 process has a rule, 1 difference.\n")
    let written = Program.run(
      Program.oomwitness,
      ["protect", "systemd", unit, "--oom-score-adj", "300", "--root", root, "--write"])
    #expect(written.status == 0, "\(written.errors)")
    #expect(audit().output == "1 process has a rule, all agrees.\n" && audit().status == 0)
    #expect(ProtectTests.protect("revert", "--journal", journal.path).status == 0)
  }

  @Test("a drop-in is shown, written when asked, and never over a file of somebody else's")
  func dropIn() {
    let root = "/tmp/oomwitness-root-\(getpid())"
    mkdir(root, 0o755)
    defer { _ = Program.run("/bin/rm", ["-r", root]) }
    let file = root + "/etc/systemd/system/db.service.d/50-oomwitness.conf"
    let text =
      "# Written by `oomwitness protect systemd`, which may overwrite it.\n[Service]\nOOMScoreAdjust=-500\nOOMPolicy=continue\n"
    func systemd(_ more: String...) -> Program.Ended {
      Program.run(
        Program.oomwitness, ["protect", "systemd", "db", "--oom-policy", "continue", "--root", root] + more)
    }
    let shown = systemd("--oom-score-adj", "-500")
    #expect(shown.status == 0 && shown.output == "\(file):\n\n\(text)\nNot written: add --write.\n")
    #expect(Files.text(file) == nil)
    let written = systemd("--oom-score-adj", "-500", "--write")
    #expect(written.status == 0 && Files.text(file) == text, "\(written.errors)")
    #expect(systemd("--oom-score-adj", "-500", "--write").output.hasSuffix("It is there already.\n"))
    #expect(systemd("--oom-score-adj", "-600", "--write").status == 0)
    #expect(Files.text(file)?.contains("OOMScoreAdjust=-600\n") == true)
    let policyAlone = Program.run(
      Program.oomwitness, ["protect", "systemd", "db", "--oom-policy", "stop", "--root", root, "--write"])
    #expect(policyAlone.output.contains("\nNo longer there: OOMScoreAdjust=-600\nWritten; "))
    #expect(
      policyAlone.errors == "oomwitness: there is no unit file of db.service yet: it holds once there is one\n")
    Files.write("[Service]\nOOMScoreAdjust=1\n", to: file)
    let foreign = systemd("--oom-score-adj", "-500", "--write")
    #expect(foreign.status == 1 && foreign.errors == "oomwitness: \(file) is not ours, and was left as it is\n")
    #expect(Files.text(file) == "[Service]\nOOMScoreAdjust=1\n")
    #expect(Files.names(in: root + "/etc/systemd/system/db.service.d") == ["50-oomwitness.conf"])
  }

  @Test(
    "wrong usage is a sentence and 64",
    arguments: [
      ["plan"], ["apply", "--rule", "comm=a"], ["apply", "--rule", "a:5"], ["apply", "--rule", "comm=:5"],
      ["apply", "--rule", "name=a:5"], ["plan", "--preset", "mainframes"], ["presets", "mainframes"],
      ["watch", "--rule", "comm=a:5", "--poll", "0"], ["systemd", "db"], ["systemd", "a/b", "--oom-policy", "kill"],
      ["systemd", "db.socket", "--oom-policy", "kill"], ["systemd", "db", "--oom-score-adj", "1001"],
      ["systemd", "db", "--oom-score-adj", "-1000"], ["systemd", "db", "--oom-policy", "kill", "--daemon-reload"],
      ["systemd", "", "--oom-policy", "kill"],
      ["systemd", "db", "--oom-policy", "kill", "--root", "/tmp", "--write", "--daemon-reload"],
    ])
  func wrongUsage(arguments: [String]) {
    let ended = Program.run(Program.oomwitness, ["protect"] + arguments)
    #expect(ended.status == 64, "\(ended.errors)")
    #expect(ended.errors.hasPrefix("Error: ") && ended.output == "", "\(ended.output)")
  }
}
