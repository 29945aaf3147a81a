// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

/// One host, and what is said of it after one change.
struct HostCase: Sendable, CustomTestStringConvertible {
  var id: CheckID
  /// Nil: nothing is said.
  var severity: Finding.Severity?
  var value: String?
  var workload: Workload?
  var change: @Sendable (inout HostSettings) -> Void

  init(
    _ id: CheckID, _ severity: Finding.Severity?, _ value: String? = nil, for workload: Workload? = nil,
    _ change: @escaping @Sendable (inout HostSettings) -> Void
  ) {
    self.id = id
    self.severity = severity
    self.value = value
    self.workload = workload
    self.change = change
  }

  var testDescription: String { "\(id.rawValue): \(severity.map(\.rawValue) ?? "nothing"), \(value ?? "")" }

  static func process(_ name: String, pid: Int32, adj: Int? = 0, ppid: Int32 = 1, bytes: Int64 = 0)
    -> HostSettings.HostProcess
  {
    var process = HostSettings.HostProcess(pid: pid, ppid: ppid, comm: KernelName(String(name.prefix(15))))
    process.programs = [name]
    process.oomScoreAdj = adj
    process.anonBytes = bytes
    return process
  }

  /// A host of 16 GiB where all is well.
  static var well: HostSettings {
    var host = HostSettings()
    host.sysctls.panicOnOOM = 0
    host.sysctls.panicSeconds = 0
    host.sysctls.oomKillAllocatingTask = 0
    host.sysctls.oomDumpTasks = 1
    host.sysctls.overcommitMemory = 0
    host.sysctls.overcommitRatio = 50
    host.sysctls.overcommitKbytes = 0
    host.sysctls.swappiness = 60
    host.sysctls.minFreeKbytes = 67_584
    host.sysctls.watermarkScaleFactor = 10
    host.memory.totalBytes = 16 << 30
    host.memory.availableBytes = 12 << 30
    host.memory.swapTotalBytes = 4 << 30
    host.memory.swapFreeBytes = 4 << 30
    host.memory.commitLimitBytes = 12 << 30
    host.memory.committedBytes = 6 << 30
    host.memory.oomKills = 0
    host.swapAreas = [.init(name: KernelName("/dev/vda2"), sizeBytes: 4 << 30, usedBytes: 0, priority: -2)]
    host.pressure = .on
    host.cgroupVersion = 2
    host.serviceFiles = 90
    host.journal = .init(storage: "persistent", hasFolder: true)
    host.witness = .init(rung: "fentry")
    host.processes = [
      process("sshd", pid: 10, adj: -1000), process("earlyoom", pid: 11, adj: -100),
      process("node_exporter", pid: 12), process("systemd-journald", pid: 13, adj: -250),
    ]
    return host
  }
}

@Suite("The settings of a host are judged")
struct ExaminationTests {
  @Test("a host where all is well has only ok findings, one for each check")
  func well() {
    let diagnosis = Examination.diagnose(HostCase.well)
    #expect(diagnosis.findings.filter { $0.severity != .ok } == [])
    #expect(Set(diagnosis.findings.map(\.id)).count == diagnosis.findings.count)
    #expect(diagnosis.worst == .ok)
  }

  @Test("what was not observed is not judged")
  func nothingKnown() {
    let diagnosis = Examination.diagnose(HostSettings())
    #expect(diagnosis.worst == .warning)
    let judged: Set<CheckID> = [.swap, .zram, .guards, .monitoring, .logRetention, .criticalServices]
    #expect(Set(diagnosis.findings.map(\.id)) == judged)
    for workload in Workload.allCases {
      #expect(Examination.diagnose(HostSettings(), workload: workload).findings.count == judged.count)
    }
  }

  @Test("what could not be read is a note with the reason, in place of a judgement")
  func faults() {
    var host = HostCase.well
    host.sysctls.panicOnOOM = 2
    host.faults[.panicOnOOM] = "line 1 of /proc/sys/vm/panic_on_oom is not what the kernel writes: x"
    let found = Examination.diagnose(host).findings.filter { $0.id == .panicOnOOM }
    #expect(found.map(\.severity) == [.note])
    #expect(found.first?.reason.contains("is not what the kernel writes") == true)
  }

  @Test("what is ignored is not among the findings, and is told")
  func ignored() {
    var host = HostCase.well
    host.sysctls.panicOnOOM = 2
    #expect(Examination.diagnose(host).worst == .critical)
    let diagnosis = Examination.diagnose(host, ignored: [.panicOnOOM, .zram])
    #expect(diagnosis.worst == .ok)
    #expect(diagnosis.ignored == [.panicOnOOM, .zram])
    #expect(!diagnosis.findings.contains { $0.id == .panicOnOOM })
  }

  @Test("the worst come first")
  func order() {
    var host = HostCase.well
    host.sysctls.panicOnOOM = 2
    host.swapAreas = []
    host.memory.oomKills = 3
    let severities = Examination.diagnose(host).findings.map(\.severity)
    #expect(severities == severities.sorted(by: >))
    #expect(severities.first == .critical)
  }

  static let kernel: [HostCase] = [
    HostCase(.panicOnOOM, .critical, "1, kernel.panic=0, no kdump") { $0.sysctls.panicOnOOM = 1 },
    HostCase(.panicOnOOM, .warning, "1") {
      $0.sysctls.panicOnOOM = 1
      $0.isCrashKernelLoaded = true
    },
    HostCase(.panicOnOOM, .warning, "1") {
      $0.sysctls.panicOnOOM = 1
      $0.sysctls.panicSeconds = -1
    },
    HostCase(.panicOnOOM, .critical, "2") {
      $0.sysctls.panicOnOOM = 2
      $0.isCrashKernelLoaded = true
    },
    HostCase(.panicOnOOM, .critical, "9223372036854775807") { $0.sysctls.panicOnOOM = .max },
    HostCase(.panicOnOOM, nil) { $0.sysctls.panicOnOOM = nil },
    HostCase(.oomKillAllocatingTask, .warning, "1") { $0.sysctls.oomKillAllocatingTask = 1 },
    HostCase(.oomDumpTasks, .note, "0") { $0.sysctls.oomDumpTasks = 0 },
    HostCase(.oomDumpTasks, .warning, "0") {
      $0.sysctls.oomDumpTasks = 0
      $0.witness = .init(rung: nil)
    },
    HostCase(.overcommitMemory, .ok, "0 (heuristic), 6.0 GiB promised, CommitLimit 12.0 GiB") { _ in },
    HostCase(.overcommitMemory, .ok, "0 (heuristic)") { $0.memory.commitLimitBytes = nil },
    HostCase(.overcommitMemory, .note) { $0.sysctls.overcommitMemory = 1 },
    HostCase(.overcommitMemory, .ok) { $0.sysctls.overcommitMemory = 2 },
    HostCase(.overcommitMemory, .warning) {
      $0.sysctls.overcommitMemory = 2
      $0.memory.committedBytes = 11 << 30
    },
    HostCase(.overcommitMemory, .critical) {
      $0.sysctls.overcommitMemory = 2
      $0.memory.committedBytes = 12 << 30
    },
    HostCase(.overcommitMemory, .critical) {
      $0.sysctls.overcommitMemory = 2
      $0.memory.committedBytes = .max
    },
    HostCase(.overcommitMemory, .ok) {
      $0.sysctls.overcommitMemory = 2
      $0.memory.commitLimitBytes = 0
    },
    HostCase(.overcommitMemory, .note, "3") { $0.sysctls.overcommitMemory = 3 },
    HostCase(.overcommitMemory, .note, "-1") { $0.sysctls.overcommitMemory = -1 },
    HostCase(.overcommitRatio, .ok, "50%") { _ in },
    HostCase(.overcommitRatio, .warning, "50%") { $0.sysctls.overcommitMemory = 2 },
    HostCase(.overcommitRatio, .ok, "90%") {
      $0.sysctls.overcommitMemory = 2
      $0.sysctls.overcommitRatio = 90
      $0.memory.commitLimitBytes = 18 << 30
    },
    HostCase(.overcommitRatio, .warning, "150%") {
      $0.sysctls.overcommitMemory = 2
      $0.sysctls.overcommitRatio = 150
    },
    HostCase(.overcommitRatio, .ok, "0%") {
      $0.sysctls.overcommitMemory = 2
      $0.sysctls.overcommitRatio = 0
      $0.sysctls.overcommitKbytes = 16 << 20
    },
    HostCase(.overcommitKbytes, .note, "1.0 GiB") { $0.sysctls.overcommitKbytes = 1 << 20 },
    HostCase(.overcommitKbytes, .warning, "1.0 GiB") {
      $0.sysctls.overcommitMemory = 2
      $0.sysctls.overcommitKbytes = 1 << 20
    },
    HostCase(.overcommitKbytes, .ok) {
      $0.sysctls.overcommitMemory = 2
      $0.sysctls.overcommitKbytes = .max
    },
  ]

  static let memory: [HostCase] = [
    HostCase(.swappiness, .ok, "0") {
      $0.swapAreas = []
      $0.sysctls.swappiness = 0
    },
    HostCase(.swappiness, .warning, "0") { $0.sysctls.swappiness = 0 },
    HostCase(.swappiness, .note, "180") { $0.sysctls.swappiness = 180 },
    HostCase(.swappiness, .note, "60") {
      $0.swapAreas = [.init(name: KernelName("/dev/zram0"), sizeBytes: 8 << 30, usedBytes: 0, priority: 100)]
    },
    HostCase(.minFreeKbytes, .critical, "1023.0 KiB") { $0.sysctls.minFreeKbytes = 1023 },
    HostCase(.minFreeKbytes, .critical, "0 bytes") { $0.sysctls.minFreeKbytes = 0 },
    HostCase(.minFreeKbytes, .warning, "4.0 MiB") { $0.sysctls.minFreeKbytes = 4096 },
    HostCase(.minFreeKbytes, .ok, "8.0 MiB") { $0.sysctls.minFreeKbytes = 8192 },
    HostCase(.minFreeKbytes, .warning, "1.0 GiB") { $0.sysctls.minFreeKbytes = 1 << 20 },
    HostCase(.minFreeKbytes, .critical, "4.0 GiB") { $0.sysctls.minFreeKbytes = 4 << 20 },
    HostCase(.minFreeKbytes, .critical) { $0.sysctls.minFreeKbytes = .max },
    HostCase(.minFreeKbytes, nil) { $0.memory.totalBytes = 0 },
    HostCase(.minFreeKbytes, .ok, "512.0 KiB") {
      $0.memory.totalBytes = 32 << 20
      $0.sysctls.minFreeKbytes = 512
    },
    HostCase(.watermarkScaleFactor, .warning) { $0.sysctls.watermarkScaleFactor = 3000 },
    HostCase(.watermarkScaleFactor, .note, "10 (0.10% of RAM)") {
      $0.memory.directReclaimPages = 200_000
      $0.memory.backgroundReclaimPages = 800_000
    },
    HostCase(.watermarkScaleFactor, .ok) {
      $0.memory.directReclaimPages = 200
      $0.memory.backgroundReclaimPages = 800
    },
    HostCase(.watermarkScaleFactor, .ok) {
      $0.memory.directReclaimPages = .max
      $0.memory.backgroundReclaimPages = .max
    },
    HostCase(.watermarkScaleFactor, .ok, "125 (1.25% of RAM)") { $0.sysctls.watermarkScaleFactor = 125 },
    HostCase(.memoryAvailable, .critical) {
      $0.memory.availableBytes = 100 << 20
      $0.memory.swapFreeBytes = 0
    },
    HostCase(.memoryAvailable, .warning) { $0.memory.availableBytes = 100 << 20 },
    HostCase(.memoryAvailable, nil) { $0.memory.availableBytes = nil },
    HostCase(.swap, .warning, "none") { $0.swapAreas = [] },
    HostCase(.swap, .note, "none") {
      $0.swapAreas = []
      $0.processes.append(HostCase.process("kubelet", pid: 9, adj: -999))
    },
    HostCase(.swap, .warning, "4.0 GiB in 1 area, 95% used") { $0.swapAreas![0].usedBytes = (4 << 30) / 100 * 96 },
    HostCase(.zram, .ok, "zram0 8.0 GiB") { $0.zram = [.init(name: "zram0", sizeBytes: 8 << 30)] },
    HostCase(.zram, .note, "zram0 8.0 GiB") {
      $0.zram = [.init(name: "zram0", sizeBytes: 8 << 30)]
      $0.swapAreas!.append(.init(name: KernelName("/dev/zram0"), sizeBytes: 8 << 30, usedBytes: 0, priority: -3))
    },
    HostCase(.zram, .warning, "zram0 40.0 GiB") {
      $0.zram = [.init(name: "zram0", sizeBytes: 40 << 30)]
      $0.swapAreas = [.init(name: KernelName("/dev/zram0"), sizeBytes: 40 << 30, usedBytes: 0, priority: 100)]
    },
    HostCase(.zram, .ok, "zram0 40.0 GiB") {
      $0.zram = [.init(name: "zram0", sizeBytes: 40 << 30, limitBytes: 8 << 30)]
      $0.swapAreas = [.init(name: KernelName("/dev/zram0"), sizeBytes: 40 << 30, usedBytes: 0, priority: 100)]
    },
    HostCase(.zram, .ok, "zswap is on") { $0.isZswapEnabled = true },
    HostCase(.zram, .note, "zswap is on") {
      $0.isZswapEnabled = true
      $0.swapAreas = []
    },
  ]

  @Test("each value has its severity", arguments: kernel + memory)
  func judged(row: HostCase) { ExaminationTests.check(row) }

  static func check(_ row: HostCase) {
    var host = HostCase.well
    row.change(&host)
    let finding = Examination.diagnose(host, workload: row.workload).findings.first { $0.id == row.id }
    #expect(finding?.severity == row.severity, "\(finding.map { "\($0)" } ?? "nothing")")
    if let value = row.value { #expect(finding?.value == value) }
    guard let finding else { return }
    #expect(finding.reason.hasSuffix("."), "\(finding.reason)")
    #expect(finding.severity != .critical || !finding.remedy.isEmpty)
    let texts = [finding.value, finding.reason] + finding.remedy
    #expect(texts.allSatisfy { text in text.unicodeScalars.allSatisfy { $0.value >= 0x20 } }, "\(texts)")
  }
}
