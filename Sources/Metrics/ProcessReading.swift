// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What this process uses, under the names that Prometheus' client libraries have for it.
///
/// Nil was not to be read. File: /proc/self/stat, /proc/self/fd; getrusage(2).
struct ProcessReading: Hashable, Sendable {
  var cpuMicroseconds: Int64?
  var residentBytes: Int64?
  var virtualBytes: Int64?
  var openDescriptors: Int64?
  var descriptorsMax: Int64?
  /// Since boot.
  private var startTicks: Int64?

  private static let statBytesMax = 1024

  init() {
    var usage = rusage()
    if getrusage(RUSAGE_SELF.rawValue, &usage) == 0 {
      let times = [usage.ru_utime, usage.ru_stime]
      cpuMicroseconds = times.reduce(0) { $0 + Int64($1.tv_sec) * 1_000_000 + Int64($1.tv_usec) }
    }
    readStat()
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur != ~0 {
      descriptorsMax = Int64(clamping: limit.rlim_cur)
    }
    if let folder = opendir("/proc/self/fd") {
      defer { closedir(folder) }
      var count: Int64 = 0
      while readdir(folder) != nil { count += 1 }
      // `.`, `..`, and the folder itself.
      openDescriptors = max(0, count - 3)
    }
  }

  /// Fields 22 to 24: starttime, vsize, rss. The name before them may hold anything, and ends with the last bracket.
  private mutating func readStat() {
    let descriptor = open("/proc/self/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let fields = withUnsafeTemporaryAllocation(byteCount: ProcessReading.statBytesMax, alignment: 1) { buffer in
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
      return (text.lastIndex(of: ")").map { text[$0...] } ?? "").split(separator: " ").map(String.init)
    }
    // The bracket is field 2.
    guard fields.count > 22, let size = Int64(fields[21]), let pages = Int64(fields[22]) else { return }
    virtualBytes = size
    residentBytes = pages * Int64(getpagesize())
    startTicks = Int64(fields[20])
  }

  /// When it was started, in microseconds since 1970; to be asked once, since the clock may be set.
  static func startMicroseconds() -> Int64? {
    let ticks = Int64(sysconf(Int32(_SC_CLK_TCK)))
    var (wall, boot) = (timespec(), timespec())
    guard let start = ProcessReading().startTicks, ticks > 0, clock_gettime(CLOCK_REALTIME, &wall) == 0,
      clock_gettime(CLOCK_BOOTTIME, &boot) == 0
    else { return nil }
    func microseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000 }
    return microseconds(wall) - microseconds(boot) + start * 1_000_000 / ticks
  }
}
