// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@Suite struct ExplanationTests {
  static let explanation = Explanation(pageSizeBytes: 4096)

  /// A kill of `hog` that held 31.8 MiB, changed by `change`.
  static func sentence(_ change: (inout OOMKill) -> Void) -> String {
    var kill = Samples.minimalKill
    kill.scope = .memcg
    kill.limit = BindingLimit()
    kill.limit?.cgroup = CgroupRef(path: KernelName("/a/b"))
    kill.limit?.limit = .pages(8192)
    kill.trigger = Trigger()
    kill.trigger?.pid = 50
    kill.trigger?.comm = KernelName("asker")
    kill.victim.role = .chosen
    kill.victim.oomScoreAdj = 0
    kill.decision.path = .scan
    kill.badness = VictimBadness(
      parts: BadnessParts(anonPages: 8101, filePages: 0, shmemPages: 40, swapPages: 0, pgtablePages: 25))
    kill.badness?.points = 8166
    kill.candidates = Candidates(considered: 3, list: [], runnerUpMarginPages: 12)
    change(&kill)
    return explanation.sentence(kill)
  }

  static let held = "The kernel killed hog (pid 42), which held 31.8 MiB of memory,"
  static let most = "and its 8166 points were the most among 3 processes, 12 above the next."

  struct Row: Sendable {
    var change: @Sendable (inout OOMKill) -> Void
    var sentence: String
  }

  static let scopeRows: [Row] = [
    Row(
      change: { _ in },
      sentence:
        "\(held) because cgroup /a/b was at its limit of 32.0 MiB when asker (pid 50) asked for memory \(most)"),
    Row(
      change: { $0.limit?.limit = .unlimited },
      sentence: "\(held) because cgroup /a/b was at its limit when asker (pid 50) asked for memory \(most)"),
    Row(
      change: { $0.limit = nil },
      sentence: "\(held) because a cgroup was at its limit when asker (pid 50) asked for memory \(most)"),
    Row(
      change: { $0.scope = .system },
      sentence: "\(held) because the whole system was out of memory when asker (pid 50) asked for memory \(most)"),
    Row(
      change: { $0.scope = .cpuset },
      sentence:
        "\(held) because the memory nodes of its cpuset were full when asker (pid 50) asked for memory \(most)"),
    Row(
      change: { $0.scope = .mempolicy },
      sentence: "\(held) because the memory nodes of the allocation's NUMA policy were full when asker (pid 50) "
        + "asked for memory \(most)"),
    Row(
      change: { $0.scope = nil },
      sentence: "\(held) because memory ran out when asker (pid 50) asked for memory \(most)"),
  ]

  static func named(_ container: String?, pod: String?) -> CgroupOwner {
    var reference = ContainerRef(runtime: "docker", id: String(repeating: "0c", count: 32))
    reference.name = container
    var place = PodRef()
    (place.namespace, place.pod, place.container) = ("shop", pod, pod == nil ? nil : container)
    return CgroupOwner(unit: "a.service", container: container == nil ? nil : reference, pod: place)
  }

  /// Victim's owner, limit's owner, and how the sentence begins.
  static let ownerRows: [(CgroupOwner?, CgroupOwner?, String)] = [
    (nil, nil, "hog (pid 42), which held 31.8 MiB of memory, because cgroup /a/b was"),
    (
      named("web", pod: "cart-0"), named("web", pod: "cart-0"),
      "hog (pid 42) in container web of pod shop/cart-0, which held 31.8 MiB of memory, because this container was"
    ),
    (
      named("web", pod: "cart-0"), named(nil, pod: "cart-0"),
      "hog (pid 42) in container web of pod shop/cart-0, which held 31.8 MiB of memory, because pod shop/cart-0 was"
    ),
    (
      named(nil, pod: "cart-0"), named(nil, pod: "cart-0"),
      "hog (pid 42) in pod shop/cart-0, which held 31.8 MiB of memory, because this pod was"
    ),
    (
      named("web", pod: nil), nil,
      "hog (pid 42) in container web, which held 31.8 MiB of memory, because cgroup /a/b was"
    ),
    (
      named("w\u{1b}b", pod: nil), named(nil, pod: nil),
      "hog (pid 42) in container w\\x1bb, which held 31.8 MiB of memory, because cgroup /a/b was"
    ),
    (
      CgroupOwner(container: ContainerRef(runtime: nil, id: String(repeating: "0c", count: 32))), nil,
      "hog (pid 42), which held 31.8 MiB of memory, because cgroup /a/b was"
    ),
    (
      CgroupOwner(container: ContainerRef(runtime: "lxc", id: "mail")), nil,
      "hog (pid 42) in container mail, which held 31.8 MiB of memory, because cgroup /a/b was"
    ),
  ]

  @Test("container and pod are named where people have a name for them", arguments: ownerRows)
  func owners(victim: CgroupOwner?, limit: CgroupOwner?, start: String) {
    let sentence = ExplanationTests.sentence {
      $0.victim.cgroup = CgroupRef(path: KernelName("/a/b/c"))
      $0.victim.cgroup?.owner = victim
      $0.limit?.cgroup?.owner = limit
    }
    #expect(sentence.hasPrefix("The kernel killed \(start) at its limit of 32.0 MiB"))
  }

  @Test("each scope says whose memory was at its end", arguments: scopeRows)
  func scopes(row: Row) {
    #expect(ExplanationTests.sentence(row.change) == row.sentence)
  }

  static let askerRows: [Row] = [
    Row(change: { $0.trigger?.isVictim = true }, sentence: "when it asked for memory \(most)"),
    Row(change: { $0.trigger?.isVictim = false }, sentence: "when asker (pid 50) asked for memory \(most)"),
    Row(change: { $0.trigger?.pid = nil }, sentence: "because the whole system was out of memory \(most)"),
    Row(change: { $0.trigger?.comm = nil }, sentence: "because the whole system was out of memory \(most)"),
    Row(change: { $0.trigger = nil }, sentence: "because the whole system was out of memory \(most)"),
  ]

  @Test("who asked is named as far as it is known", arguments: askerRows)
  func askers(row: Row) {
    let sentence = ExplanationTests.sentence {
      $0.scope = .system
      row.change(&$0)
    }
    let beginning = "\(ExplanationTests.held) because the whole system was out of memory"
    #expect(sentence == (row.sentence.hasPrefix("when") ? beginning + " " : ExplanationTests.held + " ") + row.sentence)
  }

  static let cause = "\(held) because the whole system was out of memory"

  static let reasonRows: [Row] = [
    Row(
      change: { $0.victim.role = .group },
      sentence: "\(cause) and its whole cgroup was killed with it, since memory.oom.group is set there."),
    Row(
      change: { $0.victim.role = .sharesMemory },
      sentence: "\(cause) and it shared its memory with the process that was chosen."),
    Row(
      change: { $0.decision.path = .allocatingTask },
      sentence: "\(cause) and vm.oom_kill_allocating_task makes the one who asks pay."),
    Row(change: { $0.decision.path = .memcgGroup }, sentence: "\(cause) \(most)"),
    Row(change: { $0.decision.path = nil }, sentence: "\(cause) \(most)"),
    Row(change: { $0.victim.role = nil }, sentence: "\(cause) \(most)"),
    Row(
      change: { $0.decision.path = .sysrq },
      sentence: "\(held) because somebody asked for it by sysrq-f \(most)"),
    Row(
      change: { $0.victim.oomScoreAdj = -300 },
      sentence: "\(cause) and its 8166 points with an oom_score_adj of -300 were the most among 3 processes, "
        + "12 above the next."),
    Row(change: { $0.victim.oomScoreAdj = nil }, sentence: "\(cause) \(most)"),
    Row(
      change: { $0.candidates = Candidates(considered: 1, list: []) },
      sentence: "\(cause) and it was the only process that could be chosen."),
    Row(change: { $0.candidates = Candidates(considered: 2, list: []) }, sentence: "\(cause)."),
    Row(change: { $0.candidates = nil }, sentence: "\(cause)."),
    Row(change: { $0.badness?.points = nil }, sentence: "\(cause)."),
  ]

  @Test("each role and path says why this one and no other", arguments: reasonRows)
  func reasons(row: Row) {
    let sentence = ExplanationTests.sentence {
      $0.scope = .system
      $0.trigger = nil
      row.change(&$0)
    }
    #expect(sentence == row.sentence)
  }

  @Test("what it held is said as memory and swap, and not at all where it held nothing or nobody knows")
  func holdings() {
    func beginning(_ parts: BadnessParts?) -> String {
      var kill = Samples.minimalKill
      kill.badness = parts.map(VictimBadness.init)
      return ExplanationTests.explanation.sentence(kill)
    }
    var parts = BadnessParts(anonPages: 1, filePages: 2, shmemPages: 3, swapPages: 0, pgtablePages: 9)
    #expect(beginning(parts) == "The kernel killed hog (pid 42), which held 24 KiB of memory, because memory ran out.")
    parts.swapPages = 262_144
    #expect(
      beginning(parts)
        == "The kernel killed hog (pid 42), which held 24 KiB of memory and 1.0 GiB in swap, because memory ran out.")
    parts = BadnessParts(anonPages: 0, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 9)
    #expect(beginning(parts) == "The kernel killed hog (pid 42) because memory ran out.")
    #expect(beginning(nil) == "The kernel killed hog (pid 42) because memory ran out.")
  }

  @Test("hostile names of victim, asker and cgroup stay one harmless line")
  func hostileNames() {
    let sentence = ExplanationTests.sentence {
      $0.victim.comm = KernelName(bytes: [0x68, 0x1b, 0x5b, 0x32, 0x4a, 0xff, 0x0a])
      $0.trigger?.comm = KernelName("\u{202e}gpj\r")
      $0.limit?.cgroup = CgroupRef(path: KernelName("/a\"b\u{9b}"))
    }
    #expect(
      sentence == "The kernel killed h\\x1b[2J\u{fffd}\\x0a (pid 42), which held 31.8 MiB of memory, "
        + "because cgroup /a\"b\\x9b was at its limit of 32.0 MiB when \\u{202e}gpj\\x0d (pid 50) asked for memory "
        + ExplanationTests.most)
  }

  static let sizeRows: [(Int64, String)] = [
    (Int64(0), "0 KiB"), (1024, "1 KiB"), (4096, "4 KiB"), (1_044_480, "1020 KiB"),
    (1_048_576, "1.0 MiB"), (33_554_432, "32.0 MiB"), (33_345_536, "31.8 MiB"), (1_073_737_728, "1024.0 MiB"),
    (1_073_741_824, "1.0 GiB"),
    (1_610_612_736, "1.5 GiB"), (1_099_511_627_776, "1.0 TiB"), (.max, "8388608.0 TiB"),
  ]

  @Test("a size has one decimal from a mebibyte on", arguments: sizeRows)
  func sizes(bytes: Int64, text: String) {
    #expect(ExplanationTests.explanation.size(bytes: bytes) == text)
  }

  @Test("pages count with the page's own size")
  func pages() {
    #expect(Explanation(pageSizeBytes: 4096).size(512) == "2.0 MiB")
    #expect(Explanation(pageSizeBytes: 65_536).size(512) == "32.0 MiB")
  }
}
