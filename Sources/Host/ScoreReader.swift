// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc

/// Reads of all processes what the kernel's scorer looks at, where BPF may not: two files each, into one buffer.
///
/// The files are scanned where they lie, and a process that ends meanwhile is left out. Not for two threads at once.
/// File: /proc/PID/status, oom_score_adj, cgroup. Kernel: fs/proc/task_mmu.c, task_mem().
package final class ScoreReader {
  private let root: Directory
  private let pageShift: Int64
  private let buffer: UnsafeMutableRawBufferPointer
  /// `PID/name` and a NUL; names begin at `nameOffset`, and pids end before it.
  private let path: UnsafeMutableBufferPointer<CChar>
  private var groups: [[UInt8]: CgroupRef] = [:]

  /// Room for status with a long list of groups; more of a file is not looked at.
  private static let bufferBytes = 64 * 1024

  /// File: /proc.
  package init(root: String = "/proc", pageSizeBytes: Int = HostIdentity.pageSizeBytes) throws(HostError) {
    self.root = try Directory(path: root)
    pageShift = Int64(pageSizeBytes.trailingZeroBitCount) - 10
    buffer = .allocate(byteCount: ScoreReader.bufferBytes, alignment: 16)
    path = .allocate(capacity: ScoreReader.nameOffset + ScoreReader.nameBytesMax)
  }

  deinit {
    buffer.deallocate()
    path.deallocate()
  }

  /// Calls `body` for each user process, in the order of their pids.
  ///
  /// Parts are whole pages of the kB that status shows: since 6.17 the exact sums, before what the scorer itself reads.
  ///
  /// - Parameters:
  ///   - groups: whether their control groups are wanted, which is a file more for each.
  ///   - kernelThreads: whether they are wanted too, `skipped` as such.
  package func forEach(
    groups: Bool = true, kernelThreads: Bool = false, _ body: (ProcessSnapshot) -> Void
  ) throws(HostError) {
    for pid in try root.numericNames().sorted() {
      if let process = process(pid: pid, group: groups, kernelThreads: kernelThreads) { body(process) }
    }
  }

  /// Nil where it is gone, or a kernel thread and those are not wanted.
  ///
  /// File: /proc/PID/status, oom_score_adj, cgroup.
  package func process(pid: Int32, group: Bool = true, kernelThreads: Bool = false) -> ProcessSnapshot? {
    guard let status = read(pid, "status"), let fields = StatusFields(status),
      kernelThreads || !fields.isKernelThread
    else { return nil }
    guard let adjText = read(pid, "oom_score_adj"), let adj = number(adjText) else { return nil }
    let parts = BadnessParts(
      anonPages: fields.anon >> pageShift, filePages: fields.file >> pageShift, shmemPages: fields.shmem >> pageShift,
      swapPages: fields.swap >> pageShift, pgtablePages: fields.pgtable >> pageShift)
    let skipped: SkipReason? =
      fields.isKernelThread
      ? .kernelThread : pid == 1 ? .globalInit : !fields.hasMemory ? .noMemory : adj == -1000 ? .oomScoreAdjMin : nil
    return ProcessSnapshot(
      pid: pid, tid: pid, uid: fields.uid, oomScoreAdj: Int(adj), startBootNanoseconds: nil,
      cgroup: group ? cgroup(pid: pid) : nil, parts: parts, comm: fields.comm, skipped: skipped)
  }

  /// Its memory group; nil where the process is gone.
  ///
  /// File: /proc/PID/cgroup.
  package func cgroup(pid: Int32) -> CgroupRef? { read(pid, "cgroup").flatMap(cgroup) }

  /// What /proc/PID/oom_score shows; nil where the process is gone.
  ///
  /// File: /proc/PID/oom_score. Kernel: fs/proc/base.c, proc_oom_score().
  package func oomScore(pid: Int32) -> Int? { read(pid, "oom_score").flatMap(number).map(Int.init) }

  private static let nameOffset = 16
  private static let nameBytesMax = 32

  /// - Parameter file: at most `nameBytesMax` characters with its NUL.
  private func read(_ pid: Int32, _ file: StaticString) -> UnsafeRawBufferPointer? {
    var start = ScoreReader.nameOffset - 1
    path[start] = 0x2f
    var rest = pid
    repeat {
      start -= 1
      path[start] = CChar(0x30 + rest % 10)
      rest /= 10
    } while rest > 0
    memcpy(path.baseAddress! + ScoreReader.nameOffset, file.utf8Start, file.utf8CodeUnitCount + 1)
    let descriptor = openat(root.descriptor, path.baseAddress! + start, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    guard count > 0 else { return nil }
    return UnsafeRawBufferPointer(start: buffer.baseAddress, count: count)
  }

  private func number(_ text: UnsafeRawBufferPointer) -> Int64? {
    var text = text[...]
    if text.last == 0x0a { text = text.dropLast() }
    let isNegative = text.first == 0x2d
    guard let number: Int64 = Decimal.unsigned(isNegative ? text.dropFirst() : text) else { return nil }
    return isNegative ? -number : number
  }

  /// The memory group's path: of the line that names the controller, else of hierarchy 0.
  private func cgroup(_ text: UnsafeRawBufferPointer) -> CgroupRef? {
    var unified: Slice<UnsafeRawBufferPointer>?
    var rest = text[...]
    while !rest.isEmpty {
      let line = rest.prefix { $0 != 0x0a }
      rest = rest[line.endIndex...].dropFirst()
      guard let first = line.firstIndex(of: 0x3a), let second = line[(first + 1)...].firstIndex(of: 0x3a) else {
        continue
      }
      let controllers = line[(first + 1)..<second]
      let path = line[(second + 1)...]
      if controllers.isEmpty, line.first == 0x30 {
        unified = path
      } else if controllers.split(separator: 0x2c).contains(where: { $0.elementsEqual("memory".utf8) }) {
        return reference(path, version: 1)
      }
    }
    return unified.map { reference($0, version: 2) }
  }

  /// One object for each group: thousands of processes are in a few.
  private func reference(_ path: Slice<UnsafeRawBufferPointer>, version: Int) -> CgroupRef {
    let bytes = Array(path)
    if let known = groups[bytes] { return known }
    if groups.count >= ScoreReader.groupsMax { groups.removeAll(keepingCapacity: true) }
    let reference = CgroupRef(path: KernelName(bytes: Array(bytes[...].droppingDeletedMark)), version: version)
    groups[bytes] = reference
    return reference
  }

  private static let groupsMax = 4096
}

/// The fields of status that a score needs, in kB where they are sizes.
///
/// Kernel: fs/proc/array.c, proc_pid_status(); newlines in the name are escaped, so no name can forge a line.
struct StatusFields {
  var comm = Comm(low: 0, high: 0)
  var uid: UInt32 = 0
  var anon: Int64 = 0
  var file: Int64 = 0
  var shmem: Int64 = 0
  var swap: Int64 = 0
  var pgtable: Int64 = 0
  var hasMemory = false
  var isKernelThread = false

  init?(_ text: UnsafeRawBufferPointer) {
    var offset = 0
    var isDead = false
    while offset < text.count {
      let rest = UnsafeRawBufferPointer(rebasing: text[offset...])
      let length = memchr(rest.baseAddress!, 0x0a, rest.count).map { rest.baseAddress!.distance(to: $0) } ?? rest.count
      take(UnsafeRawBufferPointer(rebasing: rest[..<length]), &isDead)
      offset += length + 1
    }
    // A kernel thread has no memory and is no corpse.
    isKernelThread = isKernelThread || (!hasMemory && !isDead)
  }

  private mutating func take(_ line: UnsafeRawBufferPointer, _ isDead: inout Bool) {
    guard line.count > 6 else { return }
    switch line[0] {
    case 0x4e where StatusFields.begins(line, "Name:\t"): comm = StatusFields.name(line[6...])
    case 0x53 where StatusFields.begins(line, "State:\t"): isDead = line[7] == 0x5a || line[7] == 0x58
    case 0x55 where StatusFields.begins(line, "Uid:\t"): uid = UInt32(clamping: StatusFields.number(line, word: 1))
    case 0x4b where StatusFields.begins(line, "Kthread:\t"): isKernelThread = line[9] == 0x31
    case 0x52 where StatusFields.begins(line, "RssAnon:"):
      hasMemory = true
      anon = StatusFields.number(line, word: 0)
    case 0x52 where StatusFields.begins(line, "RssFile:"): file = StatusFields.number(line, word: 0)
    case 0x52 where StatusFields.begins(line, "RssShmem:"): shmem = StatusFields.number(line, word: 0)
    case 0x56 where StatusFields.begins(line, "VmSwap:"): swap = StatusFields.number(line, word: 0)
    case 0x56 where StatusFields.begins(line, "VmPTE:"): pgtable = StatusFields.number(line, word: 0)
    default: break
    }
  }

  private static func begins(_ line: UnsafeRawBufferPointer, _ key: StaticString) -> Bool {
    line.count >= key.utf8CodeUnitCount && memcmp(line.baseAddress!, key.utf8Start, key.utf8CodeUnitCount) == 0
  }

  /// The number that is the `word`th after the colon, from 0.
  private static func number(_ line: UnsafeRawBufferPointer, word: Int) -> Int64 {
    var index = 0
    while index < line.count, line[index] != 0x3a { index += 1 }
    var word = word
    var number: Int64 = 0
    var isInside = false
    index += 1
    while index < line.count {
      let digit = line[index]
      if digit >= 0x30, digit <= 0x39 {
        number = (isInside ? number &* 10 : 0) &+ Int64(digit - 0x30)
        isInside = true
      } else if isInside {
        if word == 0 { return number }
        word -= 1
        isInside = false
      }
      index += 1
    }
    return number
  }

  /// Up to 15 bytes, with the kernel's `\\n` and `\\\\` undone. Kernel: fs/proc/array.c, proc_task_name().
  private static func name(_ text: Slice<UnsafeRawBufferPointer>) -> Comm {
    var bytes: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &bytes) { bytes in
      var count = 0
      var isEscaped = false
      for byte in text where count < 15 {
        if byte == 0x5c, !isEscaped {
          isEscaped = true
          continue
        }
        bytes[count] = isEscaped && byte == 0x6e ? 0x0a : byte
        isEscaped = false
        count += 1
      }
    }
    return Comm(low: bytes.0, high: bytes.1)
  }
}
