// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// oom_score_adj of real processes, as the kernel shows it.
@Suite struct ProtectTests {
  /// A `sleep` that no other test means, ended with it.
  final class Sleeper {
    let program: Program
    /// What its command line is.
    let cmdline: String
    var pid: pid_t { program.pid }

    /// - Parameter marker: a number of seconds, and the same for all that one rule is to mean.
    init(marker: String? = nil) {
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      let seconds = "9\(time.tv_sec).\(time.tv_nsec)"
      cmdline = "/bin/sleep \(seconds)" + (marker.map { " " + $0 } ?? "")
      program = Program("/bin/sleep", [seconds] + (marker.map { [$0] } ?? []))
      // It is still the test's image until it has called execve(2).
      for _ in 0..<500 where Files.text("/proc/\(program.pid)/comm") != "sleep\n" { usleep(2000) }
    }

    var adj: Int? { Files.text("/proc/\(pid)/oom_score_adj").flatMap { Int($0.dropLast()) } }

    func waitForAdj(_ value: Int) -> Bool {
      for _ in 0..<1000 {
        if adj == value { return true }
        usleep(10_000)
      }
      return false
    }

    deinit {
      program.signal(SIGKILL)
      _ = program.wait()
    }
  }

  /// A file that is gone after the test.
  final class Scratch {
    let path: String

    init(_ text: String? = nil) {
      var name = Array("/tmp/oomwitness-protect-XXXXXX".utf8CString)
      close(mkstemp(&name))
      path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if let text { Files.write(text, to: path) } else { unlink(path) }
    }

    var text: String? { Files.text(path) }
    deinit { unlink(path) }
  }

  static func protect(_ arguments: String...) -> Program.Ended {
    Program.run(Program.oomwitness, ["protect"] + arguments)
  }

  @Test("plan shows the change and makes none; apply makes it, audit agrees, revert takes it back")
  func wholeRound() throws {
    let (sleeper, journal) = (Sleeper(), Scratch())
    let rule = "comm=sleep,cmdline=\(sleeper.cmdline):300"
    let before = ProtectTests.protect("audit", "--rule", rule)
    #expect(before.status == 1)
    #expect(
      before.output
        == "differs    sleep (pid \(sleeper.pid)) has 0, rule '\(rule)' (--rule) declares 300\n"
        + "1 process has a rule, 1 difference.\n")
    let plan = ProtectTests.protect("plan", "--rule", rule, "--reason", "a test")
    #expect(plan.status == 0, "\(plan.errors)")
    let row = plan.output.split(separator: "\n")[1].split(separator: " ").map(String.init)
    #expect(row[0] == "\(sleeper.pid)" && row[2] == "0" && row[3] == "300")
    #expect(plan.output.contains("1 process would change, 0 have their value already."))
    #expect(sleeper.adj == 0)
    let applied = ProtectTests.protect("apply", "--rule", rule, "--journal", journal.path)
    #expect(applied.status == 0, "\(applied.errors)")
    #expect(
      applied.output
        == "sleep (pid \(sleeper.pid)): 0 -> 300 (rule '\(rule)' (--rule))\n1 set, 0 had their value already.\n")
    #expect(sleeper.adj == 300)
    let shown = Files.text("/proc/\(sleeper.pid)/oom_score").flatMap { Int($0.dropLast()) }
    #expect(row[5] == shown.map(String.init), "oom_score as plan has said, and as the kernel shows it")
    var status = stat()
    #expect(stat(journal.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(ProtectTests.protect("audit", "--rule", rule).output == "1 process has a rule, all agrees.\n")
    let again = ProtectTests.protect("apply", "--rule", rule, "--journal", journal.path)
    #expect(again.output == "0 set, 1 had its value already.\n" && again.status == 0)
    let reverted = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(
      reverted.output == "sleep (pid \(sleeper.pid)): 300 -> 0\n1 taken back, 0 had nothing to take back.\n")
    #expect(sleeper.adj == 0 && journal.text == "")
  }

  @Test("who is next is told before and after, and the plan is the kernel's own number")
  func planAsJSON() throws {
    let sleeper = Sleeper()
    let plan = ProtectTests.protect("plan", "--rule", "cmdline=\(sleeper.cmdline):1000", "--output", "json")
    #expect(plan.status == 0, "\(plan.errors)")
    let line = try #require(Line.all(in: plan.output).first)
    #expect(plan.output.contains(#""oom_score_adj_then":1000"#))
    #expect(plan.output.contains("\"victim\":{\"pid\":\(sleeper.pid),"), "with 1000 it is next")
    #expect(line.number("unchanged") == 0)
  }

  @Test("two changes of one process are taken back to where it was")
  func twoChanges() {
    let (sleeper, journal) = (Sleeper(), Scratch())
    for value in [300, 500] {
      let ended = ProtectTests.protect(
        "apply", "--rule", "cmdline=\(sleeper.cmdline):\(value)", "--journal", journal.path)
      #expect(ended.status == 0, "\(ended.errors)")
    }
    #expect(ProtectTests.protect("revert", "--journal", journal.path).status == 0)
    #expect(sleeper.adj == 0)
  }

  @Test(
    "what the kernel refuses is one sentence, the rest goes on, and nothing of it is in the journal",
    .enabled(if: geteuid() == 0, "needs root to give up a right"))
  func refusedByTheKernel() {
    let (low, high, journal) = (Sleeper(), Sleeper(), Scratch())
    let ended = Program.run(
      "/usr/bin/setpriv",
      [
        "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", Program.oomwitness, "protect", "apply", "--rule",
        "cmdline=\(low.cmdline):-100", "--rule", "cmdline=\(high.cmdline):100", "--journal", journal.path,
      ])
    #expect(ended.status == 1)
    #expect(
      ended.errors
        == "oomwitness: sleep (pid \(low.pid)): the kernel refuses -100: it is below the floor of the process "
        + "(needs CAP_SYS_RESOURCE)\n")
    #expect(ended.output.hasSuffix("1 set, 0 had their value already, 1 failed.\n"))
    #expect(low.adj == 0 && high.adj == 100)
    #expect(journal.text?.split(separator: "\n").count == 1)
  }

  @Test(
    "without root another's process is not ours to change", .enabled(if: geteuid() == 0, "needs root to give it up"))
  func withoutRoot() {
    let sleeper = Sleeper()
    let ended = Program.run(
      "/usr/bin/setpriv",
      [
        "--reuid=65534", "--clear-groups", Program.oomwitness, "protect", "apply", "--rule",
        "cmdline=\(sleeper.cmdline):100", "--journal", "/tmp/oomwitness-nobody-\(getpid())",
      ])
    unlink("/tmp/oomwitness-nobody-\(getpid())")
    #expect(ended.status == 1)
    #expect(
      ended.errors == "oomwitness: sleep (pid \(sleeper.pid)): cannot open /proc/\(sleeper.pid)/oom_score_adj: "
        + "permission denied (needs root, or the user whose process it is)\n")
    #expect(sleeper.adj == 0)
  }

  @Test("two rules that disagree are refused, with the process and both, and nothing is changed")
  func disagreement() {
    let (sleeper, other, journal) = (Sleeper(), Sleeper(), Scratch())
    let (one, two) = ("cmdline=\(sleeper.cmdline):100", "comm=sleep,cmdline=\(sleeper.cmdline):200")
    for command in ["plan", "apply", "audit", "watch"] {
      var arguments = [command, "--rule", "cmdline=\(other.cmdline):100", "--rule", one, "--rule", two]
      if ["apply", "watch"].contains(command) { arguments += ["--journal", journal.path] }
      let ended = Program.run(Program.oomwitness, ["protect"] + arguments)
      #expect(ended.status == 1, "\(command)")
      #expect(
        ended.errors == "oomwitness: sleep (pid \(sleeper.pid)): rule '\(one)' (--rule) wants 100, "
          + "rule '\(two)' (--rule) wants 200; nothing was changed\n")
    }
    #expect(sleeper.adj == 0 && other.adj == 0 && journal.text == nil)
  }

  @Test("a broken file names its place, and nothing is changed")
  func brokenFile() {
    let sleeper = Sleeper()
    let rules = Scratch(
      "rules:\n  - match: {comm: sleep}\n    oom_score_adj: 100\n  - match: {com: sleep}\n    oom_score_adj: 1\n")
    let ended = ProtectTests.protect("apply", "--rules", rules.path, "--rule", "cmdline=\(sleeper.cmdline):100")
    #expect(ended.status == 1)
    #expect(
      ended.errors
        == "oomwitness: \(rules.path):4:13: unknown key 'com'; did you mean 'comm'? (known: comm, exe, cmdline, user, cgroup, unit, "
        + "container); nothing was changed\n")
    #expect(sleeper.adj == 0)
    let gone = ProtectTests.protect("plan", "--rules", "/nonexistent/rules.yaml")
    #expect(
      gone.errors == "oomwitness: cannot open /nonexistent/rules.yaml: no such file or directory; nothing was changed\n"
    )
    #expect(gone.status == 1)
  }

  @Test("a value that cannot be leaves its rule out; the rest goes on, and the status is 1")
  func badValues() {
    let (sleeper, journal) = (Sleeper(), Scratch())
    let rules = Scratch(
      """
      rules:
        - match: {cmdline: '\(sleeper.cmdline)'}
          oom_score_adj: 150
        - match: {comm: no-such-comm}
          oom_score_adj: 1001
        - match: {comm: no-such-comm}
          oom_score_adj: -1000
      """)
    let ended = ProtectTests.protect(
      "apply", "--rules", rules.path, "--rule", "comm=x:-5000", "--journal", journal.path)
    #expect(ended.status == 1)
    #expect(
      ended.errors == """
        oomwitness: \(rules.path):5:20: oom_score_adj is -1000 to 1000, not 1001; the rule is left out
        oomwitness: \(rules.path):7:20: -1000 makes unkillable, whatever the process comes to hold; -999 is nearly as safe \
        (or --allow-unkillable); the rule is left out
        oomwitness: --rule 'comm=x:-5000': oom_score_adj is -1000 to 1000, not -5000; the rule is left out

        """)
    #expect(sleeper.adj == 150)
    _ = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(sleeper.adj == 0)
  }

  @Test("neither init nor kernel threads nor we ourselves are ever in a plan")
  func untouchables() {
    for comm in [
      Files.text("/proc/1/comm").map { String($0.dropLast()) } ?? "init", "kthreadd", "kworker*", "oomwitness",
    ] {
      let plan = ProtectTests.protect("plan", "--rule", "comm=\(comm):7", "--output", "json")
      #expect(plan.status == 0, "\(plan.errors)")
      #expect(!plan.output.contains(#""process":{"pid":1,"#))
      #expect(!plan.output.contains(#""comm":"kthreadd""#) && !plan.output.contains(#""comm":"kworker"#))
    }
  }

  @Test("a name with escapes is shown without them")
  func hostileName() {
    let program = Scratch("")
    unlink(program.path)
    let name = "/tmp/\u{1b}[31m\(getpid())"
    symlink("/bin/sleep", name)
    defer { unlink(name) }
    let sleeper = Program(name, ["98765"])
    defer {
      sleeper.signal(SIGKILL)
      _ = sleeper.wait()
    }
    for _ in 0..<500 where Files.text("/proc/\(sleeper.pid)/comm")?.contains("[31m") != true { usleep(2000) }
    let journal = Scratch()
    for arguments in [["plan"], ["apply", "--journal", journal.path]] {
      let ended = Program.run(Program.oomwitness, ["protect"] + arguments + ["--rule", "comm=?\\[31m*:50"])
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(ended.output.contains("\\x1b[31m\(getpid())") && !ended.output.contains("\u{1b}"))
    }
    let reverted = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(reverted.output.hasPrefix("\\x1b[31m\(getpid()) (pid \(sleeper.pid)): 50 -> 0\n"), "\(reverted.output)")
  }

  @Test("who has the pid of another, or a value of somebody else's, is left alone; a torn line is no line")
  func journalOfOthers() throws {
    let (reused, changed, journal) = (Sleeper(), Sleeper(), Scratch())
    for each in [reused, changed] {
      _ = ProtectTests.protect("apply", "--rule", "cmdline=\(each.cmdline):300", "--journal", journal.path)
      #expect(each.adj == 300)
    }
    Files.write("400", to: "/proc/\(changed.pid)/oom_score_adj")
    let lines = try #require(journal.text).split(separator: "\n").map(String.init)
    let ticks = try #require(Line.all(in: lines[0]).first?.number("start_time_ticks"))
    let other = lines[0].replacing("\"start_time_ticks\":\(ticks)", with: "\"start_time_ticks\":\(ticks - 1)")
    let gone = lines[0].replacing("\"pid\":\(reused.pid)", with: "\"pid\":4194304")
    Files.write([gone, other, "junk", lines[1], "{\"time\":\"2026"].joined(separator: "\n"), to: journal.path)
    let ended = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(ended.status == 1)
    #expect(
      ended.output == "sleep (pid \(reused.pid)) has ended; its pid is another process's, which was left alone\n"
        + "0 taken back, 2 had nothing to take back, 2 left in the journal.\n")
    #expect(
      ended.errors == "oomwitness: sleep (pid \(changed.pid)) has 400, not the 300 that was set: it was left as it is "
        + "(`echo 0 > /proc/\(changed.pid)/oom_score_adj` brings back what it had first)\n"
        + "oomwitness: line 3 of the journal is none of ours, and was left there\n")
    #expect(reused.adj == 300 && changed.adj == 400)
    #expect(journal.text == "junk\n\(lines[1])\n")
  }

  @Test("a journal above 1 MiB is cleared of what has ended, and of what was set again")
  func longJournal() throws {
    let (sleeper, journal) = (Sleeper(), Scratch())
    func apply(_ value: Int) -> Program.Ended {
      ProtectTests.protect("apply", "--rule", "cmdline=\(sleeper.cmdline):\(value)", "--journal", journal.path)
    }
    #expect(apply(300).status == 0)
    let line = try #require(journal.text)
    let gone = line.replacing("\"pid\":\(sleeper.pid)", with: "\"pid\":4194304")
    Files.write(line + String(repeating: gone, count: (1 << 20) / gone.utf8.count + 1), to: journal.path)
    #expect(apply(400).status == 0)
    #expect(journal.text?.split(separator: "\n").count == 2)
    #expect(ProtectTests.protect("revert", "--journal", journal.path).status == 0)
    #expect(sleeper.adj == 0 && journal.text == "")
  }

  @Test("a journal that is not there has nothing to take back")
  func noJournal() {
    let ended = ProtectTests.protect("revert", "--journal", "/nonexistent/journal")
    #expect(ended.status == 0)
    #expect(ended.output == "Nothing to take back: there is no /nonexistent/journal.\n")
  }

  @Test("where the journal cannot be written nothing is changed")
  func noRoomForTheJournal() {
    let sleeper = Sleeper()
    let ended = ProtectTests.protect(
      "apply", "--rule", "cmdline=\(sleeper.cmdline):300", "--journal", "/proc/nowhere/journal")
    #expect(ended.status == 1)
    #expect(ended.errors == "oomwitness: cannot make /proc/nowhere: no such file or directory; nothing was changed\n")
    #expect(sleeper.adj == 0)
  }

  @Test("a process that ends before it is changed is one sentence, and the rest goes on")
  func vanished() {
    let (first, second, journal) = (Sleeper(), Sleeper(), Scratch(""))
    // The command waits for the journal, between its plan and the first change.
    let lock = open(journal.path, O_RDWR | O_CLOEXEC)
    #expect(flock(lock, LOCK_EX) == 0)
    let apply = Program(
      Program.oomwitness,
      [
        "protect", "apply", "--rule", "cmdline=\(first.cmdline):300", "--rule", "cmdline=\(second.cmdline):300",
        "--journal",
        journal.path,
      ])
    func waits() -> Bool {
      Files.names(in: "/proc/\(apply.pid)/fd").contains { name in
        var target = [CChar](repeating: 0, count: 256)
        let count = readlink("/proc/\(apply.pid)/fd/\(name)", &target, target.count - 1)
        return count > 0
          && String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) == journal.path
      }
    }
    for _ in 0..<1000 where !waits() { usleep(10_000) }
    first.program.signal(SIGKILL)
    _ = first.program.wait()
    close(lock)
    let ended = apply.wait()
    #expect(ended.status == 1)
    #expect(ended.errors == "oomwitness: sleep (pid \(first.pid)) has ended before it could be changed\n")
    #expect(ended.output.hasSuffix("1 set, 0 had their value already, 1 failed.\n"))
    #expect(second.adj == 300)
    #expect(journal.text?.split(separator: "\n").count == 1)
  }

  @Test("what a process with a rule starts has its value, and audit says so")
  func heirs() {
    let journal = Scratch()
    let marker = "9\(getpid()).77"
    let shell = Program("/bin/sh", ["-c", "sleep 0.5; /bin/sleep \(marker); true"])
    defer {
      shell.signal(SIGKILL)
      _ = shell.wait()
    }
    for _ in 0..<500 where Files.text("/proc/\(shell.pid)/comm") != "sh\n" { usleep(2000) }
    let rule = "comm=sh,cmdline=*\(marker)*:250"
    #expect(ProtectTests.protect("apply", "--rule", rule, "--journal", journal.path).status == 0)
    var output = ""
    for _ in 0..<100 {
      output = ProtectTests.protect("audit", "--rule", rule).output
      if output.contains("inherited  sleep") { break }
      usleep(50_000)
    }
    let line = output.split(separator: "\n").first { $0.hasPrefix("inherited  sleep") }
    #expect(line?.hasSuffix("has 250 from sh (pid \(shell.pid)), and no rule") == true, "\(output)")
    if let pid = line?.split(separator: "pid ").dropFirst().first?.prefix(while: \.isNumber), let pid = pid_t(pid) {
      kill(pid, SIGKILL)
    }
  }
}
