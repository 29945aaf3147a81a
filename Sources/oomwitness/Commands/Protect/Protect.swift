// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Events
import Glibc
import Host
import Policy
import Report
import Sinks

/// Declares which processes the OOM killer is to spare, and which to take first.
struct Protect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "protect",
    abstract: "Sets oom_score_adj by declared rules: shows the effect first, keeps a journal, takes it back.",
    discussion: """
      Rules are YAML files (--rules), shipped presets (--preset) or options (--rule). The kernel adds oom_score_adj \
      thousandths of the domain's memory to a process's points: -999 is the lowest that leaves it killable, and steps of \
      ten or twenty change nearly nothing. Children inherit it. docs/protect.md tells the rest.
      Examples:
        oomwitness protect plan --preset sshd --preset databases
        oomwitness protect apply --rules /etc/oomwitness/protect.yaml
        oomwitness protect plan --rule 'comm=chrome,user=maria:300' --reason 'tabs can be loaded again'
        oomwitness protect revert
      """,
    subcommands: [
      Plan.self, Apply.self, Revert.self, Audit.self, Watch.self, Systemd.self, Presets.self,
    ])

  /// Changes are made to their end though nobody reads what is said of them.
  static func survivesReaders() { signal(SIGPIPE, SIG_IGN) }
}

extension Protect {
  /// Shows what rules would do, and changes nothing.
  struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "plan",
      abstract: "Shows what rules would change, and whom the kernel would kill before and after; changes nothing.",
      discussion: """
        SCORE is /proc/PID/oom_score now, and as it would be. Who is next is told for the whole system, and for each \
        control group with a memory limit that a changed process is in.
        Examples:
          oomwitness protect plan --preset databases
          oomwitness protect plan --rule 'unit=db.service:-500' --output json | jq .domains
        """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

    @OptionGroup var options: RuleOptions
    @Option(help: "text for people, json for programs.")
    var output: Format = .text

    func run() throws {
      let (rules, leftOut) = try options.read()
      let protector = try Protector(rules: rules)
      let plan = try protector.plan()
      let maker = PlanMaker(plan, protector: protector)
      if maker.refuses() { throw ExitStatus.failed }
      let planned = try maker.planned()
      switch output {
      case .text:
        let text = ProtectionText(style: Style(coloured: OutputOptions.coloured)).text(planned)
        try StandardOutput.show(text + PlanMaker.unusedText(plan))
      case .json:
        var json = JSONWriter(reserving: 8192)
        planned.encode(into: &json)
        try StandardOutput.show(json)
      }
      if leftOut > 0 { throw ExitStatus.failed }
    }
  }

  /// Sets what rules declare.
  struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "apply",
      abstract: "Sets the oom_score_adj that rules declare, and writes each change down before it is made.",
      discussion: """
        Two rules that want different values of one process are refused, and nothing is changed. A process that has \
        ended, or that the kernel will not let us change, is told; the rest goes on, and the exit status is 1.
        Lowering a process below where it was needs CAP_SYS_RESOURCE.
        Examples:
          oomwitness protect apply --preset sshd --preset databases
          oomwitness protect apply --rule 'cgroup=/batch/*:500' --reason 'can run again'
        """)

    @OptionGroup var options: RuleOptions
    @OptionGroup var journal: JournalOptions

    func run() throws {
      Protect.survivesReaders()
      let (rules, leftOut) = try options.read()
      let protector = try Protector(rules: rules)
      let plan = try protector.plan()
      let maker = PlanMaker(plan, protector: protector)
      if maker.refuses() { throw ExitStatus.failed }
      try maker.warn()
      let setter = AdjSetter(protector: protector, journalPath: journal.journal)
      try setter.openJournal()
      var (set, failed) = (0, leftOut)
      var text = ""
      for change in plan.changes where change.sharesMemoryWith == nil {
        let process = plan.processes[change.index]
        let name = "\(TerminalText.safe(process.comm.name)) (pid \(process.pid))"
        switch setter.set(pid: process.pid, to: change.rule, sharers: plan.sharers(of: change.index)) {
        case .set(let before, let after, let sharers):
          set += 1 + sharers.count
          text += "\(name): \(before) -> \(after) (\(Wording.name(change.rule)))\n"
          for sharer in sharers {
            text += "\(TerminalText.safe(sharer.comm)) (pid \(sharer.pid)): \(sharer.before) -> \(after) "
            text += "(shares the memory of pid \(process.pid))\n"
          }
        case .nothing: continue
        case .gone:
          failed += 1
          Diagnostic.say("\(name) has ended before it could be changed")
        case .failed(_, let sentence):
          failed += 1
          Diagnostic.say("\(name): \(sentence)")
        }
      }
      text += PlanMaker.unusedText(plan)
      let same = plan.unchanged.count
      let failures = failed > 0 ? ", \(failed) failed" : ""
      try StandardOutput.show(
        text + "\(set) set, \(same) had \(same == 1 ? "its" : "their") value already\(failures).\n")
      if failed > 0 { throw ExitStatus.failed }
    }
  }

  /// Takes back what was set.
  struct Revert: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "revert",
      abstract: "Takes back what apply and watch have set, as the journal has it.",
      discussion: """
        Only where pid and start time are still those of the same process, and its value still is the one that was set: \
        anything else is told and left as it is. End `oomwitness protect watch` first: it would set it again.
        """)

    @OptionGroup var journal: JournalOptions

    func run() throws {
      guard access(journal.journal, F_OK) == 0 || errno != ENOENT else {
        return try StandardOutput.show("Nothing to take back: there is no \(TerminalText.safe(journal.journal)).\n")
      }
      Protect.survivesReaders()
      var reverter = Reverter()
      let file = try AdjSetter.journal(journal.journal)
      do throws(HostError) {
        reverter.bootID = try HostIdentity().bootID
        if let kept = reverter.takeBack(try file.lines()) { try file.replace(with: kept) }
      } catch {
        throw Diagnostic.fail(Wording.sentence(error))
      }
      try StandardOutput.show(reverter.text + reverter.summary)
      if reverter.failed > 0 { throw ExitStatus.failed }
    }
  }

  /// Prints the rules that ship with the program.
  struct Presets: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "presets",
      abstract: "Prints the rules that ship with us, with the reason of each: all, or one preset.",
      discussion: """
        Examples:
          oomwitness protect presets > /etc/oomwitness/protect.yaml    to change them
          oomwitness protect presets databases
        """)

    @Argument(help: ArgumentHelp("sshd, databases, web-servers, browsers or developer-tools."))
    var name: String?

    func validate() throws {
      guard let name, Preset.named(name) == nil else { return }
      let known = Preset.all.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no preset '\(TerminalText.safe(name))', only \(known)")
    }

    func run() throws { try StandardOutput.show(name.flatMap(Preset.named)?.text ?? Preset.text) }
  }
}
