// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import Policy

@Suite struct PredictionTests {
  /// `kill 3 +4(group) +5(shares_memory)`, `wait 7`, `nobody`.
  private static func words(_ outcome: Prediction.Outcome, _ processes: [ProcessSnapshot]) -> String {
    switch outcome {
    case .nobody: return "nobody"
    case .waits(let pid): return "wait \(pid)"
    case .kill(let death):
      let members = death.members.map { " +\(processes[$0.index].pid)(\($0.role.rawValue))" }
      return "\(death.path.rawValue) \(processes[death.chosen].pid)" + members.joined()
    }
  }

  struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var processes: [ProcessSnapshot]
    var domain = Make.system
    var groups: [String] = []
    var allocating: Int32?
    var killsAllocatingTask = false
    var depth = 3
    var outcomes: [String]
  }

  static let rows: [Row] = [
    Row(
      testDescription: "the biggest, then the next, until nobody is left",
      processes: [Make.process(2, 10), Make.process(3, 30), Make.process(4, 20)],
      outcomes: ["scan 3", "scan 4", "scan 2", "nobody"]),
    Row(
      testDescription: "depth counts the decisions after the first",
      processes: [Make.process(2, 10), Make.process(3, 30)], depth: 0, outcomes: ["scan 3"]),
    Row(testDescription: "nobody there", processes: [], outcomes: ["nobody"]),
    Row(
      testDescription: "-1000 and init are never taken",
      processes: [
        Make.process(1, 99, skipped: .globalInit), Make.process(2, 99, adj: -1000, skipped: .oomScoreAdjMin),
        Make.process(3, 1),
      ], outcomes: ["scan 3", "nobody"]),
    Row(
      testDescription: "a victim that still dies is waited for, whoever else is there",
      processes: [Make.process(2, 50), Make.process(3, 30, skipped: .alreadyVictim)], outcomes: ["wait 3"]),
    Row(
      testDescription: "one that was reaped is passed over",
      processes: [Make.process(2, 50), Make.process(3, 90, skipped: .oomSkip)], outcomes: ["scan 2", "nobody"]),
    Row(
      testDescription: "who shares the victim's memory dies too, even at -1000; init does not",
      processes: [
        Make.process(1, 50, memory: 7, skipped: .globalInit), Make.process(2, 50, memory: 7),
        Make.process(3, 50, adj: -1000, memory: 7, skipped: .oomScoreAdjMin), Make.process(4, 10),
      ], outcomes: ["scan 2 +3(shares_memory)", "scan 4", "nobody"]),
    Row(
      testDescription: "the highest memory.oom.group below the limit takes all in it but -1000",
      processes: [
        Make.process(2, 50, cgroup: "/a/b/c"), Make.process(3, 10, cgroup: "/a/b"), Make.process(4, 20, cgroup: "/a"),
        Make.process(5, 10, adj: -1000, cgroup: "/a/b/d", skipped: .oomScoreAdjMin),
        Make.process(6, 1, cgroup: "/a/bb"),
      ], domain: Make.memcg("/a"), groups: ["/a/b", "/a/b/c"],
      outcomes: ["memcg_group 2 +3(group)", "scan 4", "scan 6", "nobody"]),
    Row(
      testDescription: "a group above the limit's is not asked",
      processes: [Make.process(2, 50, cgroup: "/a/b"), Make.process(3, 10, cgroup: "/a/b")],
      domain: Make.memcg("/a/b"), groups: ["/a"], outcomes: ["scan 2", "scan 3", "nobody"]),
    Row(
      testDescription: "the limit's own group counts",
      processes: [Make.process(2, 50, cgroup: "/a/b"), Make.process(3, 10, cgroup: "/a")],
      domain: Make.memcg("/a"), groups: ["/a"], outcomes: ["memcg_group 2 +3(group)", "nobody"]),
    Row(
      testDescription: "vm.oom_kill_allocating_task takes the one who asks, once",
      processes: [Make.process(2, 50), Make.process(3, 10)], allocating: 3, killsAllocatingTask: true,
      outcomes: ["allocating_task 3", "scan 2", "nobody"]),
    Row(
      testDescription: "not at a cgroup's limit, not at -1000, and not without knowing who asks",
      processes: [Make.process(2, 50, cgroup: "/a"), Make.process(3, 10, cgroup: "/a")], domain: Make.memcg("/a"),
      allocating: 3, killsAllocatingTask: true, depth: 0, outcomes: ["scan 2"]),
  ]

  @Test("whom the kernel takes, and who follows", arguments: rows)
  func outcomes(row: Row) {
    var rules = Prediction.Rules()
    rules.groups = Set(row.groups.map { Array($0.utf8) })
    rules.allocatingPID = row.allocating
    rules.killsAllocatingTask = row.killsAllocatingTask
    let prediction = Prediction(Standings(row.processes, domain: row.domain), rules: rules, depth: row.depth)
    let told = ([prediction.outcome] + prediction.followUps).map { PredictionTests.words($0, row.processes) }
    #expect(told == row.outcomes)
  }

  @Test("the adj that spares is the highest with which another is taken, and the headroom is the least that changes it")
  func answers() {
    // Every pair of places and sizes: what is answered is held against the choice itself.
    for (first, second, adj) in [
      (500, 300, 0), (300, 500, 7), (500, 500, 0), (900, 100, -3), (150, 149, 0), (7000, 1, 0),
    ] {
      let processes = [Make.process(2, Pages(first), adj: adj), Make.process(3, Pages(second)), Make.process(4, 1)]
      let prediction = Prediction(Standings(processes, domain: Make.system), rules: .init(), depth: 0)
      guard case .kill(let death) = prediction.outcome, let sparing = prediction.sparingAdj else {
        Issue.record("nobody is taken")
        continue
      }
      func chosen(adj: Int) -> Int? {
        var changed = processes
        changed[death.chosen].oomScoreAdj = adj
        if adj == -1000 { changed[death.chosen].skipped = .oomScoreAdjMin }
        return Standings(changed, domain: Make.system).contenders.first?.index
      }
      #expect(chosen(adj: sparing) != death.chosen, "\(first) \(second) \(adj): \(sparing)")
      if sparing < 1000 { #expect(chosen(adj: sparing + 1) == death.chosen, "\(first) \(second) \(adj): \(sparing)") }
      for contender in prediction.standings.contenders where contender.index != death.chosen {
        let headroom = prediction.headroom(of: contender)!
        func chosen(grown: Pages) -> Int? {
          var changed = processes
          changed[contender.index].parts.anonPages += grown
          return Standings(changed, domain: Make.system).contenders.first?.index
        }
        #expect(chosen(grown: headroom) == contender.index)
        if headroom > 0 { #expect(chosen(grown: headroom - 1) == death.chosen) }
      }
    }
  }

  @Test("a change is supposed for a pid or for all that match, and -1000 takes one out or lets it in")
  func whatIf() {
    let processes = [Make.process(2, 10), Make.process(33, 20, adj: -1000, skipped: .oomScoreAdjMin)]
    func after(_ pattern: String, _ change: WhatIf.Change) -> (Int, [ProcessSnapshot]) {
      var changed = processes
      let count = WhatIf(pattern: pattern, change: change).apply(to: &changed) { $0 == "a" && $1?.text == "a" }
      return (count, changed)
    }
    #expect(after("2", .adj(-1000)).1.map(\.skipped) == [.oomScoreAdjMin, .oomScoreAdjMin])
    #expect(after("33", .adj(5)).1.map(\.skipped) == [nil, nil])
    #expect(after("a", .grow(7)).1.map(\.parts.anonPages) == [17, 27])
    #expect(after("a", .grow(7)).0 == 2 && after("3", .grow(7)).0 == 0)
  }
}
