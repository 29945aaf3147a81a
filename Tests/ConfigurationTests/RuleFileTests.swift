// SPDX-License-Identifier: Apache-2.0
import Configuration
import Events
import Glibc
import Policy
import TestSupport
import Testing

/// Files of rules, good ones and junk: each error has the place where somebody has to look.
@Suite struct RuleFileTests {
  static func read(_ text: String, allowsUnkillable: Bool = false) throws(ConfigurationError) -> RuleFile {
    try RuleFile(Array(text.utf8), file: "f", allowsUnkillable: allowsUnkillable)
  }

  @Test("a whole file is these rules")
  func goodFile() throws {
    let file = try RuleFileTests.read(
      """
      # comment
      rules:
        - name: ssh
          match: {comm: sshd, user: [root, 0]}
          oom_score_adj: -900
          reason: "the way in"
        - match:
            cgroup: '/system.slice/*'
          oom_score_adj: +10
      """)
    #expect(file.faults == [])
    #expect(
      file.rules == [
        ProtectionRule(
          name: "ssh", patterns: [.comm: ["sshd"], .user: ["root", "0"]], oomScoreAdj: -900, reason: "the way in",
          origin: "f:3"),
        ProtectionRule(
          name: "f:7", patterns: [.cgroup: ["/system.slice/*"]], oomScoreAdj: 10, reason: nil, origin: "f:7"),
      ])
  }

  struct Junk: Sendable, CustomTestStringConvertible {
    var text: String
    var line: Int
    var column: Int
    var fault: ConfigurationError.Fault
    var testDescription: String { text }
  }

  static let junk: [Junk] = [
    Junk(text: "", line: 1, column: 1, fault: .missingKey("rules")),
    Junk(text: "# only this\n", line: 1, column: 1, fault: .missingKey("rules")),
    Junk(text: "rules", line: 1, column: 1, fault: .wrongKind(of: "a file of rules", wanted: [.mapping], found: .text)),
    Junk(text: "- a", line: 1, column: 1, fault: .wrongKind(of: "a file of rules", wanted: [.mapping], found: .list)),
    Junk(text: "{}", line: 1, column: 1, fault: .missingKey("rules")),
    Junk(text: "rules:", line: 1, column: 7, fault: .wrongKind(of: "rules", wanted: [.list], found: .nothing)),
    Junk(text: "rule: []", line: 1, column: 1, fault: .unknownKey("rule", known: ["rules"])),
    Junk(text: "rules: []\nrules: []", line: 2, column: 1, fault: .duplicateKey("rules", firstLine: 1)),
    Junk(
      text: "rules: [a]", line: 1, column: 9, fault: .wrongKind(of: "a rule", wanted: [.mapping], found: .text)),
    Junk(text: "rules:\n- oom_score_adj: 1", line: 2, column: 3, fault: .missingKey("match")),
    Junk(text: "rules:\n- match: {comm: a}", line: 2, column: 3, fault: .missingKey("oom_score_adj")),
    Junk(text: "rules:\n- match: {}\n  oom_score_adj: 1", line: 2, column: 10, fault: .emptyMatch),
    Junk(text: "rules:\n- match: {comm: []}\n  oom_score_adj: 1", line: 2, column: 17, fault: .emptyMatch),
    Junk(
      text: "rules:\n- match: {comm: ''}\n  oom_score_adj: 1", line: 2, column: 17, fault: .emptyPattern(of: "comm")),
    Junk(text: "rules:\n- match: {comm: ~}\n  oom_score_adj: 1", line: 2, column: 17, fault: .emptyPattern(of: "comm")),
    Junk(
      text: "rules:\n- match: {comm: {a: b}}\n  oom_score_adj: 1", line: 2, column: 17,
      fault: .wrongKind(of: "comm", wanted: [.text, .list], found: .mapping)),
    Junk(
      text: "rules:\n- match: {comm: [[a]]}\n  oom_score_adj: 1", line: 2, column: 18,
      fault: .wrongKind(of: "comm", wanted: [.text], found: .list)),
    Junk(
      text: "rules:\n- match: {name: a}\n  oom_score_adj: 1", line: 2, column: 11,
      fault: .unknownKey("name", known: ["comm", "exe", "cmdline", "user", "cgroup", "unit", "container"])),
    Junk(
      text: "rules:\n- match: {comm: a}\n  oom_score_adj: low", line: 3, column: 18,
      fault: .wrongKind(of: "oom_score_adj", wanted: [.number], found: .text)),
    Junk(
      text: "rules:\n- match: {comm: a}\n  oom_score_adj: '5'", line: 3, column: 18,
      fault: .wrongKind(of: "oom_score_adj", wanted: [.number], found: .text)),
    Junk(
      text: "rules:\n- match: {comm: a}\n  oom_score_adj: 1.5", line: 3, column: 18,
      fault: .wrongKind(of: "oom_score_adj", wanted: [.number], found: .text)),
    Junk(
      text: "rules:\n- match: {comm: a}\n  oom_score_adj: 1\n  prio: 2", line: 4, column: 3,
      fault: .unknownKey("prio", known: ["name", "match", "oom_score_adj", "reason"])),
    Junk(text: "rules: &a []", line: 1, column: 8, fault: .alias),
    Junk(text: "rules: [*a]", line: 1, column: 9, fault: .alias),
    Junk(text: "rules: []\n---\nrules: []", line: 2, column: 1, fault: .secondDocument),
    Junk(text: "rules: [\"\\0\"]", line: 1, column: 9, fault: .holdsNUL),
    Junk(
      text: "rules: [", line: 2, column: 1,
      fault: .syntax("while parsing a flow node, did not find expected node content")),
    Junk(
      text: "rules:\n\t- a", line: 2, column: 1,
      fault: .syntax("while scanning for the next token, found character that cannot start any token")),
    Junk(
      text: "a: b: c", line: 1, column: 5, fault: .syntax("mapping values are not allowed in this context")),
    Junk(text: String(repeating: "[", count: 40), line: 1, column: 17, fault: .tooDeep(limit: 16)),
  ]

  @Test("junk is told by its place and its kind", arguments: junk)
  func junkFiles(junk: Junk) {
    do throws(ConfigurationError) {
      _ = try RuleFileTests.read(junk.text)
      Issue.record("it was taken")
    } catch {
      #expect(error.fault == junk.fault)
      #expect(error.place == TextPlace(line: junk.line, column: junk.column))
      #expect(error.file == "f")
    }
  }

  @Test(
    "a byte that cannot be is told by its place",
    arguments: [
      ([0x72, 0xff, 0xfe], 1, 2), (Array("rules:\n- é".utf8) + [0xff], 2, 4), (Array("a: b\n\u{7}".utf8), 2, 1),
      (Array("\na: \u{1b}[31m".utf8), 2, 4), ([0xff, 0xfe, 0x61], 1, 1),
    ] as [([UInt8], Int, Int)])
  func brokenBytes(bytes: [UInt8], line: Int, column: Int) {
    do throws(ConfigurationError) {
      _ = try RuleFile(bytes, file: "f", allowsUnkillable: false)
      Issue.record("it was taken")
    } catch {
      #expect(error.place == TextPlace(line: line, column: column), "\(error.fault)")
    }
  }

  @Test("any cut of a good file, and any byte of it made another, is read or refused and never a crash")
  func mutations() {
    let good = Array(Preset.text.utf8)
    for length in stride(from: 0, to: good.count, by: 7) {
      _ = try? RuleFile(Array(good[..<length]), file: "f", allowsUnkillable: false)
    }
    for (place, byte) in zip(stride(from: 0, to: good.count, by: 3), [0x00, 0x2a, 0x7b, 0xff, 0x09].cycled) {
      var bytes = good
      bytes[place] = byte
      _ = try? RuleFile(bytes, file: "f", allowsUnkillable: false)
    }
  }

  @Test(
    "a value that cannot be leaves its rule out, and the rest stays",
    arguments: [
      ("-1000", ConfigurationError.Fault.unkillable), ("1001", .adjOutOfRange("1001")),
      ("-1001", .adjOutOfRange("-1001")), ("99999999999999999999", .adjOutOfRange("99999999999999999999")),
    ])
  func badValues(value: String, fault: ConfigurationError.Fault) throws {
    let text = "rules:\n- match: {comm: a}\n  oom_score_adj: \(value)\n- match: {comm: b}\n  oom_score_adj: -999"
    let file = try RuleFileTests.read(text)
    #expect(file.rules.map(\.oomScoreAdj) == [-999])
    #expect(file.faults.map(\.fault) == [fault])
    #expect(file.faults.map(\.place) == [TextPlace(line: 3, column: 18)])
  }

  @Test("-1000 is taken where somebody says so")
  func unkillable() throws {
    let file = try RuleFileTests.read("rules:\n- match: {comm: a}\n  oom_score_adj: -1000", allowsUnkillable: true)
    #expect(file.rules.map(\.oomScoreAdj) == [-1000])
  }

  @Test("each preset is a file of rules, and deploy/protect.yaml is all of them")
  func presets() throws {
    var names: Set<String> = []
    for preset in Preset.all {
      let file = try RuleFileTests.read(preset.text)
      #expect(!file.rules.isEmpty && file.faults == [], "\(preset.name)")
      #expect(file.rules.allSatisfy { $0.reason != nil && $0.oomScoreAdj >= -999 })
      #expect(preset.text.contains("#"), "\(preset.name) has no comment")
      names.formUnion(file.rules.map(\.name))
    }
    #expect(Set(try RuleFileTests.read(Preset.text).rules.map(\.name)) == names)
    #expect(Files.text(Repository.root + "/deploy/protect.yaml") == Preset.text)
  }
}

extension RuleFileTests {
  @Test(
    "the preset for sshd means its listener, and no session: what is started there would inherit it",
    arguments: [
      ("/usr/sbin/sshd", true), ("/usr/sbin/sshd -D", true), ("/usr/sbin/sshd -D -e", true),
      ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", true), ("/usr/sbin/sshd -D -R", false),
      ("sshd: [accepted]", false), ("sshd: maria [priv]", false), ("sshd: maria@pts/0", false), ("", false),
    ])
  func sshdPreset(cmdline: String, isMeant: Bool) throws {
    let preset = try #require(Preset.named("sshd"))
    let rules = try RuleFileTests.read(preset.text).rules
    let rule = try #require(rules.first)
    var subject = ProtectionSubject(pid: 42, comm: KernelName("sshd"))
    subject.cmdline = KernelName(cmdline)
    let matches = rule.matches(subject) { pattern, name in name.map { fnmatch(pattern, $0.text, 0) == 0 } ?? false }
    #expect(matches == isMeant)
  }
}

extension Array where Element == UInt8 {
  fileprivate var cycled: some Sequence<UInt8> { (0..<100_000).lazy.map { self[$0 % self.count] } }
}
