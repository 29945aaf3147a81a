// SPDX-License-Identifier: Apache-2.0
import Events

/// The kernel's settings under /proc/sys/vm that decide on kills and promises.
///
/// Kernel: mm/oom_kill.c, mm/util.c; Documentation/admin-guide/sysctl/vm.rst.
struct KernelChecks {
  private let host: HostSettings
  private let set: HostSettings.Sysctls

  init(_ host: HostSettings) {
    self.host = host
    set = host.sysctls
  }

  var findings: [Finding?] {
    [panicOnOOM, oomKillAllocatingTask, oomDumpTasks, overcommitMemory, overcommitRatio, overcommitKbytes]
  }

  /// Kernel: mm/oom_kill.c, check_panic_on_oom(); kernel/panic.c, panic_timeout.
  private var panicOnOOM: Finding? {
    guard let value = set.panicOnOOM else { return nil }
    let id = CheckID.panicOnOOM
    guard value != 0 else { return Finding(id, "0", .ok, "The kernel kills one process where memory runs out.") }
    let remedy = Examination.sysctl("vm.panic_on_oom", 0)
    if value >= 2 {
      return Finding(
        id, "\(value)", .critical,
        "The kernel panics at every OOM, that of a single control group at its own limit too: one small container can "
          + "take the whole host down.", remedy: remedy)
    }
    let isDumped = host.isCrashKernelLoaded == true
    if set.panicSeconds ?? 0 == 0, !isDumped {
      return Finding(
        id, "1, kernel.panic=0, no kdump", .critical,
        "Where the whole system runs out of memory the kernel panics in place of killing one process, and with "
          + "kernel.panic=0 and no crash kernel the host then stands still until somebody resets it.",
        remedy: remedy + ["# or, where a reboot is what is wanted: sysctl -w kernel.panic=10"])
    }
    let after = isDumped ? "the crash kernel writes a dump" : "the host reboots (kernel.panic=\(set.panicSeconds ?? 0))"
    return Finding(
      id, "1", .warning,
      "Where the whole system runs out of memory the kernel panics in place of killing one process, and \(after): all "
        + "services are lost for one. It is right only where another host takes over.", remedy: remedy)
  }

  /// Kernel: mm/oom_kill.c, out_of_memory(): only where no control group is at its limit.
  private var oomKillAllocatingTask: Finding? {
    guard let value = set.oomKillAllocatingTask else { return nil }
    let id = CheckID.oomKillAllocatingTask
    guard value != 0 else { return Finding(id, "0", .ok, "The kernel looks for the process with the most points.") }
    return Finding(
      id, "\(value)", .warning,
      "Where the whole system runs out, whoever happens to ask for memory is killed, however little it holds; its "
        + "oom_score_adj counts only where it is -1000. Control groups at their limit are not affected.",
      remedy: Examination.sysctl("vm.oom_kill_allocating_task", 0))
  }

  /// Kernel: mm/oom_kill.c, dump_header().
  private var oomDumpTasks: Finding? {
    guard let value = set.oomDumpTasks else { return nil }
    let id = CheckID.oomDumpTasks
    guard value == 0 else {
      return Finding(id, "\(value)", .ok, "The kernel's log lists the candidates of a kill, with what each held.")
    }
    let needsLog = host.witness.map { $0.rung == nil } ?? false
    return Finding(
      id, "0", needsLog ? .warning : .note,
      "The kernel's log does not list who else could have been killed"
        + (needsLog ? ", and here the log is all that oomwitness has." : "; oomwitness sees the candidates by BPF."),
      remedy: Examination.sysctl("vm.oom_dump_tasks", 1))
  }

  /// Kernel: mm/util.c, __vm_enough_memory(), vm_commit_limit().
  private var overcommitMemory: Finding? {
    guard let mode = set.overcommitMemory else { return nil }
    let id = CheckID.overcommitMemory
    let (limit, committed) = (host.memory.commitLimitBytes, host.memory.committedBytes)
    let numbers =
      limit.flatMap { limit in
        committed.map { ", \(Examination.size($0)) promised, CommitLimit \(Examination.size(limit))" }
      } ?? ""
    switch mode {
    case 0:
      return Finding(
        id, "0 (heuristic)\(numbers)", .ok,
        "Only a single request above all RAM and swap is refused. CommitLimit is not enforced in this mode, so processes "
          + "may be promised more than there is, and the OOM killer settles it.")
    case 1:
      return Finding(
        id, "1 (always)\(numbers)", .note,
        "No request for memory is ever refused, so that malloc() never says when memory is short: an OOM kill does. "
          + "Redis wants it so for its fork(); most other programs do not need it.",
        remedy: isRunning("redis-server") ? [] : Examination.sysctl("vm.overcommit_memory", 0))
    case 2:
      let share = limit.flatMap { limit in committed.flatMap { Examination.percent($0, of: limit) } } ?? 0
      let remedy = ["sysctl -w vm.overcommit_ratio=\(min(100, max(80, (set.overcommitRatio ?? 50) + 10)))"]
      let value = "2 (strict)\(numbers)"
      if share >= 97 {
        return Finding(
          id, value, .critical,
          "\(share)% of what may be promised is promised: fork() and malloc() fail now, or with the next process that "
            + "starts, whatever memory is free.", remedy: remedy)
      }
      if share >= 85 {
        return Finding(
          id, value, .warning,
          "\(share)% of what may be promised is promised: soon fork() and malloc() will fail with free memory left.",
          remedy: remedy)
      }
      return Finding(
        id, value, .ok,
        "Programs are told where the memory ends, by a failed request in place of a kill; \(share)% is promised.")
    default: return Finding(id, "\(mode)", .note, "This mode is not one that oomwitness knows (0, 1 and 2).")
    }
  }

  /// Kernel: mm/util.c, vm_commit_limit(): (RAM - huge pages) * ratio / 100 + swap.
  private var overcommitRatio: Finding? {
    guard let ratio = set.overcommitRatio, let mode = set.overcommitMemory else { return nil }
    let id = CheckID.overcommitRatio
    guard mode == 2 else {
      return Finding(id, "\(ratio)%", .ok, "It counts only with vm.overcommit_memory=2.")
    }
    guard set.overcommitKbytes ?? 0 == 0 else {
      return Finding(id, "\(ratio)%", .ok, "It does not count: vm.overcommit_kbytes is set and takes its place.")
    }
    guard let total = host.memory.totalBytes, let limit = host.memory.commitLimitBytes else { return nil }
    let swap = host.memory.swapTotalBytes ?? 0
    if ratio > 100 {
      return Finding(
        id, "\(ratio)%", .warning,
        "More than all RAM may be promised, so that the strict mode does not keep the OOM killer away: it refuses "
          + "memory, and does not protect.", remedy: Examination.sysctl("vm.overcommit_ratio", 90))
    }
    if limit < total {
      return Finding(
        id, "\(ratio)%", .warning,
        "\(Examination.size(total - limit)) of \(Examination.size(total)) RAM can never be promised to a process: with "
          + "\(Examination.size(swap)) swap the limit is \(Examination.size(limit)).",
        remedy: Examination.sysctl("vm.overcommit_ratio", 90))
    }
    return Finding(
      id, "\(ratio)%", .ok, "With \(Examination.size(swap)) swap, \(Examination.size(limit)) may be promised.")
  }

  /// Kernel: mm/util.c, overcommit_kbytes_handler(): setting one of the two sets the other to 0.
  private var overcommitKbytes: Finding? {
    guard let value = set.overcommitKbytes, let mode = set.overcommitMemory else { return nil }
    let id = CheckID.overcommitKbytes
    guard value != 0 else {
      return Finding(id, "0", .ok, "Not set: vm.overcommit_ratio is what counts in the strict mode.")
    }
    let size = value < 1 << 50 ? Examination.size(value << 10) : "\(value) KiB"
    guard mode == 2 else {
      return Finding(
        id, size, .note,
        "It is set and does not count: only vm.overcommit_memory=2 looks at it, and the mode is \(mode).")
    }
    if let total = host.memory.totalBytes, value < total >> 10, value << 10 < total / 2 {
      return Finding(
        id, size, .warning,
        "Less than half of the \(Examination.size(total)) RAM may be promised, before swap: requests fail with much memory free.",
        remedy: Examination.sysctl("vm.overcommit_kbytes", (total >> 10) * 9 / 10))
    }
    return Finding(id, size, .ok, "So much and all swap may be promised.")
  }

  private func isRunning(_ program: String) -> Bool { host.processes.contains { $0.runs(program) } }
}
