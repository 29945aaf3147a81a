// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host

extension Protect {
  /// Writes a drop-in for a service.
  struct Systemd: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "systemd",
      abstract: "Shows a drop-in with OOMScoreAdjust and OOMPolicy for a service, and writes it when asked.",
      discussion: """
        systemd sets the value before the service starts, so that it holds for all of its processes and after each \
        restart; `apply` and `watch` change what runs. It takes effect with the next start of the service.
        OOMPolicy says what systemd does when a process of the service was killed: continue, stop the service, or kill \
        the rest of it.
        Examples:
          oomwitness protect systemd mysql --oom-score-adj -500 --oom-policy continue
          oomwitness protect systemd mysql --oom-score-adj -500 --write --daemon-reload
        """)

    enum OOMPolicy: String, CaseIterable, ExpressibleByArgument { case `continue`, stop, kill }

    @Argument(help: "The service, with or without .service.")
    var unit: String
    @Option(parsing: .unconditional, help: ArgumentHelp("The value of its processes, -999 to 1000.", valueName: "n"))
    var oomScoreAdj: Int?
    @Option(help: "What systemd does when one of its processes was killed.")
    var oomPolicy: OOMPolicy?
    @Flag(help: "Write it; else it is only shown.")
    var write = false
    @Flag(help: "Then have systemd read its files again.")
    var daemonReload = false
    @Flag(help: "Take -1000 too: the kernel then never kills any of its processes, whatever they hold.")
    var allowUnkillable = false
    @Option(help: ArgumentHelp("Another root than /, as that of an image.", valueName: "folder"))
    var root = "/"

    func validate() throws {
      guard SystemdUnit.service(named: unit) != nil else {
        throw ValidationError("'\(TerminalText.safe(unit))' is no name of a service")
      }
      guard oomScoreAdj != nil || oomPolicy != nil else {
        throw ValidationError("give --oom-score-adj, --oom-policy or both")
      }
      if let oomScoreAdj {
        guard (-1000...1000).contains(oomScoreAdj) else {
          throw ValidationError("--oom-score-adj takes -1000 to 1000, not \(oomScoreAdj)")
        }
        guard oomScoreAdj > -1000 || allowUnkillable else {
          throw ValidationError("--oom-score-adj: \(Wording.sentence(.unkillable))")
        }
      }
      if daemonReload, !write { throw ValidationError("--daemon-reload is for --write") }
      if daemonReload, root != "/" {
        throw ValidationError(
          "--daemon-reload is for this host's systemd, which does not read --root \(TerminalText.safe(root))")
      }
    }

    func run() throws {
      let dropIn = UnitDropIn(
        unit: SystemdUnit.service(named: unit)!, oomScoreAdj: oomScoreAdj, oomPolicy: oomPolicy?.rawValue, root: root)
      try StandardOutput.show("\(TerminalText.safe(dropIn.path)):\n\n\(dropIn.text)\n")
      guard write else { return try StandardOutput.show("Not written: add --write.\n") }
      let before = try attempt(dropIn.linesBefore)
      let isKnown = isKnown(dropIn.unit)
      guard isKnown || root != "/" || !Systemctl.isThere else {
        throw Diagnostic.fail("systemd knows no \(dropIn.unit); nothing was written")
      }
      switch try attempt(dropIn.write) {
      case .written:
        if !isKnown { Diagnostic.say("there is no unit file of \(dropIn.unit) yet: it holds once there is one") }
        for line in before where !dropIn.has(line) {
          try StandardOutput.show("No longer there: \(TerminalText.safe(line))\n")
        }
        try StandardOutput.show("Written; it takes effect when \(dropIn.unit) is started the next time.\n")
      case .same: try StandardOutput.show("It is there already.\n")
      case .foreign: throw Diagnostic.fail("\(TerminalText.safe(dropIn.path)) is not ours, and was left as it is")
      }
      guard daemonReload else { return }
      guard Systemctl.isThere else {
        throw Diagnostic.fail("there is no systemd to reload here", ExitStatus.notPossibleHere)
      }
      if let why = Systemctl.reload() { throw Diagnostic.fail("systemctl daemon-reload: \(why)") }
      try StandardOutput.show("systemd has read its files again.\n")
    }

    /// A template is none of the units that systemd has loaded: its file is looked for.
    private func isKnown(_ unit: String) -> Bool {
      if root == "/", Systemctl.isThere, Systemctl.settings(unit: unit) != nil { return true }
      let isTemplate = unit.hasSuffix("@.service")
      guard root != "/" || !Systemctl.isThere || isTemplate else { return false }
      return ((try? SystemdUnitFiles(root: root).settings(unit: unit)) ?? nil) != nil
    }

    private func attempt<Value>(_ body: () throws(HostError) -> Value) throws -> Value {
      do throws(HostError) {
        return try body()
      } catch {
        throw Diagnostic.fail(Wording.sentence(error))
      }
    }
  }
}
