// SPDX-License-Identifier: Apache-2.0
import Events

/// One event of each type with every field that it can have, and one with none that it can lack.
enum Samples {
  static let broken = KernelName(bytes: [0x68, 0xff])
  static let group = CgroupRef(path: KernelName("/a/b"), id: 16_568, version: 2)
  static let brokenGroup = CgroupRef(path: KernelName(bytes: [0x2f, 0xfe]), id: 7, version: 1)
  static let parts = BadnessParts(anonPages: 8101, filePages: 1, shmemPages: 193, swapPages: 40, pgtablePages: 25)

  /// Of a container that all is known of.
  static var owner: CgroupOwner {
    var container = ContainerRef(runtime: "podman", id: String(repeating: "0c", count: 32))
    (container.name, container.image, container.pod) = ("shop-web-1", "shop/web:7", "shop")
    (container.composeProject, container.composeService) = ("shop", "web")
    var pod = PodRef()
    (pod.namespace, pod.pod, pod.container) = ("shop", "cart-0", "web")
    (pod.podUID, pod.qosClass, pod.isStatic) = ("11234567-89ab-cdef-0123-456789abcdef", .burstable, false)
    return CgroupOwner(unit: "hog.service", container: container, pod: pod)
  }

  static var ownedGroup: CgroupRef {
    var group = brokenGroup
    group.owner = owner
    return group
  }

  // MARK: oom_kill

  static var fullKill: OOMKill {
    var decision = Decision(id: 3)
    decision.path = .scan
    decision.message = "Memory cgroup out of memory"
    decision.kills = 2
    decision.index = 1
    var kill = OOMKill(decision: decision, source: .kprobe, victim: victim)
    kill.unavailable = ["victim.systemd_unit", "memory"]
    kill.scope = .memcg
    kill.trigger = trigger
    kill.limit = limit
    kill.badness = badness
    kill.candidates = candidates
    kill.memory = memory
    kill.pressureStall = PressureStall(
      some: .init(
        average10Hundredths: 1205, average60Hundredths: 66, average300Hundredths: 100, totalMicroseconds: 32_641_004),
      full: .init(average10Hundredths: 0, average60Hundredths: 2, average300Hundredths: 5, totalMicroseconds: 2_481_647)
    )
    kill.afterGuardAction = AfterGuardAction(by: "earlyoom", signal: .SIGTERM, pid: 8, comm: broken, milliseconds: 120)
    kill.decisionToEventMicroseconds = 781
    return kill
  }

  static var minimalKill: OOMKill {
    OOMKill(
      decision: Decision(id: 1), source: .log, victim: Victim(pid: 42, comm: KernelName("hog"), kernelCount: 1))
  }

  static var victim: Victim {
    var victim = Victim(pid: 42, comm: broken, kernelCount: 2)
    victim.tid = 43
    victim.ppid = 1
    victim.role = .chosen
    victim.uid = 1000
    victim.user = "maria"
    victim.oomScoreAdj = 100
    victim.startWallNanoseconds = 1_795_554_837_000_000_001
    victim.ageSeconds = 5
    victim.cmdline = [KernelName("hog"), broken, KernelName("")]
    victim.exe = broken
    victim.parentComm = broken
    victim.cgroup = ownedGroup
    victim.totalVMPages = 10_823
    victim.threads = 4
    return victim
  }

  static var trigger: Trigger {
    var trigger = Trigger()
    trigger.pid = 50
    trigger.tid = 51
    trigger.comm = broken
    trigger.uid = 0
    trigger.oomScoreAdj = -50
    trigger.gfpMask = 0xcc0
    trigger.gfpFlags = ["GFP_KERNEL"]
    trigger.order = 0
    trigger.cgroup = group
    trigger.cgroup?.owner = owner
    trigger.isVictim = false
    return trigger
  }

  static var limit: BindingLimit {
    var limit = BindingLimit()
    limit.cgroup = ownedGroup
    limit.limit = .pages(8192)
    limit.usagePages = 8190
    limit.swapLimit = .pages(40)
    limit.swapUsagePages = 39
    limit.totalPages = 8232
    limit.inferred = false
    limit.ancestors = [
      .init(path: broken, limit: .pages(10_000), usagePages: 9000),
      .init(path: KernelName("/"), limit: .unlimited, usagePages: nil),
    ]
    return limit
  }

  static var unlimited: BindingLimit {
    var limit = BindingLimit()
    limit.limit = .unlimited
    limit.swapLimit = .unlimited
    limit.inferred = true
    return limit
  }

  static var badness: VictimBadness {
    var badness = VictimBadness(parts: parts)
    badness.points = 9164
    badness.pointsSource = .kernel
    badness.domainPages = 8232
    badness.procOOMScore = 700
    badness.adjPoints = 800
    return badness
  }

  static var candidates: Candidates {
    var taken = Candidate(pid: 42, tid: 43, comm: broken, oomScoreAdj: 100)
    taken.uid = 1000
    taken.cgroup = ownedGroup
    taken.points = 9164
    taken.pointsSource = .kernel
    taken.rank = 1
    taken.parts = parts
    taken.adjPoints = 800
    var passed = Candidate(pid: 44, tid: 44, comm: KernelName("db"), oomScoreAdj: -1000)
    passed.skipped = .oomScoreAdjMin
    return Candidates(considered: 3, list: [taken, passed], runnerUpMarginPages: 64)
  }

  static var memory: MemoryState {
    var memory = MemoryState()
    memory.totalPages = 71_539
    memory.freePages = 1022
    memory.availablePages = 900
    memory.buffersPages = 10
    memory.cachedPages = 6373
    memory.shmemPages = 907
    memory.slabReclaimablePages = 2314
    memory.slabUnreclaimablePages = 1654
    memory.pageTablesPages = 144
    memory.swapTotalPages = 500
    memory.swapFreePages = 0
    memory.zones = [
      MemoryZone(node: 0, name: "DMA", freePages: 258, minPages: 29, reservePages: 255),
      MemoryZone(node: 0, name: "DMA32", freePages: 308, minPages: 1008, reservePages: nil),
    ]
    return memory
  }

  // MARK: The other types

  static let fullStart = StreamStart(
    version: "0.1.0", kernelRelease: "6.12.48+deb13-cloud-amd64", architecture: "x86_64", pageSizeBytes: 4096,
    source: .fentry,
    probes: [.init(name: "fentry:out_of_memory", refusal: nil), .init(name: "kprobe", refusal: "no \"kprobes\"")],
    unavailable: StreamStart.unavailable(source: .fentry, seesMemoryFreed: false))
  static let minimalStart = StreamStart(
    version: "0", kernelRelease: "5.10", architecture: "aarch64", pageSizeBytes: 65_536, source: .kmsg, probes: [],
    unavailable: [])

  static var fullOutcome: OOMOutcome {
    var outcome = OOMOutcome(decisionID: 3, pid: 42, comm: broken, exited: true)
    outcome.reaper = .finished
    outcome.reaperStartMicroseconds = 900
    outcome.reaperEndMicroseconds = 1100
    outcome.exitMicroseconds = 2977
    outcome.memoryFreedMicroseconds = 3100
    outcome.freedBytes = 34_000_896
    return outcome
  }
  static let minimalOutcome = OOMOutcome(decisionID: 1, pid: 42, comm: KernelName("hog"), exited: false)

  static var fullNoKill: OOMNoKill {
    var noKill = OOMNoKill(reason: .chosenTaskDying, source: .kprobe)
    noKill.scope = .cpuset
    noKill.trigger = trigger
    noKill.limit = limit
    noKill.pid = 42
    noKill.tid = 43
    noKill.comm = broken
    noKill.considered = 3
    noKill.repeated = 17
    return noKill
  }
  static let minimalNoKill = OOMNoKill(reason: .noKillableProcess, source: .kmsg)

  static let fullLoss = Loss(reason: .vmstatMismatch, kernelCount: -1, records: 0, detail: "told \"2\", counted 1")
  static let minimalLoss = Loss(reason: .ringFull, kernelCount: 0, records: 0, detail: "")

  static var fullAction: PolicyAction {
    var action = PolicyAction(
      outcome: .failed, cause: .exec, pid: 42, comm: broken, rule: "databases", adjWanted: -500)
    action.user = "maria"
    action.cgroup = ownedGroup
    action.reason = "slow \"recovery\""
    action.adjBefore = 100
    action.adjAfter = 100
    action.sharesMemoryWith = 41
    action.error = "no right"
    return action
  }
  static let minimalAction = PolicyAction(
    outcome: .applied, cause: .start, pid: 42, comm: KernelName("hog"), rule: "r", adjWanted: 1)

  static var fullPressure: PressureEvent {
    var reading = PressureReading(cgroup: ownedGroup, totalPages: 8192, availablePages: 100)
    (reading.swapTotalPages, reading.swapFreePages) = (1000, 10)
    reading.stall = fullKill.pressureStall
    var event = PressureEvent(level: .critical, previous: .low, causes: [.memory, .stallSome], reading: reading)
    (event.availablePagesPerSecond, event.secondsLeft) = (-10, 11)
    var row = ScoreRow(candidate: candidates.list[0])
    (row.user, row.procOOMScore) = ("maria", 700)
    event.biggest = [PressureEvent.Process(row: row, pagesPerSecond: -3)]
    event.growing = [PressureEvent.Process(row: row, pagesPerSecond: 9)]
    event.suggestions = [.init(pid: 42, comm: broken, freesPages: 8166, levelAfter: .normal)]
    return event
  }
  static var minimalPressure: PressureEvent {
    PressureEvent(
      level: .normal, previous: .low, causes: [], reading: PressureReading(totalPages: 0, availablePages: -1))
  }

  static var cleanup: PressureEvent {
    var event = fullPressure
    event.previous = event.level
    var cleanup = PressureEvent.Cleanup(
      action: .reclaim, availableBeforePages: 100, availableAfterPages: 90, milliseconds: 12)
    (cleanup.cgroup, cleanup.wantedPages, cleanup.error) = (ownedGroup, 512, "resource temporarily unavailable")
    event.cleanup = cleanup
    return event
  }

  static var fullGuardAction: GuardAction {
    var action = minimalGuardAction
    action.by = "oomwitness"
    action.signal = .SIGTERM
    action.id = 7
    action.sender = GuardAction.Sender(pid: 9, comm: broken)
    action.scope = .memcg
    action.cgroup = brokenGroup
    action.threshold = GuardAction.Threshold(cause: .memory)
    action.threshold?.availablePages = 1000
    action.threshold?.swapFreePages = 0
    action.threshold?.stallHundredths = 6005
    action.reading = GuardReading(totalPages: 10_000, availablePages: 900, swapTotalPages: 100, swapFreePages: 0)
    action.reading?.someHundredths = 7000
    action.reading?.fullHundredths = 6010
    action.victim = victim
    action.badness = badness
    action.bonusPages = -4500
    action.candidates = candidates
    action.membersLeftOut = 3
    action.thresholdToSignalMicroseconds = 812
    action.signalToExitMicroseconds = 20_101
    action.freedBytes = 34_000_896
    action.error = "operation not \"permitted\""
    return action
  }
  static let minimalGuardAction = GuardAction(by: "earlyoom", outcome: .sent)

  static var fullEnd: StreamEnd {
    var end = minimalEnd
    end.kills = 7
    end.kernelCountTold = 8
    end.kernelCountLost = -1
    end.vmstatGrowth = 7
    end.outcomes = 6
    end.noKills = 5
    end.linesDropped = 4
    end.killsFiltered = 3
    end.killsFromLog = 2
    end.backfill = StreamEnd.Backfill()
    end.backfill?.kills = 1
    end.backfill?.kernelCount = 9
    end.backfill?.killsToldBefore = 11
    end.backfill?.kernelCountForgotten = 10
    return end
  }
  static let minimalEnd = StreamEnd()

  static var full: [Event] {
    [
      .streamStart(fullStart), .oomKill(fullKill), .oomOutcome(fullOutcome), .oomNoKill(fullNoKill), .loss(fullLoss),
      .pressure(fullPressure), .pressure(cleanup), .policyAction(fullAction), .guardAction(fullGuardAction),
      .streamEnd(fullEnd),
    ]
  }

  static var minimal: [Event] {
    [
      .streamStart(minimalStart), .oomKill(minimalKill), .oomOutcome(minimalOutcome), .oomNoKill(minimalNoKill),
      .loss(minimalLoss), .pressure(minimalPressure), .policyAction(minimalAction), .guardAction(minimalGuardAction),
      .streamEnd(minimalEnd),
    ]
  }
}
