// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Files and pipes of `protect`: where rules come from, where the journal is, and where its words go.
@Suite struct ProtectFileTests {
  typealias Sleeper = ProtectTests.Sleeper
  typealias Scratch = ProtectTests.Scratch

  private static func shell(_ command: String) -> Program.Ended { Program.run("/bin/sh", ["-c", command]) }

  @Test("rules come through a pipe as well, and errors in them have a place")
  func rulesThroughAPipe() {
    let sleeper = Sleeper()
    let text = "rules: [{match: {cmdline: '\(sleeper.cmdline)'}, oom_score_adj: 300}]"
    for path in ["-", "/dev/stdin"] {
      let plan = ProtectFileTests.shell("echo \"\(text)\" | \(Program.oomwitness) protect plan --rules \(path)")
      #expect(plan.status == 0, "\(plan.errors)")
      #expect(plan.output.contains("1 process would change"))
    }
    let broken = ProtectFileTests.shell("echo 'rules: 5' | \(Program.oomwitness) protect plan --rules -")
    #expect(
      broken.errors == "oomwitness: standard input:1:8: rules is to be a list, not a text; nothing was changed\n")
    #expect(broken.status == 1)
    let huge = ProtectFileTests.shell(
      "head -c 1048577 /dev/zero | \(Program.oomwitness) protect plan --rules -")
    #expect(huge.errors == "oomwitness: standard input is larger than 1048576 bytes; nothing was changed\n")
  }

  @Test("a rule that is for nobody is told, and a name that no process can have as well")
  func rulesForNobody() {
    let long = ProtectTests.protect("plan", "--rule", "comm=systemd-journald:5", "--rule", "comm=no-such*:6")
    #expect(
      long.errors
        == "oomwitness: rule 'comm=systemd-journald:5' (--rule): no process is called 'systemd-journald': the "
        + "kernel holds 15 bytes of a name ('systemd-journal'; or match exe)\n")
    #expect(
      long.output == """
        0 processes would change, 0 have their value already.
        unused     rule 'comm=systemd-journald:5' (--rule) is for no process that runs now
        unused     rule 'comm=no-such*:6' (--rule) is for no process that runs now

        """)
    let json = ProtectTests.protect("plan", "--rule", "comm=no-such*:6", "--output", "json")
    #expect(json.output == #"{"changes":[],"unchanged":0,"unused_rules":["comm=no-such*:6"],"domains":[]}"# + "\n")
  }

  @Test("audit for programs: what is found, and whether it differs")
  func auditAsJSON() {
    let sleeper = Sleeper()
    let rule = "comm=sleep,cmdline=\(sleeper.cmdline):300"
    let audit = ProtectTests.protect("audit", "--rule", rule, "--output", "json")
    #expect(audit.status == 1)
    #expect(
      audit.output
        == #"{"agrees":false,"processes_with_rule":1,"differences":1,"findings":[{"kind":"value","differs":true,"#
        + "\"pid\":\(sleeper.pid),\"comm\":\"sleep\",\"rule\":\"\(rule)\",\"oom_score_adj\":0,"
        + "\"oom_score_adj_declared\":300,\"text\":\"sleep (pid \(sleeper.pid)) has 0, rule '\(rule)' (--rule) "
        + "declares 300\"}]}\n")
  }

  @Test(
    "a file of somebody else's is no journal, and is left as it was", arguments: ["a\n\nb", "b", "{\"time\":\"x\"}\n"])
  func foreignJournal(text: String) {
    let (sleeper, file) = (Sleeper(), Scratch(text))
    chmod(file.path, 0o644)
    let rule = "cmdline=\(sleeper.cmdline):300"
    for arguments in [["apply", "--rule", rule], ["watch", "--rule", rule, "--duration", "1"], ["revert"]] {
      let ended = Program.run(Program.oomwitness, ["protect"] + arguments + ["--journal", file.path])
      #expect(ended.status == 1)
      #expect(
        ended.errors == "oomwitness: \(file.path) is no journal: none of its lines is ours; nothing was changed "
          + "(name another file with --journal)\n")
    }
    var status = stat()
    #expect(stat(file.path, &status) == 0 && status.st_mode & 0o777 == 0o644)
    #expect(file.text == text && sleeper.adj == 0)
  }

  @Test("commands at once write down what they found, so that there is a way back from all of them")
  func atOnce() {
    let (sleeper, journal) = (Sleeper(), Scratch())
    let applies = (1...12).map { number in
      Program(
        Program.oomwitness,
        ["protect", "apply", "--rule", "cmdline=\(sleeper.cmdline):\(number * 50)", "--journal", journal.path])
    }
    for apply in applies { #expect(apply.wait().status == 0) }
    #expect(journal.text?.split(separator: "\n").count == 12)
    let reverted = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(reverted.status == 0, "\(reverted.errors)")
    #expect(sleeper.adj == 0 && journal.text == "")
  }

  @Test("a revert that did not come to its end is taken up again, from wherever the process is", arguments: [0, 300])
  func interruptedRevert(value: Int) {
    let (sleeper, journal) = (Sleeper(), Scratch())
    for adj in [300, 500] {
      _ = ProtectTests.protect("apply", "--rule", "cmdline=\(sleeper.cmdline):\(adj)", "--journal", journal.path)
    }
    Files.write("\(value)", to: "/proc/\(sleeper.pid)/oom_score_adj")
    let reverted = ProtectTests.protect("revert", "--journal", journal.path)
    #expect(reverted.status == 0, "\(reverted.errors)")
    #expect(sleeper.adj == 0 && journal.text == "")
  }

  @Test("what is said, and nobody hears, is a failure where a disk is full, and changes nothing of what is done")
  func outputThatFails() {
    let (sleeper, journal) = (Sleeper(), Scratch())
    let apply = "apply --rule 'cmdline=\(sleeper.cmdline):300' --journal \(journal.path)"
    let full = ProtectFileTests.shell("\(Program.oomwitness) protect \(apply) > /dev/full")
    #expect(full.status == 1)
    #expect(full.errors == "oomwitness: cannot write standard output: no space left on device\n")
    #expect(sleeper.adj == 300)
    let gone = ProtectFileTests.shell(
      "{ \(Program.oomwitness) protect revert --journal \(journal.path); echo $? >&2; } | true")
    #expect(["0\n", "141\n"].contains(gone.errors), "\(gone.errors)")
    #expect(sleeper.adj == 0 && journal.text == "")
    // With no standard error the journal must not get its number.
    _ = ProtectFileTests.shell("\(Program.oomwitness) protect \(apply)")
    Files.write("200", to: "/proc/\(sleeper.pid)/oom_score_adj")
    let text = journal.text
    #expect(
      ProtectFileTests.shell("\(Program.oomwitness) protect revert --journal \(journal.path) 2>&- >&-").status == 1)
    #expect(journal.text == text)
  }

  @Test("a plan of any length comes out whole")
  func longOutput() {
    let sleeper = Sleeper()
    // 120 names of rules are more than a sink's queue of 8 MiB.
    let rules = Scratch(
      "rules:\n"
        + (0..<12).map {
          "- {match: {comm: nobody}, oom_score_adj: \($0), name: '\(String(repeating: "x", count: 80_000))'}\n"
        }
        .joined())
    let plan = ProtectTests.protect(
      "plan", "--rule", "cmdline=\(sleeper.cmdline):300", "--output", "json",
      "--rules", rules.path, "--rules", rules.path, "--rules", rules.path, "--rules", rules.path,
      "--rules", rules.path, "--rules", rules.path, "--rules", rules.path, "--rules", rules.path,
      "--rules", rules.path, "--rules", rules.path)
    #expect(plan.status == 0, "\(plan.errors)")
    #expect(plan.output.utf8.count > 9_000_000 && plan.output.hasSuffix("}\n"))
  }
}
