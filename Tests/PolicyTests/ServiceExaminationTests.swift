// SPDX-License-Identifier: Apache-2.0
import Events
import Policy
import Testing

@Suite("Services, guards and workloads of a host are judged")
struct ServiceExaminationTests {
  private static func group(
    _ unit: String, usage: Int64? = nil, limit: Int64? = nil, high: Int64? = nil
  ) -> HostSettings.ServiceGroup {
    var group = HostSettings.ServiceGroup(path: KernelName("/system.slice/\(unit)"), unit: unit)
    group.usageBytes = usage
    group.limitBytes = limit
    group.highBytes = high
    return group
  }

  private static func container(_ path: String, limit: Int64? = nil) -> HostSettings.ServiceGroup {
    let id = String(repeating: "a", count: 64)
    var group = HostSettings.ServiceGroup(
      path: KernelName(path), container: ContainerRef(runtime: "docker", id: id))
    group.limitBytes = limit
    group.usageBytes = 100 << 20
    return group
  }

  static let kills: [HostCase] = [
    HostCase(.pressure, .note, "off") { $0.pressure = .off },
    HostCase(.pressure, .warning, "off or not built in") {
      $0.pressure = .absent
      $0.processes.append(HostCase.process("systemd-oomd", pid: 20, adj: -900))
    },
    HostCase(.oomKills, .note, "1") { $0.memory.oomKills = 1 },
    HostCase(.witness, .note, "tracepoint") { $0.witness = .init(rung: "tracepoint", refusals: ["fentry: no"]) },
    HostCase(.witness, .warning, "kernel log") { $0.witness = .init(rung: nil) },
    HostCase(.witness, .warning, "nothing") { $0.witness = .init(rung: nil, logRefusal: "no right") },
    HostCase(.cgroupVersion, .note, "1") { $0.cgroupVersion = 1 },
    HostCase(.cgroupVersion, .warning, "none") { $0.cgroupVersion = 0 },
    HostCase(.oomGroup, .ok, "1: /system.slice/db.service") {
      $0.groupsKilledAsOne = [KernelName("/system.slice/db.service")]
    },
    HostCase(.oomGroup, .warning) { $0.groupsKilledAsOne = [KernelName("/system.slice")] },
    HostCase(.oomGroup, .ok) { $0.groupsKilledAsOne = [KernelName("/kubepods.slice/kubepods-pod1.slice")] },
    HostCase(.oomGroup, .ok, "1: /a\\x1b[31m") { $0.groupsKilledAsOne = [KernelName("/a\u{1b}[31m")] },
    HostCase(.oomGroup, nil) { $0.cgroupVersion = 1 },
    HostCase(.guards, .note, "none") { $0.processes = [] },
    HostCase(.guards, .note, "none") {
      // A name alone is no evidence.
      $0.processes[1].programs = ["sleep"]
    },
    HostCase(.guards, .note, "none") {
      // Nor is the executable alone.
      $0.processes[1].comm = KernelName("other")
    },
    HostCase(.guards, .note, "earlyoom (pid 11)") { $0.processes[1].oomScoreAdj = 0 },
    HostCase(.guards, .ok, "nohang (pid 11)") {
      $0.processes[1].comm = KernelName("nohang")
      $0.processes[1].programs = ["python3.13", "python3", "nohang"]
    },
    HostCase(.guards, .warning, "earlyoom (pid 11), systemd-oomd (pid 20)") {
      $0.processes.append(HostCase.process("systemd-oomd", pid: 20, adj: -900))
    },
    HostCase(.oomd, nil) { _ in },
    HostCase(.oomd, .warning, "none") { $0.processes.append(HostCase.process("systemd-oomd", pid: 20)) },
    HostCase(.oomd, .ok, "-.slice") {
      $0.processes.append(HostCase.process("systemd-oomd", pid: 20))
      $0.units = [.init(name: "-.slice", managedOOMSwap: "kill"), .init(name: "a.slice", managedOOMSwap: "auto")]
    },
    HostCase(.oomd, .warning, "none") {
      $0.processes.append(HostCase.process("systemd-oomd", pid: 20))
      $0.units = [.init(name: "-.slice", managedOOMSwap: "kill")]
      $0.cgroupVersion = 1
    },
    HostCase(.monitoring, .note, "none") { $0.processes[2].comm = KernelName("sleep") },
    HostCase(.monitoring, .note, "none") { $0.processes = [HostCase.process("oomwitness", pid: 30)] },
    HostCase(.monitoring, .ok, "oomwitness") {
      $0.processes = [HostCase.process("oomwitness", pid: 30)]
      $0.processes[0].programs = ["oomwitness", "oomwitness", "trace"]
    },
    HostCase(.logRetention, .warning, "none") { $0.processes = [] },
    HostCase(.logRetention, .ok, "rsyslogd") { $0.processes = [HostCase.process("rsyslogd", pid: 5)] },
    HostCase(.logRetention, .warning, "journald, Storage=volatile") { $0.journal!.storage = "volatile" },
    HostCase(.logRetention, .warning, "journald, Storage=auto") {
      $0.journal = .init(storage: "auto", hasFolder: false)
    },
    HostCase(.logRetention, .ok, "journald, Storage=auto") { $0.journal!.storage = "auto" },
    HostCase(.logRetention, .warning, "journald, Storage=a\\x1bb") { $0.journal!.storage = "a\u{1b}b" },
  ]

  static let services: [HostCase] = [
    HostCase(.oomPolicy, .ok, "none of 90") { _ in },
    HostCase(.oomPolicy, nil) { $0.serviceFiles = nil },
    HostCase(.oomPolicy, .ok, "1 of 90: db.service=continue") {
      $0.units = [.init(name: "db.service", oomPolicy: "continue")]
    },
    HostCase(.oomPolicy, .warning) { $0.units = [.init(name: "db.service", oomPolicy: "restart")] },
    HostCase(.oomPolicy, .warning) { $0.defaultOOMPolicy = "no" },
    HostCase(.serviceLimits, nil) { _ in },
    HostCase(.serviceLimits, .ok, "1 of 1 running service limited") {
      $0.groups = [group("a.service", limit: 1 << 30)]
    },
    HostCase(.serviceLimits, .ok, "1 of 1 running service limited") { $0.groups = [group("a.service", high: 1 << 30)] },
    HostCase(.serviceLimits, .note, "1 of 2 running services limited") {
      $0.groups = [group("a.service", limit: 1 << 30), group("b.service", usage: 1 << 30), group("c.scope")]
    },
    HostCase(.serviceLimits, .warning, "0 of 1 running service limited") {
      $0.groups = [group("b.service", usage: 9 << 30)]
    },
    HostCase(.criticalServices, .ok, "sshd") { _ in },
    HostCase(.criticalServices, .warning, "sshd (pid 10) at 0") { $0.processes[0].oomScoreAdj = 0 },
    HostCase(.criticalServices, .ok, "none found") {
      // The session of a login, whose listener is its parent.
      $0.processes[0].oomScoreAdj = 0
      $0.processes[0].ppid = 7
    },
    HostCase(.criticalServices, .ok, "sshd") {
      // A user's session bus.
      $0.processes.append(HostCase.process("dbus-daemon", pid: 20, adj: 200, ppid: 19))
    },
    HostCase(.criticalServices, .warning, "sshd (pid 10) at -499") { $0.processes[0].oomScoreAdj = -499 },
    HostCase(.unkillable, .ok) { _ in },
    HostCase(.unkillable, .warning) { $0.processes[0].anonBytes = 4 << 30 },
    HostCase(.unkillable, .critical) { $0.processes[0].anonBytes = 8 << 30 },
    HostCase(.unkillable, .critical) { host in
      for index in host.processes.indices { host.processes[index].oomScoreAdj = -1000 }
    },
    HostCase(.unkillable, nil) { $0.processes = [] },
  ]

  static let workloads: [HostCase] = [
    HostCase(.webWorkers, nil, for: .web) { _ in },
    HostCase(.webWorkers, .note, "2 processes of php-fpm, 2.0 GiB", for: .web) {
      $0.processes += [40, 41].map { HostCase.process("php-fpm8.4", pid: $0, bytes: 1 << 30) }
    },
    HostCase(.webWorkers, .warning, "2 processes of apache2, 2.0 GiB", for: .web) {
      $0.processes += [40, 41].map { HostCase.process("apache2", pid: $0, bytes: 1 << 30) }
      $0.memory.availableBytes = 0
    },
    HostCase(.webWorkers, .note, "1 process of java, 2.0 GiB", for: .web) {
      $0.processes.append(HostCase.process("java", pid: 40, bytes: 2 << 30))
    },
    HostCase(.webShutdown, .ok, "SIGTERM by a guard", for: .web) {
      $0.processes.append(HostCase.process("nginx", pid: 40, bytes: 1 << 20))
    },
    HostCase(.webShutdown, .note, "SIGKILL by the kernel", for: .web) {
      $0.processes = [HostCase.process("nginx", pid: 40, bytes: 1 << 20)]
    },
    HostCase(.webSignal, nil, for: .web) {
      $0.processes.append(HostCase.process("nginx", pid: 40))
      $0.pressure = .off
    },
    HostCase(.databaseBuffers, nil, for: .database) { _ in },
    HostCase(.databaseBuffers, .warning, "8.0 GiB of 16.0 GiB", for: .database) {
      $0.processes.append(HostCase.process("postgres", pid: 40))
      $0.processes[4].shmemBytes = 8 << 30
    },
    HostCase(.databaseBuffers, .ok, "8.0 GiB of 16.0 GiB", for: .database) {
      $0.processes.append(HostCase.process("mysqld", pid: 40, bytes: 8 << 30))
    },
    HostCase(.databaseConnections, .note, "2 server processes, 3.0 GiB", for: .database) {
      $0.processes.append(HostCase.process("postgres", pid: 40))
      $0.processes.append(HostCase.process("postgres", pid: 41, ppid: 40, bytes: 1 << 30))
      $0.processes.append(HostCase.process("postgres", pid: 42, ppid: 40, bytes: 2 << 30))
    },
    HostCase(.databaseOvercommit, .note, "0", for: .database) {
      $0.processes.append(HostCase.process("redis-server", pid: 40))
    },
    HostCase(.databaseOvercommit, .ok, "2", for: .database) {
      $0.processes.append(HostCase.process("postgres", pid: 40))
      $0.sysctls.overcommitMemory = 2
    },
    HostCase(.databaseOvercommit, nil, for: .database) { $0.processes.append(HostCase.process("mongod", pid: 40)) },
    HostCase(.databaseProtection, .note, "mysqld (pid 40) at 0", for: .database) {
      $0.processes.append(HostCase.process("mysqld", pid: 40))
    },
    HostCase(.batchLargest, nil, for: .batch) { _ in },
    HostCase(.batchLargest, .note, "train (pid 40), 4.0 GiB", for: .batch) {
      $0.processes.append(HostCase.process("train", pid: 40, bytes: 4 << 30))
    },
    HostCase(.batchLargest, .warning, "tr\\x1b (pid 40), 12.0 GiB", for: .batch) {
      $0.processes.append(HostCase.process("tr\u{1b}", pid: 40, bytes: 12 << 30))
    },
    HostCase(.batchBackpressure, .ok, "5.0 GiB", for: .batch) {
      $0.processes.append(HostCase.process("train", pid: 40, bytes: 4 << 30))
      $0.processes[4].cgroup = KernelName("/system.slice/job.service/x")
      $0.groups = [group("job.service", high: 5 << 30)]
    },
    HostCase(.batchBackpressure, .note, "none", for: .batch) {
      $0.processes.append(HostCase.process("train", pid: 40, bytes: 4 << 30))
    },
    HostCase(.batchSacrifice, .ok, "500", for: .batch) {
      $0.processes.append(HostCase.process("train", pid: 40, adj: 500, bytes: 4 << 30))
    },
    HostCase(.containerLimits, nil, for: .container) { _ in },
    HostCase(.containerLimits, .warning, "1 of 2 containers limited", for: .container) {
      $0.groups = [container("/docker/a", limit: 1 << 30), container("/docker/b")]
    },
    HostCase(.containerLimits, .note, "2 of 2 containers limited", for: .container) {
      $0.groups = [container("/docker/a", limit: 9 << 30), container("/docker/b", limit: 9 << 30)]
    },
    HostCase(.containerRequests, .note, "1 of 2 pod containers with a request", for: .container) {
      $0.groups = [
        container("/kubepods/burstable/pod1/a"), container("/kubepods.slice/kubepods-besteffort.slice/x/b"),
      ]
    },
    HostCase(.containerGroupKill, .note, "0 of 1 container", for: .container) { $0.groups = [container("/docker/a")] },
    HostCase(.containerSwap, .note, "4.0 GiB", for: .container) { $0.groups = [container("/docker/a")] },
  ]

  @Test("each value has its severity", arguments: kills + services)
  func judged(row: HostCase) { ExaminationTests.check(row) }

  @Test("advice for a workload comes with its evidence, and not without", arguments: workloads)
  func advised(row: HostCase) {
    ExaminationTests.check(row)
    var unasked = row
    (unasked.workload, unasked.severity, unasked.value) = (nil, nil, nil)
    ExaminationTests.check(unasked)
  }

  @Test("what is to be typed never has in it what a process has called itself")
  func shellWords() {
    var host = HostCase.well
    host.processes[0].comm = KernelName("a';reboot;'")
    host.processes[0].anonBytes = 9 << 30
    let finding = Examination.diagnose(host).findings.first { $0.id == .unkillable }
    #expect(finding?.remedy == ["choom -p 10 -n -999   # last, and still possible"])
    host.processes.append(HostCase.process("nginx", pid: 40))
    host.processes[4].unit = "a.service"
    var group = ServiceExaminationTests.group("a.service")
    group.path = KernelName("/x';reboot;'/a.service")
    host.groups = [group]
    let signal = Examination.diagnose(host, workload: .web).findings.first { $0.id == .webSignal }
    #expect(signal?.remedy == [])
  }

  @Test("a check of a workload is known by its name")
  func names() {
    for id in CheckID.allCases { #expect((id.workload != nil) == id.rawValue.hasPrefix("workload.")) }
  }
}
