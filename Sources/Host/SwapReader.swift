// SPDX-License-Identifier: Apache-2.0
import Events

/// Reads where the kernel may put pages that it takes from processes: swap areas, zram and zswap.
///
/// File: /proc/swaps, /sys/block/zramN, /sys/module/zswap.
package struct SwapReader {
  private let procRoot: String
  private let sysRoot: String
  private let files = FileReader()

  package init(procRoot: String = "/proc", sysRoot: String = "/sys") {
    self.procRoot = procRoot
    self.sysRoot = sysRoot
  }

  /// The areas in use, in the kernel's order; nil where this kernel knows no swap.
  ///
  /// File: /proc/swaps, in KiB. Kernel: mm/swapfile.c, swap_show().
  package func areas() throws(HostError) -> [HostSettings.SwapArea]? {
    guard let contents = try files.contents(KernelName("swaps"), in: Directory(path: procRoot)) else { return nil }
    var areas: [HostSettings.SwapArea] = []
    for (index, line) in contents.lines.enumerated().dropFirst() {
      let words = line.words
      guard words.count >= 5, let size: Int64 = Decimal.unsigned(words[words.count - 3]),
        let used: Int64 = Decimal.unsigned(words[words.count - 2]), size < 1 << 50, used < 1 << 50,
        let priority: Int = Decimal.signed(words[words.count - 1])
      else { throw contents.malformed(line: index + 1, line) }
      areas.append(
        .init(
          name: KernelName(bytes: Array(words[0])), sizeBytes: size << 10, usedBytes: used << 10, priority: priority))
    }
    return areas
  }

  /// The zram devices that somebody has given a size.
  ///
  /// File: /sys/block/zramN/disksize, and mm_stat, whose fourth number is the limit. Kernel: drivers/block/zram/zram_drv.c.
  package func zram() throws(HostError) -> [HostSettings.ZramDevice] {
    guard let block = try directory("block") else { return [] }
    var devices: [HostSettings.ZramDevice] = []
    for name in try block.names(ending: "") where name.bytes.starts(with: "zram".utf8) {
      guard let device = try block.directory(name),
        let size = try files.contents(KernelName("disksize"), in: device)
      else { continue }
      let bytes: Int64 = try size.number()
      guard bytes > 0 else { continue }
      var found = HostSettings.ZramDevice(name: name.text, sizeBytes: bytes)
      if let stat = try files.contents(KernelName("mm_stat"), in: device) {
        let words = stat.withoutNewline.words
        guard words.count >= 4, let limit: Int64 = Decimal.unsigned(words[3]) else {
          throw stat.malformed(line: 1, stat.withoutNewline)
        }
        found.limitBytes = limit > 0 ? limit : nil
      }
      devices.append(found)
    }
    return devices.sorted { $0.name < $1.name }
  }

  /// Whether pages are compressed in RAM before they go to an area; nil where the kernel cannot.
  ///
  /// File: /sys/module/zswap/parameters/enabled, Y or N. Kernel: mm/zswap.c.
  package func isZswapEnabled() throws(HostError) -> Bool? {
    guard let folder = try directory("module/zswap/parameters"),
      let contents = try files.contents(KernelName("enabled"), in: folder)
    else { return nil }
    return contents.withoutNewline.isEqual(to: "Y")
  }

  private func directory(_ name: String) throws(HostError) -> Directory? {
    do throws(HostError) {
      return try Directory(path: sysRoot).directory(KernelName(name))
    } catch {
      // Without sysfs there is nothing to say.
      if case .system(.open, _, let code) = error, SystemCall.Outcome.isGone(code) { return nil }
      throw error
    }
  }
}
