// SPDX-License-Identifier: Apache-2.0
import Events

/// Rules over a host's settings, by what its reports say beside the victims.
struct HostRules {
  private let statistics: KillStatistics
  private let sizes: Sizes

  init(_ statistics: KillStatistics, _ sizes: Sizes) {
    self.statistics = statistics
    self.sizes = sizes
  }

  private typealias Rule = (KernelName?, KillCondition.Sum) -> Recommendation?

  var all: [Recommendation] {
    let sorted = statistics.conditions.sums.filter { $0.value.tally.decisions >= Recommendations.conditionMin }
      .sorted {
        ($1.value.tally.kills, $0.key.condition.rawValue, $0.key.host?.text ?? "")
          < ($0.value.tally.kills, $1.key.condition.rawValue, $1.key.host?.text ?? "")
      }
    return sorted.compactMap { key, sum in rule(key.condition)?(key.host, sum) } + [dumpTasks].compactMap { $0 }
  }

  private func rule(_ condition: KillCondition) -> Rule? {
    switch condition {
    case .fragmented: fragmentation
    case .swapExhausted: swapExhausted
    case .withoutSwap: addSwap
    case .kernelObjects: kernelObjects
    case .sharedMemory: sharedMemory
    case .overpromised: overcommit
    case .allocatingTask: allocatingTask
    // A higher order alone proves nothing, and a group's kill is a matter of its limit.
    case .higherOrder, .group: nil
    }
  }

  private func made(
    _ kind: Recommendation.Kind, _ host: KernelName?, _ sum: KillCondition.Sum, _ finding: String,
    numbers: [(String, Int64?)], steps: [Recommendation.Step]
  ) -> Recommendation {
    Recommendation(
      kind, host: host, finding: finding, evidence: Recommendation.Evidence(sum.tally, numbers), steps: steps)
  }

  /// `host a`, or what it is called where the log names none.
  private func name(_ host: KernelName?) -> String { host.map { "Host \(Naming.safe($0))" } ?? "The host" }

  /// Now, and after the next start. Source: sysctl.d(5), sysctl(8).
  private func persistent(_ settings: String...) -> String {
    (settings.map { "echo '\($0)' >> /etc/sysctl.d/90-oom.conf" } + ["sysctl -p /etc/sysctl.d/90-oom.conf"])
      .joined(separator: "\n")
  }

  /// Pages in a row were wanted, and there were single ones: memory is in pieces, and none is missing.
  ///
  /// Source: the kernel's admin-guide/sysctl/vm.rst, watermark_scale_factor, compaction_proactiveness; mm/page_alloc.c,
  /// __zone_watermark_ok().
  private func fragmentation(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let free = sum.pages, let needed = sum.ofPages, let order = sum.order else { return nil }
    return made(
      .fragmentation, host, sum,
      "\(name(host)) killed \(Naming.times(sum.tally.kills)) for up to \(1 << min(order, 20)) pages in a row while single "
        + "pages were free, at last \(sizes.text(free)) in a zone that needs \(sizes.text(needed)): memory is fragmented.",
      numbers: [("order", Int64(order)), ("free_pages", free), ("needed_pages", needed)],
      steps: [
        Recommendation.Step(
          "Keep more memory free, so that larger pieces stay: 100 is one hundredth of it, the default is 10.",
          input: persistent("vm.watermark_scale_factor = 100")),
        Recommendation.Step(
          "Put memory together now, and see how many pieces of each size there are.",
          input: "echo 1 > /proc/sys/vm/compact_memory; cat /proc/buddyinfo"),
      ])
  }

  /// Source: swapon(8), mkswap(8), fstab(5); the kernel's admin-guide/sysctl/vm.rst, swappiness; the guide's 2.2.
  private func addSwap(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let total = sum.ofPages else { return nil }
    let mebibytes = min(8192, max(256, sizes.mebibytes(total / 4)))
    return made(
      .addSwap, host, sum,
      "\(name(host)) has \(sizes.text(total)) of memory and no swap, and ran out \(Naming.times(sum.tally.decisions)): memory "
        + "that nobody uses could not be put aside.",
      numbers: [("memory_pages", total), ("swap_pages", 0)],
      steps: [
        Recommendation.Step(
          "Add a quarter of memory as swap, 8 GiB at most; it gives time to act, and mends no leak.",
          input: "dd if=/dev/zero of=/swapfile bs=1M count=\(mebibytes) && chmod 600 /swapfile\n"
            + "mkswap /swapfile && swapon /swapfile && echo '/swapfile none swap sw 0 0' >> /etc/fstab")
      ])
  }

  /// Source: proc_pid_status(5), VmSwap; swapon(8); systemd.resource-control(5), MemorySwapMax=.
  private func swapExhausted(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let free = sum.pages, let total = sum.ofPages else { return nil }
    return made(
      .swapExhausted, host, sum,
      "\(name(host)) had filled its swap at \(sum.tally.kills) kills, at last \(sizes.text(free)) of \(sizes.text(total)) "
        + "were free: it ran short for long before it killed.",
      numbers: [("swap_free_pages", free), ("swap_pages", total)],
      steps: [
        Recommendation.Step(
          "See who is in swap; limit the first of them, by MemorySwapMax= where it is a unit.",
          input: "grep -H VmSwap /proc/[0-9]*/status | sort -k 2 -n | tail"),
        Recommendation.Step(
          "More swap only where the same work needs it for a short time: else it dies later, and slower."),
      ])
  }

  /// Source: slabtop(1), proc_slabinfo(5); the kernel's admin-guide/mm.
  private func kernelObjects(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let slab = sum.pages, let total = sum.ofPages else { return nil }
    return made(
      .kernelObjects, host, sum,
      "On \(Naming.host(host)) the kernel's own objects held a quarter of memory or more at "
        + "\(sum.tally.kills) kills, at last \(sizes.text(slab)) of \(sizes.text(total)): no process has that memory, and "
        + "killing gives none of it back.",
      numbers: [("slab_unreclaimable_pages", slab), ("memory_pages", total)],
      steps: [
        Recommendation.Step(
          "See which objects they are: a driver, a filter or connections.", input: "slabtop -o -s c | head -n 20")
      ])
  }

  /// Source: tmpfs(5), ipcs(1), shm_overview(7).
  private func sharedMemory(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let shmem = sum.pages, let total = sum.ofPages else { return nil }
    return made(
      .sharedMemory, host, sum,
      "On \(Naming.host(host)) shared memory and tmpfs held a quarter of memory or more at "
        + "\(sum.tally.kills) kills, at last \(sizes.text(shmem)) of \(sizes.text(total)): files of tmpfs stay when "
        + "processes are killed.",
      numbers: [("shmem_pages", shmem), ("memory_pages", total)],
      steps: [
        Recommendation.Step(
          "See whose it is: files of tmpfs, or segments of System V.", input: "df -h -t tmpfs; ipcs -m --human"),
        Recommendation.Step(
          "Limit the tmpfs that is large, in /etc/fstab too.", input: "mount -o remount,size=10% /dev/shm"),
      ])
  }

  /// Victims had been promised more than there is.
  ///
  /// Source: the kernel's mm/overcommit-accounting.rst; admin-guide/sysctl/vm.rst, overcommit_ratio.
  private func overcommit(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    guard let promised = sum.pages, let total = sum.ofPages else { return nil }
    let victim = sum.victim.map { ", at last \(Naming.safe($0))" } ?? ""
    return made(
      .overcommit, host, sum,
      "\(name(host)) killed \(Naming.times(sum.tally.kills)) one that it had promised more than memory and swap "
        + "together\(victim), \(sizes.text(promised)) on \(sizes.text(total)).",
      numbers: [("total_vm_pages", promised), ("memory_and_swap_pages", total)],
      steps: [
        Recommendation.Step("See what is promised in all, and how much may be.", input: "grep Commit /proc/meminfo"),
        Recommendation.Step(
          "Where programs bear a refusal (many reserve far more than they use and do not): promise no more than there is.",
          input: persistent("vm.overcommit_memory = 2", "vm.overcommit_ratio = 90")),
      ])
  }

  /// Source: the kernel's admin-guide/sysctl/vm.rst, oom_kill_allocating_task.
  private func allocatingTask(_ host: KernelName?, _ sum: KillCondition.Sum) -> Recommendation? {
    made(
      .allocatingTask, host, sum,
      "\(name(host)) killed \(Naming.times(sum.tally.kills)) who happened to ask, since vm.oom_kill_allocating_task is set: "
        + "neither size nor oom_score_adj was looked at.",
      numbers: [("kills_by_allocating_task", Int64(sum.tally.kills))],
      steps: [
        Recommendation.Step(
          "Have the kernel compare all; leave it where its walk over very many processes takes too long.",
          input: persistent("vm.oom_kill_allocating_task = 0"))
      ])
  }

  /// Reports have their heads and never a table: nobody can tell why this one and not another.
  ///
  /// Source: the kernel's admin-guide/sysctl/vm.rst, oom_dump_tasks.
  private var dumpTasks: Recommendation? {
    guard statistics.withTable == 0, statistics.withoutTableAlone >= Recommendations.conditionMin else { return nil }
    return Recommendation(
      .dumpTasks, host: nil,
      finding:
        "\(statistics.withoutTableAlone) reports have their head and none has its table of tasks: who else could have "
        + "been chosen is not in the log.",
      evidence: Recommendation.Evidence(
        statistics.tally, [("reports_without_table", Int64(statistics.withoutTableAlone)), ("reports_with_table", 0)]),
      steps: [
        Recommendation.Step(
          "Have the kernel print it with each report.", input: persistent("vm.oom_dump_tasks = 1"))
      ])
  }
}
