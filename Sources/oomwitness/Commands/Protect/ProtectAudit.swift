// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Policy

extension Protect {
  /// Compares what is declared with what is.
  struct Audit: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "audit",
      abstract: "Compares declared values with those that processes have, and with systemd's.",
      discussion: """
        Tells processes with another value than declared; services whose next start would give another one; and \
        processes that inherited the value of a protected parent though no rule is for them.
        Exit status 0 where all agrees, 1 where something differs.
        Example:
          oomwitness protect audit --rules /etc/oomwitness/protect.yaml
        """)

    @OptionGroup var options: RuleOptions
    @Option(
      help: ArgumentHelp("Read unit files below another root than /; systemd is not asked then.", valueName: "folder"))
    var root = "/"
    @Option(help: "text for people, json for programs.")
    var output: Plan.Format = .text

    func run() throws {
      let (rules, leftOut) = try options.read()
      let protector = try Protector(rules: rules)
      let plan = try protector.plan()
      if PlanMaker(plan, protector: protector).refuses() { throw ExitStatus.failed }
      var auditor = Auditor(protector: protector, plan: plan)
      auditor.compareProcesses()
      auditor.compareUnits(root: root)
      auditor.findHeirs()
      auditor.findUnusedRules()
      auditor.explainFloor()
      switch output {
      case .text: try StandardOutput.show(auditor.text)
      case .json:
        var json = JSONWriter(reserving: 8192)
        auditor.encode(into: &json)
        try StandardOutput.show(json)
      }
      if auditor.differences > 0 || leftOut > 0 { throw ExitStatus.failed }
    }
  }
}
