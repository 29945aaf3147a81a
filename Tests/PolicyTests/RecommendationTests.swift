// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Policy

/// Each rule with just enough evidence, and with a little less.
@Suite struct RecommendationTests {
  private static let id = String(repeating: "0f", count: 32)
  private static let uid = "01234567-89ab-cdef-0123-456789abcdef"

  private static func recommendations(_ statistics: KillStatistics) -> [Recommendation] {
    Recommendations(of: statistics, pageSizeBytes: 4096).list
  }

  struct Rule: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let kind: Recommendation.Kind
    /// As few as speak for it.
    let kills: Int
    let make: @Sendable (Int, inout MadeKill) -> Void
    /// What is typed.
    let inputs: [String]
  }

  private static func memory(
    _ made: inout MadeKill, order: Int = 0, _ change: @escaping @Sendable (inout MemoryState) -> Void
  ) {
    made.change = { kill in
      var memory = MemoryState()
      (memory.totalPages, memory.swapTotalPages, memory.swapFreePages) = (4_000_000, 1_000_000, 900_000)
      change(&memory)
      kill.memory = memory
      kill.trigger?.order = order
    }
  }

  static let rules: [Rule] = [
    Rule(
      testDescription: "a unit's limit", kind: .raiseLimit, kills: 3, make: { $1.limit = 131_072 },
      inputs: [
        "systemctl set-property db.service MemoryMax=768M", "cat /sys/fs/cgroup/system.slice/db.service/memory.peak",
      ]),
    Rule(
      testDescription: "a container's limit", kind: .raiseLimit, kills: 3,
      make: { ($1.path, $1.limit) = ("/docker/\(id)", 131_072) },
      inputs: [
        "docker update --memory 768m --memory-swap 1536m \(id)", "cat /sys/fs/cgroup/docker/\(id)/memory.peak",
      ]),
    Rule(
      testDescription: "a pod's limit", kind: .raiseLimit, kills: 3,
      make: { ($1.path, $1.limit) = ("/kubepods/pod\(uid)/\(RecommendationTests.id($0))", 131_072) },
      inputs: [
        "kubectl get pods -A -o custom-columns=NAMESPACE:.metadata.namespace,POD:.metadata.name,UID:.metadata.uid | grep \(uid)",
        "resources:\n  limits:\n    memory: 768Mi",
        "cat /sys/fs/cgroup/kubepods/pod\(uid)/\(RecommendationTests.id(2))/memory.peak",
      ]),
    Rule(
      testDescription: "a leak in a unit, of a host without a limit for it", kind: .findLeak, kills: 3,
      make: { $1.pages = Pages(2560 + 512 * $0) },
      inputs: ["oomwitness scores --filter db --watch 60", "systemctl set-property db.service MemoryMax=10M"]),
    Rule(
      testDescription: "it fills each limit that it is given", kind: .findLeak, kills: 3,
      make: {
        $1.pages = Pages(1000 + 500 * $0)
        $1.limit = $1.pages
      }, inputs: ["oomwitness scores --filter db --watch 60"]),
    Rule(
      testDescription: "a service dies for its oom_score_adj", kind: .lowerAdj, kills: 2,
      make: {
        $1.adj = 500
        $1.others = [MadeKill.candidate("hog", pages: 1500, adj: 0)]
      }, inputs: ["oomwitness protect systemd db.service --oom-score-adj 0 --write --daemon-reload"]),
    Rule(
      testDescription: "a protected process holds more", kind: .limitProtected, kills: 2,
      make: { $1.others = [MadeKill.candidate("mysqld", pages: 2560, adj: -900)] },
      inputs: ["unit=$(ps -o unit= -C mysqld | head -n 1)\nsystemctl set-property \"$unit\" MemoryHigh=10M"]),
    Rule(
      testDescription: "a steady victim on a small host", kind: .hostTooSmall, kills: 3,
      make: { $1.pages = 2560 + Pages($0) },
      inputs: ["systemctl set-property db.service MemoryHigh=9M"]),
    Rule(
      testDescription: "fragmentation", kind: .fragmentation, kills: 2,
      make: { _, made in
        memory(&made, order: 3) {
          $0.zones = [MemoryZone(node: 0, name: "Normal", freePages: 3000, minPages: 1000, reservePages: 0)]
        }
      },
      inputs: [
        "echo 'vm.watermark_scale_factor = 100' >> /etc/sysctl.d/90-oom.conf\nsysctl -p /etc/sysctl.d/90-oom.conf",
        "echo 1 > /proc/sys/vm/compact_memory; cat /proc/buddyinfo",
      ]),
    Rule(
      testDescription: "no swap", kind: .addSwap, kills: 2,
      make: { _, made in memory(&made) { ($0.swapTotalPages, $0.swapFreePages) = (0, 0) } },
      inputs: [
        "dd if=/dev/zero of=/swapfile bs=1M count=3907 && chmod 600 /swapfile\n"
          + "mkswap /swapfile && swapon /swapfile && echo '/swapfile none swap sw 0 0' >> /etc/fstab"
      ]),
    Rule(
      testDescription: "swap is full", kind: .swapExhausted, kills: 2,
      make: { _, made in memory(&made) { $0.swapFreePages = 49_999 } },
      inputs: ["grep -H VmSwap /proc/[0-9]*/status | sort -k 2 -n | tail"]),
    Rule(
      testDescription: "the kernel's own objects", kind: .kernelObjects, kills: 2,
      make: { _, made in memory(&made) { $0.slabUnreclaimablePages = 1_000_000 } },
      inputs: ["slabtop -o -s c | head -n 20"]),
    Rule(
      testDescription: "tmpfs", kind: .sharedMemory, kills: 2,
      make: { _, made in memory(&made) { $0.shmemPages = 1_000_000 } },
      inputs: ["df -h -t tmpfs; ipcs -m --human", "mount -o remount,size=10% /dev/shm"]),
    Rule(
      testDescription: "promised more than there is", kind: .overcommit, kills: 2,
      make: { _, made in
        memory(&made) { _ in }
        let change = made.change
        made.change = {
          change(&$0)
          $0.victim.totalVMPages = 5_000_001
        }
      },
      inputs: [
        "grep Commit /proc/meminfo",
        "echo 'vm.overcommit_memory = 2' >> /etc/sysctl.d/90-oom.conf\n"
          + "echo 'vm.overcommit_ratio = 90' >> /etc/sysctl.d/90-oom.conf\nsysctl -p /etc/sysctl.d/90-oom.conf",
      ]),
    Rule(
      testDescription: "whoever asks", kind: .allocatingTask, kills: 2,
      make: { $1.change = { $0.decision.path = .allocatingTask } },
      inputs: [
        "echo 'vm.oom_kill_allocating_task = 0' >> /etc/sysctl.d/90-oom.conf\nsysctl -p /etc/sysctl.d/90-oom.conf"
      ]),
    Rule(
      testDescription: "no tables", kind: .dumpTasks, kills: 2, make: { $1.change = { $0.candidates = nil } },
      inputs: ["echo 'vm.oom_dump_tasks = 1' >> /etc/sysctl.d/90-oom.conf\nsysctl -p /etc/sysctl.d/90-oom.conf"]),
  ]

  private static func id(_ place: Int) -> String { String(repeating: "a\(place)", count: 32) }

  @Test("a rule speaks by its evidence, says whose it is, and is silent with one kill less", arguments: rules)
  func rule(rule: Rule) throws {
    let statistics = KillStatistics.of(rule.kills, rule.make)
    let made = RecommendationTests.recommendations(statistics).filter { $0.kind == rule.kind }
    let recommendation = try #require(made.first)
    #expect(made.count == 1)
    #expect(recommendation.steps.compactMap(\.input) == rule.inputs)
    #expect(recommendation.evidence.tally.kills == rule.kills)
    #expect(recommendation.evidence.tally.firstWallNanoseconds == MadeKill.day)
    #expect(recommendation.evidence.tally.lastWallNanoseconds == MadeKill.day + Int64(rule.kills - 1) * MadeKill.hour)
    #expect(!recommendation.evidence.numbers.isEmpty && recommendation.finding.hasSuffix("."))
    let fewer = KillStatistics.of(rule.kills - 1, rule.make)
    #expect(RecommendationTests.recommendations(fewer).filter { $0.kind == rule.kind } == [])
  }

  @Test("a single kill proves nothing, whatever its report says", arguments: rules)
  func single(rule: Rule) {
    #expect(RecommendationTests.recommendations(KillStatistics.of(1, rule.make)) == [])
  }

  @Test("a group's kills are one decision; two of them say that it is set")
  func group() {
    func made(_ decisions: Int) -> [Recommendation] {
      RecommendationTests.recommendations(
        KillStatistics.of(decisions * 3) { place, made in
          (made.decision, made.limit) = (UInt64(place / 3 + 1), 1000)
          made.role = place % 3 == 0 ? .chosen : .group
          if place % 3 == 0 { made.change = { $0.decision.path = .memcgGroup } }
        })
    }
    #expect(made(1) == [])
    #expect(made(2).map(\.kind) == [.groupKill])
    #expect(Set(made(3).map(\.kind)) == [.groupKill, .raiseLimit])
    #expect(
      made(2)[0].steps.map(\.input) == [
        "oomwitness protect systemd db.service --oom-policy continue --write --daemon-reload"
      ])
  }

  @Test("a limit that changed, and one whose victim grows, is not to be raised")
  func notRaised() {
    let changed = KillStatistics.of(4) { ($1.limit, $1.pages) = ($0 < 2 ? 1000 : 900, 800) }
    #expect(RecommendationTests.recommendations(changed).filter { $0.kind == .raiseLimit } == [])
    let grows = KillStatistics.of(4) { ($1.limit, $1.pages) = (8000, Pages(1000 + 1000 * $0)) }
    #expect(RecommendationTests.recommendations(grows).map(\.kind) == [.findLeak])
  }

  @Test("an allocation of several pages is no fragmentation where single ones were refused too")
  func notFragmented() {
    let statistics = KillStatistics.of(3) { _, made in
      RecommendationTests.memory(&made, order: 2) {
        $0.zones = [
          MemoryZone(node: 0, name: "DMA", freePages: 300, minPages: 29, reservePages: 4000),
          MemoryZone(node: 0, name: "Normal", freePages: 900, minPages: 1000, reservePages: 0),
          MemoryZone(node: 1, name: "Normal", freePages: 9000, minPages: 1000, reservePages: nil),
        ]
      }
    }
    #expect(statistics.kills(with: .higherOrder) == 3 && statistics.kills(with: .fragmented) == 0)
    #expect(RecommendationTests.recommendations(statistics).filter { $0.kind == .fragmentation } == [])
  }

  @Test("two hosts are two findings, each with its own kills")
  func hosts() {
    var statistics = KillStatistics()
    for place in 0..<5 {
      var made = MadeKill()
      made.decision = UInt64(place + 1)
      RecommendationTests.memory(&made) { ($0.swapTotalPages, $0.swapFreePages) = (0, 0) }
      statistics.add(made, at: MadeKill.day, host: place < 3 ? "a" : "b")
    }
    let found = RecommendationTests.recommendations(statistics).filter { $0.kind == .addSwap }
    #expect(found.map { $0.host?.text } == ["a", "b"])
    #expect(found.map(\.evidence.tally.kills) == [3, 2])
  }

  @Test("more than can be told are counted")
  func bound() {
    let statistics = KillStatistics.of(3 * (Recommendations.listedMax + 5)) { place, made in
      made.path = "/system.slice/u\(place / 3).service"
      made.limit = 1000
    }
    let all = Recommendations(of: statistics, pageSizeBytes: 4096)
    #expect(all.list.count == Recommendations.listedMax && all.omitted == 5)
  }
}
