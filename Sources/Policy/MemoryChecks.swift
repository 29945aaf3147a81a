// SPDX-License-Identifier: Apache-2.0
import Events

/// What memory there is, what is kept of it, and where the kernel may put pages.
///
/// Kernel: mm/vmscan.c, mm/page_alloc.c; Documentation/admin-guide/sysctl/vm.rst, blockdev/zram.rst.
struct MemoryChecks {
  private let host: HostSettings

  init(_ host: HostSettings) { self.host = host }

  var findings: [Finding?] { [swappiness, minFreeKbytes, watermarkScaleFactor, available, swap, zram] }

  private var areas: [HostSettings.SwapArea] { host.swapAreas ?? [] }
  private var hasSwap: Bool { !areas.isEmpty }

  /// Kernel: mm/vmscan.c, get_scan_count(): with 0 anonymous pages are left alone while file pages are enough.
  private var swappiness: Finding? {
    guard let value = host.sysctls.swappiness else { return nil }
    let id = CheckID.swappiness
    guard hasSwap else { return Finding(id, "\(value)", .ok, "It counts for nothing: there is no swap.") }
    if value == 0 {
      return Finding(
        id, "0", .warning,
        "Swap is there and used only where nothing else can be taken, so that the page cache, programs among it, goes "
          + "first. A control group at its limit does not count swap to its size then.",
        remedy: Examination.sysctl("vm.swappiness", 10))
    }
    let isInMemory = areas.allSatisfy(\.isZram)
    if isInMemory, value < 100 {
      return Finding(
        id, "\(value)", .note,
        "All swap is zram, which is faster than reading a file back: with more than 100 the kernel takes it first.",
        remedy: Examination.sysctl("vm.swappiness", 150))
    }
    if !isInMemory, value > 100 {
      return Finding(
        id, "\(value)", .note,
        "Above 100 the kernel takes swapping to be cheaper than reading files back; with swap on a disk that is rarely so.",
        remedy: Examination.sysctl("vm.swappiness", 60))
    }
    return Finding(id, "\(value)", .ok, "The kernel swaps and drops page cache in a usual proportion.")
  }

  /// The kernel's own choice is 4 * sqrt(KiB of low memory), at most 256 MiB. Kernel: mm/page_alloc.c,
  /// calculate_min_free_kbytes(); mm/khugepaged.c, set_recommended_min_free_kbytes() raises it.
  private var minFreeKbytes: Finding? {
    guard let value = host.sysctls.minFreeKbytes, let total = host.memory.totalBytes, total > 0 else { return nil }
    let id = CheckID.minFreeKbytes
    let kernels = min(262_144, max(128, MemoryChecks.root(16 * (total >> 10))))
    let shown = value < 1 << 50 ? Examination.size(value << 10) : "\(value) KiB"
    let remedy = Examination.sysctl("vm.min_free_kbytes", kernels)
    if value < 1024, kernels >= 1024 {
      return Finding(
        id, shown, .critical,
        "Below 1024 KiB the kernel has too little for itself while it frees memory, and can deadlock under load; on this "
          + "host it would choose \(Examination.size(kernels << 10)).", remedy: remedy)
    }
    let share = Examination.percent(min(value, 1 << 50) << 10, of: total) ?? 0
    if share >= 25 {
      return Finding(
        id, shown, .critical,
        "\(share)% of RAM may not be used by any process: the OOM killer comes while much memory is free.",
        remedy: remedy)
    }
    if share >= 5 {
      return Finding(
        id, shown, .warning, "\(share)% of RAM is kept free, and counts as used up when the kernel decides on a kill.",
        remedy: remedy)
    }
    if value < kernels / 2 {
      return Finding(
        id, shown, .warning,
        "It is less than half of what the kernel would choose, \(Examination.size(kernels << 10)): requests that cannot wait, "
          + "of the network for one, fail earlier.", remedy: remedy)
    }
    return Finding(id, shown, .ok, "The kernel keeps it for itself and for requests that cannot wait.")
  }

  /// The largest number whose square is not more.
  private static func root(_ number: Int64) -> Int64 {
    var (low, high): (Int64, Int64) = (0, 3_037_000_499)
    while low < high {
      let middle = (low + high + 1) / 2
      if middle * middle <= number { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// Pages that were taken back before this share is worth a word: 1 GiB of 4 KiB pages.
  private static let reclaimPagesMin: Int64 = 262_144

  /// In ten-thousandths of memory between the marks. Kernel: mm/page_alloc.c, __setup_per_zone_wmarks().
  private var watermarkScaleFactor: Finding? {
    guard let value = host.sysctls.watermarkScaleFactor else { return nil }
    let id = CheckID.watermarkScaleFactor
    let shown = "\(value) (\(value / 100).\(value % 100 / 10)\(value % 10)% of RAM)"
    if value >= 1000 {
      return Finding(
        id, shown, .warning,
        "kswapd works to keep twice \(value / 100)% of RAM free and does not rest before: memory that nobody can use.",
        remedy: Examination.sysctl("vm.watermark_scale_factor", 100))
    }
    if let direct = host.memory.directReclaimPages, let background = host.memory.backgroundReclaimPages,
      direct < Int64.max / 2, background < Int64.max / 2, direct + background >= MemoryChecks.reclaimPagesMin,
      let share = Examination.percent(direct, of: direct + background), share >= 10, value < 100
    {
      return Finding(
        id, shown, .note,
        "\(share)% of the pages that were taken back since boot were taken by processes that had to wait for them: a "
          + "larger value lets kswapd begin earlier.", remedy: Examination.sysctl("vm.watermark_scale_factor", 100))
    }
    return Finding(id, shown, .ok, "kswapd begins to take pages back before processes must.")
  }

  /// File: /proc/meminfo, MemAvailable.
  private var available: Finding? {
    guard let total = host.memory.totalBytes, let available = host.memory.availableBytes,
      let share = Examination.percent(available, of: total)
    else { return nil }
    let id = CheckID.memoryAvailable
    let value = "\(Examination.size(available)) of \(Examination.size(total))"
    let swapTotal = host.memory.swapTotalBytes ?? 0
    let swapLeft = Examination.percent(host.memory.swapFreeBytes ?? 0, of: swapTotal) ?? 0
    let remedy = ["oomwitness next", "oomwitness scores --top 5"]
    if share < 3, swapLeft < 10 {
      return Finding(
        id, value, .critical,
        "\(share)% of RAM can be had without swapping, and \(swapTotal > 0 ? "swap is full" : "there is no swap"): the "
          + "next large request brings an OOM kill.", remedy: remedy)
    }
    if share < 10 {
      return Finding(
        id, value, .warning, "\(share)% of RAM can be had without swapping.", remedy: remedy)
    }
    return Finding(id, value, .ok, "\(share)% of RAM can be had without swapping.")
  }

  /// File: /proc/swaps. Source: swapon(8).
  private var swap: Finding? {
    guard let areas = host.swapAreas else {
      return Finding(
        .swap, "none", .note, "This kernel knows no swap, or hides it: what processes hold can only be killed.")
    }
    let id = CheckID.swap
    if areas.isEmpty {
      let isKubernetes = host.processes.contains { $0.runs("kubelet") }
      return Finding(
        id, "none", isKubernetes ? .note : .warning,
        isKubernetes
          ? "Without swap what processes hold can only be killed; for the kubelet, which runs here, that is usual."
          : "What processes hold cannot be moved, only killed: the way from full memory to the first kill is short, and "
            + "there is little to see before it.",
        remedy: isKubernetes
          ? []
          : [
            "fallocate -l 2G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile",
            "echo '/swapfile none swap sw 0 0' >> /etc/fstab",
          ])
    }
    let total = areas.reduce(0) { $0 + $1.sizeBytes }
    let used = areas.reduce(0) { $0 + $1.usedBytes }
    let share = Examination.percent(used, of: total) ?? 0
    let value = "\(Examination.size(total)) in \(Examination.plural(areas.count, "area")), \(share)% used"
    if share >= 90 {
      return Finding(
        id, value, .warning, "It is nearly full: what processes hold from now on can only be killed.",
        remedy: ["oomwitness scores --sort anon --top 10"])
    }
    return Finding(id, value, .ok, "Pages that are not used can be moved, which gives time before a kill.")
  }

  /// Source: Documentation/admin-guide/blockdev/zram.rst, zswap.rst.
  private var zram: Finding? {
    let id = CheckID.zram
    let zswap = host.isZswapEnabled == true ? "zswap is on" : nil
    guard let largest = host.zram.max(by: { $0.sizeBytes < $1.sizeBytes }) else {
      guard let zswap else { return Finding(id, "none", .ok, "No part of RAM is compressed swap.") }
      return Finding(
        id, zswap, hasSwap ? .ok : .note,
        hasSwap
          ? "Pages are compressed in RAM before they go to a disk." : "It does nothing: there is no swap behind it.")
    }
    let names = host.zram.map { "\(TerminalText.safe($0.name)) \(Examination.size($0.sizeBytes))" }
    let value = ([Examination.list(names)] + [zswap].compactMap { $0 }).joined(separator: ", ")
    let inUse = areas.filter(\.isZram)
    if inUse.isEmpty { return Finding(id, value, .ok, "It has a size and is not used as swap.") }
    let disks = areas.filter { !$0.isZram }
    if let slow = disks.max(by: { $0.priority < $1.priority }), inUse.contains(where: { $0.priority <= slow.priority })
    {
      return Finding(
        id, value, .note,
        "Swap on a disk has the same priority or a higher one, so that zram is not filled first.",
        remedy: inUse.filter { Examination.isPlainWord($0.name) }.map {
          "swapoff \(TerminalText.safe($0.name)) && swapon -p \(slow.priority + 100) \(TerminalText.safe($0.name))"
        })
    }
    if let total = host.memory.totalBytes, largest.sizeBytes / 2 > total, largest.limitBytes == nil {
      return Finding(
        id, value, .warning,
        "\(TerminalText.safe(largest.name)) may hold more than twice the RAM and has no limit: pages that do not compress "
          + "fill the RAM that they are meant to free.", remedy: ["zramctl   # then: a size of at most twice the RAM"])
    }
    if zswap != nil {
      return Finding(
        id, value, .note, "zswap lies before zram and compresses first: pages are compressed twice.",
        remedy: ["echo N > /sys/module/zswap/parameters/enabled"])
    }
    return Finding(id, value, .ok, "Pages that are not used are kept compressed in RAM.")
  }
}
