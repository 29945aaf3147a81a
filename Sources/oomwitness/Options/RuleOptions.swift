// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Events
import Glibc
import Host
import Policy

/// Which rules there are.
struct RuleOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A file of rules in YAML (docs/protect.md), - for standard input. Repeatable.", valueName: "file"))
  var rules: [String] = []
  @Option(help: ArgumentHelp("Rules that ship with us: `oomwitness protect presets`. Repeatable.", valueName: "name"))
  var preset: [String] = []
  @Option(
    help: ArgumentHelp(
      "A rule, as 'comm=sshd,user=root:-900': all keys have to match. Repeatable.", valueName: "key=glob,...:adj"))
  var rule: [String] = []
  @Option(help: ArgumentHelp("Why: the reason of each --rule.", valueName: "text"))
  var reason: String?
  @Flag(help: "Take -1000 too: the kernel then never kills it, whatever it holds.")
  var allowUnkillable = false

  func validate() throws {
    guard !(rules.isEmpty && preset.isEmpty && rule.isEmpty) else {
      throw ValidationError("no rules: give --rules FILE, --preset NAME or --rule 'comm=NAME:VALUE'")
    }
    for name in preset where Preset.named(name) == nil {
      let known = Preset.all.map(\.name).joined(separator: ", ")
      throw ValidationError("there is no preset '\(TerminalText.safe(name))', only \(known)")
    }
    for text in rule { _ = try RuleOptions.parts(text) }
  }

  /// All of them, and whether any had to be left out, which was said.
  func read() throws -> (set: RuleSet, leftOut: Int) {
    var all: [ProtectionRule] = []
    var leftOut = 0
    for path in rules {
      let name = path == "-" ? GivenFile.standardInput : TerminalText.safe(path)
      leftOut += try add(contents(path), name, to: &all)
    }
    for name in preset {
      leftOut += try add(Array(Preset.named(name)!.text.utf8), "preset \(name)", to: &all)
    }
    for text in rule {
      let (patterns, digits) = try RuleOptions.parts(text)
      if let fault = RuleFile.fault(ofValue: digits, allowsUnkillable: allowUnkillable) {
        Diagnostic.say("--rule '\(TerminalText.safe(text))': \(Wording.sentence(fault)); the rule is left out")
        leftOut += 1
        continue
      }
      all.append(
        ProtectionRule(
          name: text, patterns: patterns, oomScoreAdj: Int(digits) ?? 0, reason: reason, origin: "--rule"))
    }
    for rule in all { RuleOptions.tellLongNames(rule) }
    return (RuleSet(all), leftOut)
  }

  /// A name that the kernel cannot hold is for nobody, and nothing else would say so.
  private static func tellLongNames(_ rule: ProtectionRule) {
    for name in rule.tooLongNames {
      let held = KernelName(bytes: Array(name.utf8.prefix(ProtectionRule.commBytesMax)))
      Diagnostic.say(
        "\(Wording.name(rule)): no process is called '\(TerminalText.safe(name))': the kernel holds "
          + "\(ProtectionRule.commBytesMax) bytes of a name ('\(TerminalText.safe(held))'; or match exe)")
    }
  }

  private func contents(_ path: String) throws -> [UInt8] {
    do throws(HostError) {
      return try GivenFile.contents(path)
    } catch {
      throw Diagnostic.fail("\(Wording.sentence(error)); nothing was changed")
    }
  }

  private func add(_ bytes: [UInt8], _ name: String, to all: inout [ProtectionRule]) throws -> Int {
    do throws(ConfigurationError) {
      let file = try RuleFile(bytes, file: name, allowsUnkillable: allowUnkillable)
      for fault in file.faults { Diagnostic.say("\(Wording.sentence(fault)); the rule is left out") }
      all += file.rules
      return file.faults.count
    } catch {
      throw Diagnostic.fail("\(Wording.sentence(error)); nothing was changed")
    }
  }

  /// `comm=sshd,user=root:-900`: the value is after the last colon; a key that is there twice has alternatives.
  private static func parts(_ text: String) throws -> ([ProtectionRule.Key: [String]], String) {
    guard let colon = text.lastIndex(of: ":"), RuleFile.isWhole(String(text[text.index(after: colon)...])) else {
      throw ValidationError("--rule takes KEY=GLOB,...:VALUE, as 'comm=sshd:-900', not '\(TerminalText.safe(text))'")
    }
    var patterns: [ProtectionRule.Key: [String]] = [:]
    for part in text[..<colon].split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, !halves[1].isEmpty, let key = ProtectionRule.Key(rawValue: String(halves[0])) else {
        let known = ProtectionRule.Key.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError(
          "--rule '\(TerminalText.safe(text))': '\(TerminalText.safe(String(part)))' is no KEY=GLOB (keys: \(known))")
      }
      patterns[key, default: []].append(String(halves[1]))
    }
    return (patterns, String(text[text.index(after: colon)...]))
  }
}

/// Where changes are kept, so that they can be taken back.
struct JournalOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where each change is written down before it is made, for `oomwitness protect revert`.", valueName: "file"))
  var journal = "/run/oomwitness/protect.journal"
}
