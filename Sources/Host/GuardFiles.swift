// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// Reads the files of processes into buffers that are there from the start: no call asks for memory.
///
/// What is gone, refused or not understood is nil here: the guard passes it over. Not for two threads at once.
/// File: /proc/PID. Source: openat(2), read(2), readlinkat(2).
final class GuardFiles {
  let root: Int32
  private let pageShift: Int64
  private let text: UnsafeMutableRawBufferPointer
  /// What `field` gives lies here until it is asked for another one.
  private let fieldText: UnsafeMutableRawBufferPointer
  /// `PID/name` and a NUL; names begin at `nameOffset`, and pids end before it.
  private let path: UnsafeMutableBufferPointer<CChar>

  /// Of a command line no more is looked at.
  static let fieldBytesMax = 4096
  private static let nameOffset = 16
  private static let nameBytesMax = 32

  /// - Parameter textBytes: room for the largest file that will be read: the status of a process with many groups.
  init(root: String, pageSizeBytes: Int, textBytes: Int = 64 * 1024) throws(HostError) {
    let descriptor = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(operation: .open, path: KernelName(root), errno: errno) }
    self.root = descriptor
    pageShift = Int64(pageSizeBytes.trailingZeroBitCount) - 10
    text = .allocate(byteCount: textBytes, alignment: 16)
    fieldText = .allocate(byteCount: GuardFiles.fieldBytesMax, alignment: 16)
    path = .allocate(capacity: GuardFiles.nameOffset + GuardFiles.nameBytesMax)
    path.initialize(repeating: 0)
    // Touched, so that locking keeps them.
    text.initializeMemory(as: UInt8.self, repeating: 0)
    fieldText.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    close(root)
    text.deallocate()
    fieldText.deallocate()
    path.deallocate()
  }

  /// What /proc/PID/oom_score shows: 0 where the kernel would not take it.
  func oomScore(_ pid: Int32) -> Int64? { read(pid, "oom_score").flatMap(GuardFiles.number) }

  /// File: /proc/PID/statm, the second number.
  func residentPages(_ pid: Int32) -> Pages? {
    guard let text = read(pid, "statm") else { return nil }
    return GuardFiles.word(1, of: text[...])
  }

  /// All that a decision needs of a process; nil where it cannot be taken: gone, without memory, -1000.
  func candidate(_ pid: Int32, domainPages: Pages) -> GuardCandidate? {
    guard let status = read(pid, "status"), let fields = StatusFields(status), fields.hasMemory, !fields.isKernelThread,
      let adjText = read(pid, "oom_score_adj"), let adj = GuardFiles.number(adjText), adj != -1000
    else { return nil }
    var candidate = GuardCandidate()
    candidate.pid = pid
    candidate.uid = fields.uid
    candidate.comm = fields.comm
    candidate.oomScoreAdj = Int(adj)
    candidate.parts = BadnessParts(
      anonPages: fields.anon >> pageShift, filePages: fields.file >> pageShift, shmemPages: fields.shmem >> pageShift,
      swapPages: fields.swap >> pageShift, pgtablePages: fields.pgtable >> pageShift)
    candidate.points = Badness.points(candidate.parts, oomScoreAdj: candidate.oomScoreAdj, domainPages: domainPages)
    guard let stat = read(pid, "stat"), takeStat(stat, &candidate) else { return nil }
    return candidate
  }

  /// When it began, by the descriptor of its directory, which the kernel ties to this very process.
  func startTimeTicks(directory: Int32) -> UInt64? {
    var candidate = GuardCandidate()
    guard let stat = read(directory, at: "stat"), takeStat(stat, &candidate) else { return nil }
    return candidate.startTimeTicks
  }

  /// Copies its arguments, each with a NUL behind it; how many bytes, 0 where this very process is gone. May have to wait.
  ///
  /// File: /proc/PID/cmdline.
  func arguments(of candidate: GuardCandidate, into text: UnsafeMutableRawBufferPointer) -> Int {
    guard let directory = directory(candidate.pid) else { return 0 }
    defer { close(directory) }
    guard startTimeTicks(directory: directory) == candidate.startTimeTicks else { return 0 }
    let descriptor = openat(directory, "cmdline", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    return max(0, Glibc.read(descriptor, text.baseAddress, text.count))
  }

  /// The path of the memory group of this very process; nil where it is gone, or on its way: of that the kernel says `/`,
  /// wherever it was. Valid until the next call.
  ///
  /// File: /proc/PID/cgroup. Kernel: kernel/cgroup/cgroup.c, proc_cgroup_show(), PF_EXITING.
  func cgroup(of candidate: GuardCandidate) -> UnsafeRawBufferPointer? {
    guard let directory = directory(candidate.pid) else { return nil }
    defer { close(directory) }
    let group = readField(openat(directory, "cgroup", O_RDONLY | O_CLOEXEC))
    var now = GuardCandidate()
    guard let stat = read(directory, at: "stat"), takeStat(stat, &now), !GuardFiles.isExiting(stat),
      now.startTimeTicks == candidate.startTimeTicks
    else { return nil }
    return group.flatMap(GuardFiles.memoryGroup)
  }

  /// By the kernel's flags of it, field 9. Kernel: include/linux/sched.h, PF_EXITING.
  private static func isExiting(_ stat: UnsafeRawBufferPointer) -> Bool {
    afterName(stat).flatMap { word(6, of: $0) }.map { $0 & 4 != 0 } ?? true
  }

  /// Numbered as in proc(5), where the state after the name is field 3; here it is word 0. File: /proc/PID/stat.
  private static func afterName(_ stat: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    stat.lastIndex(of: UInt8(ascii: ")")).map { stat[($0 + 1)...] }
  }

  /// Its process group; nil where it is gone.
  func processGroup(_ pid: Int32) -> Int32? {
    var candidate = GuardCandidate()
    guard let stat = read(pid, "stat"), takeStat(stat, &candidate) else { return nil }
    return candidate.processGroup
  }

  private func takeStat(_ stat: UnsafeRawBufferPointer, _ candidate: inout GuardCandidate) -> Bool {
    guard let rest = GuardFiles.afterName(stat), let ppid = GuardFiles.word(1, of: rest),
      let group = GuardFiles.word(2, of: rest),
      let threads = GuardFiles.word(17, of: rest), let start = GuardFiles.word(19, of: rest),
      let bytes = GuardFiles.word(20, of: rest)
    else { return false }
    candidate.ppid = Int32(clamping: ppid)
    candidate.processGroup = Int32(clamping: group)
    candidate.threads = Int32(clamping: threads)
    candidate.startTimeTicks = UInt64(clamping: start)
    candidate.totalVMPages = bytes >> (pageShift + 10)
    return true
  }

  /// The directory of a process, to be closed by the caller; nil where it is gone.
  func directory(_ pid: Int32) -> Int32? {
    let start = putPath(pid, "")
    let descriptor = openat(root, start, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }

  /// A field of a process for a pattern; nil where it has none. Valid until the next call.
  ///
  /// The command line is read with the process's mmap lock held, which one that thrashes may keep: a pattern on it can wait.
  /// Kernel: fs/proc/base.c, get_mm_cmdline().
  func field(_ field: GuardField, of pid: Int32) -> UnsafeRawBufferPointer? {
    switch field {
    case .comm: return readField(pid, "comm").map { GuardFiles.trimmed($0, last: 0x0a) }
    case .exe: return link(pid)
    case .cmdline: return commandLine(pid)
    case .cgroup: return cgroup(pid)
    case .unit: return cgroup(pid).flatMap(GuardFiles.unit)
    case .container: return cgroup(pid).flatMap(GuardFiles.container)
    }
  }

  private func commandLine(_ pid: Int32) -> UnsafeRawBufferPointer? {
    guard let line = readField(pid, "cmdline") else { return nil }
    let trimmed = GuardFiles.trimmed(line, last: 0)
    for index in 0..<trimmed.count where fieldText[index] == 0 { fieldText[index] = 0x20 }
    return trimmed
  }

  private func link(_ pid: Int32) -> UnsafeRawBufferPointer? {
    let start = putPath(pid, "exe")
    let count = readlinkat(
      root, start, fieldText.baseAddress!.assumingMemoryBound(to: CChar.self), fieldText.count)
    return count > 0 ? UnsafeRawBufferPointer(rebasing: fieldText[..<count]) : nil
  }

  /// The path of its memory group: of the line that names the controller, else of hierarchy 0.
  private func cgroup(_ pid: Int32) -> UnsafeRawBufferPointer? {
    guard let text = readField(pid, "cgroup") else { return nil }
    return GuardFiles.memoryGroup(text)
  }

  private func readField(_ pid: Int32, _ file: StaticString) -> UnsafeRawBufferPointer? {
    readField(openat(root, putPath(pid, file), O_RDONLY | O_CLOEXEC))
  }

  private func readField(_ descriptor: Int32) -> UnsafeRawBufferPointer? {
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let count = Glibc.read(descriptor, fieldText.baseAddress, fieldText.count)
    return count > 0 ? UnsafeRawBufferPointer(rebasing: fieldText[..<count]) : nil
  }

  private func read(_ pid: Int32, _ file: StaticString) -> UnsafeRawBufferPointer? {
    readOpened(openat(root, putPath(pid, file), O_RDONLY | O_CLOEXEC))
  }

  private func read(_ directory: Int32, at file: StaticString) -> UnsafeRawBufferPointer? {
    let name = UnsafeRawPointer(file.utf8Start).assumingMemoryBound(to: CChar.self)
    return readOpened(openat(directory, name, O_RDONLY | O_CLOEXEC))
  }

  private func readOpened(_ descriptor: Int32) -> UnsafeRawBufferPointer? {
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let count = Glibc.read(descriptor, text.baseAddress, text.count)
    return count > 0 ? UnsafeRawBufferPointer(rebasing: text[..<count]) : nil
  }

  /// - Parameter file: at most `nameBytesMax` characters with its NUL; empty: the directory.
  private func putPath(_ pid: Int32, _ file: StaticString) -> UnsafePointer<CChar> {
    var start = GuardFiles.nameOffset - 1
    path[start] = file.utf8CodeUnitCount == 0 ? 0 : 0x2f
    var rest = max(0, pid)
    repeat {
      start -= 1
      path[start] = CChar(0x30 + rest % 10)
      rest /= 10
    } while rest > 0
    memcpy(path.baseAddress! + GuardFiles.nameOffset, file.utf8Start, file.utf8CodeUnitCount + 1)
    return UnsafePointer(path.baseAddress! + start)
  }
}
