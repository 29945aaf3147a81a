// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

@Suite("Which limit a group would hit first")
struct LimitRoomTests {
  private static func status(
    _ path: String, limit: ByteLimit?, current: Int64?, _ change: (inout CgroupStatus) -> Void = { _ in }
  ) -> CgroupStatus {
    var status = CgroupStatus(cgroup: CgroupRef(path: KernelName(path), version: 2))
    (status.limitBytes, status.currentBytes) = (limit, current)
    change(&status)
    return status
  }

  struct Row: Sendable {
    var name: String
    var chain: [CgroupStatus]
    var binds: String?
    var leftBytes: Int64?
  }

  static let rows: [Row] = [
    Row(
      name: "its own",
      chain: [status("/p/c", limit: .bytes(100), current: 90), status("/p", limit: .bytes(500), current: 100)],
      binds: "/p/c", leftBytes: 10),
    Row(
      name: "the pod's, whose other containers fill it",
      chain: [status("/p/c", limit: .bytes(100), current: 20), status("/p", limit: .bytes(500), current: 495)],
      binds: "/p", leftBytes: 5),
    Row(
      name: "the pod's, where the container has none",
      chain: [status("/p/c", limit: .unlimited, current: 20), status("/p", limit: .bytes(50), current: 20)],
      binds: "/p", leftBytes: 30),
    Row(
      name: "of equals the nearest",
      chain: [status("/p/c", limit: .bytes(50), current: 20), status("/p", limit: .bytes(50), current: 20)],
      binds: "/p/c", leftBytes: 30),
    Row(
      name: "over its limit after that was lowered, never less than nothing",
      chain: [status("/a", limit: .bytes(50), current: 70)], binds: "/a", leftBytes: 0),
    Row(name: "none", chain: [status("/a", limit: .unlimited, current: 70), status("/", limit: nil, current: nil)]),
    Row(name: "a usage that is not known", chain: [status("/a", limit: .bytes(1), current: nil)]),
    Row(name: "nobody", chain: []),
  ]

  @Test("the least room of a group and those above binds", arguments: rows)
  func binding(row: Row) {
    let binding = LimitRoom(row.chain).binding
    #expect(binding?.cgroup.path?.text == row.binds, "\(row.name)")
    #expect(binding?.leftBytes == row.leftBytes, "\(row.name)")
  }

  @Test("page cache and swap that stand between a limit and a kill are told, shared memory is no cache")
  func spare() {
    let status = LimitRoomTests.status("/a", limit: .bytes(1000), current: 900) {
      var parts = CgroupStatus.Parts()
      (parts.fileBytes, parts.shmemBytes, parts.inactiveFileBytes) = (300, 100, 150)
      $0.parts = parts
      ($0.swapLimitBytes, $0.swapCurrentBytes) = (.bytes(80), 30)
    }
    let binding = LimitRoom([status], hostSwapFreeBytes: 70).binding
    #expect(binding?.cacheBytes == 200 && binding?.workingSetBytes == 750 && binding?.usedHundredths == 7500)
    #expect(binding?.swapLeftBytes == 50)
    #expect(LimitRoom([status], hostSwapFreeBytes: 20).binding?.swapLeftBytes == 20)
    #expect(LimitRoom([status], hostSwapFreeBytes: 0).binding?.swapLeftBytes == nil)
    let bare = LimitRoom([LimitRoomTests.status("/a", limit: .bytes(1000), current: 900)]).binding
    #expect(bare?.cacheBytes == nil && bare?.workingSetBytes == nil && bare?.usedHundredths == 9000)
  }

  @Test(
    "what runs out first: a limit that the host cannot fill is not reached",
    arguments: [
      (ByteLimit?.some(.bytes(100)), Int64?.some(50), CgroupReport.Scarcity.limit), (.bytes(100), 40, .limit),
      (.bytes(100), 39, .system), (.bytes(100), nil, .limit), (.unlimited, 50, .system), (nil, nil, .system),
    ])
  func scarcity(limit: ByteLimit?, available: Int64?, expected: CgroupReport.Scarcity) {
    let room = LimitRoom([LimitRoomTests.status("/a", limit: limit, current: 60)])
    #expect(room.scarcity(hostAvailableBytes: available) == expected)
  }

  @Test("the verdict on a container says the gravest thing")
  func verdicts() {
    func verdict(
      limit: ByteLimit?, current: Int64, kills: Int64? = 0, podLimit: Int64? = nil, isKillDisabled: Bool? = nil
    ) -> ContainerRow.Verdict {
      let own = LimitRoomTests.status("/p/c", limit: limit, current: current) {
        $0.isKillDisabled = isKillDisabled
        $0.events = CgroupStatus.Events()
        $0.events?.oomKills = kills
      }
      let pod = LimitRoomTests.status("/p", limit: podLimit.map { .bytes($0) } ?? .unlimited, current: current)
      return ContainerVerdicts.verdict(own, LimitRoom([own, pod]).binding)
    }
    #expect(verdict(limit: .bytes(1000), current: 899) == .fine)
    #expect(verdict(limit: .bytes(1000), current: 900) == .nearLimit)
    #expect(verdict(limit: .bytes(1000), current: 950, podLimit: 951) == .nearPodLimit)
    #expect(verdict(limit: .bytes(1000), current: 10, kills: 1) == .killed)
    #expect(verdict(limit: .bytes(1000), current: 10, kills: nil) == .fine)
    #expect(verdict(limit: .unlimited, current: 10) == .noLimit)
    #expect(verdict(limit: .unlimited, current: 10, kills: 2) == .killed)
    #expect(verdict(limit: .bytes(1000), current: 1000, kills: 2, isKillDisabled: true) == .waiting)
    #expect(verdict(limit: .bytes(1000), current: 100, isKillDisabled: true) == .fine)
    #expect(verdict(limit: .bytes(0), current: 0) == .fine)
  }
}
