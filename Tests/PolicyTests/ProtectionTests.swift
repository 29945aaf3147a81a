// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Policy
import Testing

/// Rules against processes that do not exist.
@Suite struct ProtectionTests {
  static let glob: @Sendable (String, KernelName?) -> Bool = { pattern, name in
    name.map { fnmatch(pattern, $0.text, 0) == 0 } ?? false
  }
  static let id = String(repeating: "0123456789ab", count: 5) + "cdef"

  static var subject: ProtectionSubject {
    var subject = ProtectionSubject(pid: 42, comm: KernelName("sshd"))
    subject.exe = KernelName("/usr/sbin/sshd (deleted)")
    subject.cmdline = KernelName("/usr/sbin/sshd -D")
    (subject.uid, subject.user) = (0, "root")
    subject.cgroup = KernelName("/system.slice/ssh.service")
    subject.unit = "ssh.service"
    subject.container = ContainerRef(runtime: "docker", id: id)
    return subject
  }

  static func rule(_ patterns: [ProtectionRule.Key: [String]], _ adj: Int = -900, name: String = "r") -> ProtectionRule
  {
    ProtectionRule(name: name, patterns: patterns, oomScoreAdj: adj, reason: nil, origin: "o")
  }

  static let table: [(patterns: [ProtectionRule.Key: [String]], matches: Bool)] = [
    ([:], false), ([.comm: ["sshd"]], true), ([.comm: ["ssh"]], false), ([.comm: ["nginx", "ss*"]], true),
    ([.comm: ["sshd"], .user: ["nobody"]], false), ([.comm: ["sshd"], .user: ["nobody", "root"]], true),
    ([.user: ["0"]], true), ([.user: ["00"]], false), ([.user: ["r?ot"]], true),
    ([.exe: ["/usr/sbin/sshd"]], true), ([.exe: ["sshd"]], false), ([.exe: ["*/sshd"]], true),
    ([.cmdline: ["* -D"]], true), ([.cmdline: ["/usr/sbin/sshd"]], false),
    ([.cgroup: ["/system.slice/*"]], true), ([.cgroup: ["/system.slice"]], false), ([.unit: ["ssh.service"]], true),
    ([.unit: ["ssh"]], false), ([.container: ["*"]], true), ([.container: ["0123456789ab"]], true),
    ([.container: ["0123456789a"]], false), ([.container: [id]], true), ([.container: ["x*"]], false),
    (Dictionary(uniqueKeysWithValues: ProtectionRule.Key.allCases.map { ($0, ["*"]) }), true),
  ]

  @Test("keys are all wanted, patterns of one key each other's alternatives", arguments: table)
  func matching(patterns: [ProtectionRule.Key: [String]], matches: Bool) {
    let rule = ProtectionTests.rule(patterns)
    #expect(rule.matches(ProtectionTests.subject, glob: ProtectionTests.glob) == matches)
  }

  @Test("a name that is longer than the kernel holds is for nobody, unless it is a pattern")
  func tooLongNames() {
    let rule = ProtectionTests.rule([
      .comm: ["systemd-journal", "systemd-journald", "systemd-journal*", "sixteen-bytes-[a]"],
      .exe: ["/usr/lib/systemd/systemd-journald"],
    ])
    #expect(rule.tooLongNames == ["systemd-journald"])
    #expect(ProtectionTests.rule([.exe: ["/usr/lib/systemd/systemd-journald"]]).tooLongNames == [])
  }

  @Test("what is not known matches nothing, not even everything", arguments: ProtectionRule.Key.allCases)
  func unknown(key: ProtectionRule.Key) {
    let bare = ProtectionSubject(pid: 42, comm: KernelName("sshd"))
    let rule = ProtectionTests.rule([key: ["*"]])
    #expect(rule.matches(bare, glob: ProtectionTests.glob) == (key == .comm))
    #expect(rule.matches(bare, unread: [key], glob: ProtectionTests.glob))
  }

  @Test("two rules with different values disagree, with equal values they do not")
  func verdicts() {
    let (low, same, high) = (
      ProtectionTests.rule([.comm: ["s*"]], -900, name: "low"),
      ProtectionTests.rule([.user: ["root"]], -900, name: "same"),
      ProtectionTests.rule([.unit: ["*"]], 10, name: "high")
    )
    func verdict(_ rules: [ProtectionRule]) -> RuleSet.Verdict {
      RuleSet(rules).verdict(on: ProtectionTests.subject, glob: ProtectionTests.glob)
    }
    #expect(verdict([]) == .none)
    #expect(verdict([low, same]) == .set(low))
    #expect(verdict([low, same, high]) == .disagree(low, high))
    #expect(verdict([high, low]) == .disagree(high, low))
  }

  static func process(
    _ pid: Int32, anon: Pages = 1000, adj: Int = 0, memory: UInt64? = nil, skipped: SkipReason? = nil
  ) -> ProcessSnapshot {
    var process = ProcessSnapshot(
      pid: pid, tid: pid, uid: 0, oomScoreAdj: adj, startBootNanoseconds: nil, cgroup: nil,
      parts: BadnessParts(anonPages: anon, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0),
      comm: Comm(low: 0x61, high: 0), skipped: skipped)
    process.memoryID = memory
    return process
  }

  @Test("a plan changes what differs, and whoever shares its memory")
  func plan() {
    let rule = ProtectionTests.rule([.comm: ["*"]], -500)
    let processes = [
      ProtectionTests.process(10, memory: 1), ProtectionTests.process(11, memory: 1),
      ProtectionTests.process(12, adj: -500, memory: 2), ProtectionTests.process(1, memory: 1, skipped: .globalInit),
      ProtectionTests.process(13, memory: 3),
    ]
    let plan = ProtectionPlan(processes, verdicts: [0: .set(rule), 2: .set(rule), 4: .none])
    #expect(
      plan.changes == [
        ProtectionPlan.Change(index: 0, rule: rule),
        ProtectionPlan.Change(index: 1, rule: rule, sharesMemoryWith: 10),
      ])
    #expect(plan.unchanged == [2])
    #expect(plan.disagreements == [])
    #expect(plan.supposed(processes).map(\.oomScoreAdj) == [-500, -500, -500, 0, 0])
  }

  @Test("two values for one memory disagree, since one write changes both")
  func sharers() {
    let (low, high) = (ProtectionTests.rule([:], -500), ProtectionTests.rule([:], 500))
    let processes = [ProtectionTests.process(10, memory: 1), ProtectionTests.process(11, memory: 1)]
    let plan = ProtectionPlan(processes, verdicts: [0: .set(low), 1: .set(high)])
    #expect(plan.disagreements.map(\.otherPID) == [11])
    #expect(ProtectionPlan(processes, verdicts: [0: .disagree(low, high)]).disagreements.map(\.pid) == [10])
  }

  @Test("-1000 makes unkillable, and anything else no longer")
  func unkillable() {
    let processes = [ProtectionTests.process(10), ProtectionTests.process(11, adj: -1000, skipped: .oomScoreAdjMin)]
    let plan = ProtectionPlan(
      processes,
      verdicts: [0: .set(ProtectionTests.rule([:], -1000)), 1: .set(ProtectionTests.rule([:], -999))])
    #expect(plan.supposed(processes).map(\.skipped) == [.oomScoreAdjMin, nil])
  }

  static let left: [(before: [Int], after: [Int], left: ProtectionLeft)] = [
    ([0, 0], [0, -500], .enough), ([0, 0], [-500, -500], .allProtected), ([-1, -1], [-500, -500], .enough),
    ([0, 0], [-1000, -1000], .nobodyKillable), ([0], [-1000], .nobodyKillable), ([-1000], [-1000], .enough),
    ([0, 0], [-1000, 5], .enough), ([], [], .enough),
  ]

  @Test("protecting all is protecting none, and is told", arguments: left)
  func protectionLeft(before: [Int], after: [Int], left: ProtectionLeft) {
    func standings(_ values: [Int]) -> Standings {
      Standings(
        values.enumerated().map { index, value in
          ProtectionTests.process(Int32(index + 10), adj: value, skipped: value == -1000 ? .oomScoreAdjMin : nil)
        }, domain: .system(ramPages: 100_000, swapPages: 0))
    }
    #expect(ProtectionLeft(before: standings(before), after: standings(after)) == left)
  }
}
