// SPDX-License-Identifier: Apache-2.0

import Events
import Testing

@testable import Host

/// A made-up process under a fixture's root, with the files of Linux 6.18.
struct ProcFixture {
  var pid: Int32 = 42
  var comm: [UInt8] = Array("worker".utf8)
  var flags: UInt32 = 4_194_304
  var ppid: Int32 = 1
  var startTimeTicks: UInt64 = 167_098
  var startStack: UInt64 = 1000
  var cmdline: [UInt8]? = Array("worker\0--all\0".utf8)
  var cgroup = "4:memory:/process_api/abe5\n0::/\n"
  var status = """
    Name:\tworker
    Tgid:\t40
    Uid:\t1000\t1001\t1002\t1003
    Groups:\t
    VmPTE:\t      40 kB
    RssAnon:\t     116 kB
    RssFile:\t    1652 kB
    RssShmem:\t       8 kB
    VmSwap:\t       4 kB
    Threads:\t3

    """

  var stat: [UInt8] {
    let fields = """
       S \(ppid) 4766 3583 0 -1 \(flags) 100 0 0 0 0 0 0 0 20 0 3 0 \(startTimeTicks) 3133440 414 \
      18446744073709551615 94652676116480 94652676136361 \(startStack) 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 94652676152368 \
      94652676153984 94653673164800 140727678028475 140727678028512 140727678028512 140727678029803 0

      """
    return Array("\(pid) (".utf8) + comm + Array(")\(fields)".utf8)
  }

  func write(to fixture: Fixture) throws {
    try fixture.write(KernelName("\(pid)/stat"), stat)
    try fixture.write(KernelName("\(pid)/status"), Array(status.utf8))
    try fixture.write(KernelName("\(pid)/oom_score"), Array("668\n".utf8))
    try fixture.write(KernelName("\(pid)/oom_score_adj"), Array("-5\n".utf8))
    try fixture.write(KernelName("\(pid)/comm"), comm + [0x0a])
    try fixture.write(KernelName("\(pid)/cgroup"), Array(cgroup.utf8))
    if let cmdline { try fixture.write(KernelName("\(pid)/cmdline"), cmdline) }
  }

  /// What the default one is read as.
  static var facts: ProcessFacts {
    ProcessFacts(
      pid: 42, tgid: 40, ppid: 1, comm: KernelName("worker"), uid: 1001, threads: 3, isKernelThread: false,
      startTimeTicks: 167_098, totalVMPages: 765, residentPages: 414,
      parts: BadnessParts(anonPages: 29, filePages: 413, shmemPages: 2, swapPages: 1, pgtablePages: 10),
      oomScore: 668, oomScoreAdj: -5, cmdline: [KernelName("worker"), KernelName("--all")],
      cgroup: CgroupRef(path: KernelName("/process_api/abe5"), version: 1))
  }
}
