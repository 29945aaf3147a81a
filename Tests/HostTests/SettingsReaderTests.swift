// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Testing

@Suite("What a host is set to is read below a root of our own")
struct SettingsReaderTests {
  /// Linux 6.18, files of /proc and /sys, shortened; a version 2 hierarchy with one service and one container.
  static let id = String(repeating: "ab", count: 32)
  static var files: [String: String] {
    let stat =
      " S 1 40 40 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 500 4096 2 18446744073709551615"
      + String(repeating: " 0", count: 27) + "\n"
    let status =
      "Name:\tx\nTgid:\t40\nUid:\t0\t0\t0\t0\nRssAnon:\t8 kB\nRssFile:\t4 kB\nRssShmem:\t12 kB\nVmPTE:\t4 kB\n"
    return [
      "proc/meminfo": "MemTotal: 1024 kB\nMemAvailable: 512 kB\nSwapTotal: 8 kB\nSwapFree: 4 kB\n"
        + "CommitLimit:  100 kB\nCommitted_AS:    7 kB\n",
      "proc/vmstat": "pgsteal_kswapd 10\npgsteal_direct 2\noom_kill 3\n",
      "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        + "/dev/zram0                              partition\t8\t\t4\t\t100\n/a\\040b file 16 0 -2\n",
      "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
      "proc/sys/vm/panic_on_oom": "0\n", "proc/sys/kernel/panic": "-1\n", "proc/sys/vm/overcommit_memory": "2\n",
      "proc/sys/vm/swappiness": "60\n",
      "proc/self/mountinfo": "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
      "proc/40/stat": "40 (db)\(stat)", "proc/40/status": status + "VmSwap:\t16 kB\n", "proc/40/oom_score": "1\n",
      "proc/40/oom_score_adj": "-500\n", "proc/40/cmdline": "/usr/bin/python3\0/opt/db\0-x\0",
      "proc/40/cgroup": "0::/system.slice/db.service\n",
      "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
      "sys/fs/cgroup/system.slice/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.current": "8192\n",
      "sys/fs/cgroup/system.slice/db.service/memory.max": "40960\n",
      "sys/fs/cgroup/system.slice/db.service/memory.current": "4096\n",
      "sys/fs/cgroup/system.slice/db.service/memory.high": "max\n",
      "sys/fs/cgroup/system.slice/db.service/memory.oom.group": "1\n",
      "sys/block/zram0/disksize": "8192\n", "sys/block/zram0/mm_stat": "1 2 3 4096 5 6 7 8 9\n",
      "sys/block/zram1/disksize": "0\n", "sys/block/vda/size": "1\n",
      "sys/module/zswap/parameters/enabled": "N\n", "sys/kernel/kexec_crash_loaded": "1\n",
      "usr/lib/systemd/system/db.service": "[Service]\nOOMPolicy=kill\n",
      "usr/lib/systemd/system/plain.service": "[Service]\nExecStart=/bin/true\n",
      "usr/lib/systemd/system/a';x;'.service": "[Service]\nOOMPolicy=kill\n",
      "usr/lib/systemd/system/-.slice.d/10-oomd.conf": "[Slice]\nManagedOOMSwap=kill\n",
      "etc/systemd/system.conf": "[Manager]\n#DefaultOOMPolicy=stop\nDefaultOOMPolicy=continue\n",
      "usr/lib/systemd/journald.conf.d/a.conf": "[Journal]\nStorage = Volatile\n",
    ]
  }

  private static func read(_ change: (inout [String: String]) -> Void = { _ in }) throws -> (
    HostSettings, [CheckID: HostError]
  ) {
    var files = files
    change(&files)
    let fixture = try Fixture(files)
    defer { withExtendedLifetime(fixture) {} }
    let reader = try SettingsReader(root: fixture.root, pageSizeBytes: 4096)
    return (try reader.read(), reader.faults)
  }

  @Test("every file becomes its fact")
  func whole() throws {
    let (host, faults) = try SettingsReaderTests.read()
    #expect(faults == [:])
    #expect(host.memory.totalBytes == 1 << 20)
    #expect(host.memory.availableBytes == 512 << 10)
    #expect(host.memory.swapTotalBytes == 8 << 10)
    #expect(host.memory.swapFreeBytes == 4 << 10)
    #expect(host.memory.commitLimitBytes == 100 << 10)
    #expect(host.memory.committedBytes == 7 << 10)
    #expect(host.memory.oomKills == 3)
    #expect(host.memory.backgroundReclaimPages == 10)
    #expect(host.memory.directReclaimPages == 2)
    var sysctls = HostSettings.Sysctls()
    (sysctls.panicOnOOM, sysctls.panicSeconds, sysctls.overcommitMemory, sysctls.swappiness) = (0, -1, 2, 60)
    #expect(host.sysctls == sysctls)
    #expect(
      host.swapAreas == [
        .init(name: KernelName("/dev/zram0"), sizeBytes: 8192, usedBytes: 4096, priority: 100),
        .init(name: KernelName("/a\\040b"), sizeBytes: 16384, usedBytes: 0, priority: -2),
      ])
    #expect(host.zram == [.init(name: "zram0", sizeBytes: 8192, limitBytes: 4096)])
    #expect(host.isZswapEnabled == false)
    #expect(host.pressure == .on)
    #expect(host.isCrashKernelLoaded == true)
    #expect(host.cgroupVersion == 2)
    #expect(host.groupsKilledAsOne == [KernelName("/system.slice/db.service")])
  }

  @Test("processes, their groups and their units are facts too")
  func services() throws {
    let (host, _) = try SettingsReaderTests.read()
    var process = HostSettings.HostProcess(pid: 40, ppid: 1, comm: KernelName("db"))
    process.programs = ["python3", "db"]
    process.oomScoreAdj = -500
    (process.anonBytes, process.shmemBytes, process.swapBytes) = (8192, 12288, 16384)
    process.cgroup = KernelName("/system.slice/db.service")
    process.unit = "db.service"
    #expect(host.processes == [process])
    var group = HostSettings.ServiceGroup(path: KernelName("/system.slice/db.service"), unit: "db.service")
    (group.limitBytes, group.usageBytes, group.isKilledAsOne) = (40960, 4096, true)
    #expect(host.groups == [group])
    #expect(host.serviceFiles == 2)
    #expect(
      host.units == [
        .init(name: "-.slice", managedOOMSwap: "kill"), .init(name: "db.service", oomPolicy: "kill"),
      ])
    #expect(host.defaultOOMPolicy == "continue")
    #expect(host.journal == .init(storage: "volatile", hasFolder: false))
  }

  @Test("a container is its own group, with the lowest limit above it")
  func container() throws {
    let path = "/docker/\(SettingsReaderTests.id)"
    let (host, faults) = try SettingsReaderTests.read {
      $0["proc/40/cgroup"] = "0::\(path)/inner\n"
      $0["sys/fs/cgroup/docker/memory.max"] = "8192\n"
      $0["sys/fs/cgroup\(path)/memory.max"] = "max\n"
      $0["sys/fs/cgroup\(path)/memory.high"] = "4096\n"
    }
    #expect(faults == [:])
    var group = HostSettings.ServiceGroup(
      path: KernelName(path), container: ContainerRef(runtime: "docker", id: SettingsReaderTests.id))
    (group.limitBytes, group.highBytes) = (8192, 4096)
    #expect(host.groups == [group])
  }

  @Test("an empty /proc but for meminfo is a host of which little is known, and no error")
  func little() throws {
    let (host, faults) = try SettingsReaderTests.read { $0 = ["proc/meminfo": ""] }
    #expect(faults == [:])
    var expected = HostSettings()
    expected.pressure = .absent
    expected.cgroupVersion = 0
    expected.journal = .init(storage: "auto", hasFolder: false)
    #expect(host == expected)
  }

  @Test("without /proc or its meminfo nothing can be judged")
  func nothing() throws {
    let fixture = try Fixture(["proc/vmstat": ""])
    let reader = try SettingsReader(root: fixture.root)
    let path = KernelName(fixture.root + "/proc/meminfo")
    #expect(throws: HostError.system(operation: .open, path: path, errno: ENOENT)) { try reader.read() }
    #expect(throws: HostError.self) { try SettingsReader(root: fixture.root + "/none") }
  }

  @Test("junk in meminfo is told with its line", arguments: ["MemTotal: 1", "MemTotal: x kB", "MemTotal: -1 kB"])
  func junkMeminfo(text: String) throws {
    let fixture = try Fixture(["proc/meminfo": "Other: 1 kB\n\(text)\n"])
    let path = KernelName(fixture.root + "/proc/meminfo")
    let reader = try SettingsReader(root: fixture.root)
    #expect(throws: HostError.malformed(path: path, line: 2, text: KernelName(text))) { try reader.read() }
  }

  @Test(
    "a broken file costs its own check, and no other",
    arguments: [
      ("proc/sys/vm/swappiness", "many\n", .swappiness), ("proc/sys/vm/panic_on_oom", "", .panicOnOOM),
      ("proc/sys/kernel/panic", "1 2\n", .panicOnOOM), ("proc/swaps", "Filename\n/dev/a partition 1 1\n", .swap),
      ("proc/swaps", "Filename\n/dev/a partition 99999999999999999999 1 1\n", .swap),
      ("proc/swaps", "Filename\n/dev/a partition 1 x 1\n", .swap), ("sys/block/zram0/disksize", "big\n", .zram),
      ("sys/block/zram0/mm_stat", "1 2\n", .zram), ("proc/vmstat", "oom_kill x\n", .oomKills),
      ("proc/vmstat", "pgsteal_direct -\n", .watermarkScaleFactor),
      ("sys/kernel/kexec_crash_loaded", "yes\n", .panicOnOOM), ("proc/self/mountinfo", "junk\n", .cgroupVersion),
      ("proc/40/stat", "40 db S\n", .criticalServices),
      ("sys/fs/cgroup/system.slice/db.service/memory.max", "some\n", .serviceLimits),
      ("sys/fs/cgroup/system.slice/db.service/memory.oom.group", "x\n", .oomGroup),
    ] as [(String, String, CheckID)])
  func junk(path: String, text: String, check: CheckID) throws {
    let (host, faults) = try SettingsReaderTests.read { $0[path] = text }
    #expect(faults.keys.contains(check))
    #expect(Set(faults.keys).subtracting([check, .serviceLimits]) == [])
    #expect(host.memory.totalBytes == 1 << 20)
  }

  @Test("one process that cannot be read is told, and the others are read")
  func brokenProcess() throws {
    let (host, faults) = try SettingsReaderTests.read { $0["proc/39/stat"] = "junk\n" }
    #expect(Set(faults.keys) == [.criticalServices])
    #expect(host.processes.map(\.pid) == [40])
  }

  @Test("a process without a memory of its own, and one that is gone, are left out")
  func gone() throws {
    let (host, faults) = try SettingsReaderTests.read {
      $0["proc/40/status"] = "Name:\tx\nTgid:\t40\nUid:\t0\t0\t0\t0\n"
      $0["proc/41/comm"] = "x\n"
    }
    #expect(faults == [:])
    #expect(host.processes == [])
  }

  @Test(
    "the last word on a setting of journald counts",
    arguments: [
      ([:], nil), (["etc/systemd/journald.conf": "[Journal]\n#Storage=none\n"], nil),
      (["etc/systemd/journald.conf": "Storage=none\n[Other]\nStorage=none\n"], nil),
      (
        [
          "etc/systemd/journald.conf": "[Journal]\nStorage=none\n",
          "usr/lib/systemd/journald.conf": "[Journal]\nStorage=auto\n",
        ], "none"
      ),
      (
        [
          "etc/systemd/journald.conf": "[Journal]\nStorage=none\n",
          "usr/lib/systemd/journald.conf.d/50.conf": "[Journal]\nStorage=auto\n",
        ], "auto"
      ),
      (
        [
          "etc/systemd/journald.conf.d/50.conf": "[Journal]\n",
          "usr/lib/systemd/journald.conf.d/50.conf": "[Journal]\nStorage=auto\n",
        ], nil
      ),
      (
        [
          "usr/lib/systemd/journald.conf.d/40.conf": "[Journal]\nStorage=auto\n",
          "etc/systemd/journald.conf.d/50.conf": "[Journal]\nStorage=\n",
        ], nil
      ),
      (["etc/systemd/journald.conf": "\u{fffd}\u{0}\u{1}[Journal\nStorage=\u{0}"], nil),
    ] as [([String: String], String?)])
  func configuration(files: [String: String], value: String?) throws {
    let fixture = try Fixture(files)
    let read = SystemdConfiguration(root: fixture.root)
    #expect(try read.value("Storage", section: "Journal", file: "journald.conf") == value)
  }

  @Test("this machine's settings are read")
  func live() throws {
    let reader = try SettingsReader()
    let host = try reader.read()
    #expect(try #require(host.memory.totalBytes) > 0)
    #expect(host.sysctls.overcommitMemory != nil)
    #expect(host.processes.contains { $0.pid == getpid() })
  }
}
