// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// Reads all processes through a BPF task iterator, many times faster than /proc does.
///
/// Kernel: kernel/bpf/task_iter.c. Source: bpf/tasks.bpf.c.
package struct TaskIterator: ~Copyable {
  private static let bufferBytes = 64 * 1024
  private let skeleton: UnsafeMutablePointer<CProbe.tasks>
  private let link: OpaquePointer
  private let buffer: UnsafeMutableRawBufferPointer

  /// - Throws: `ProbeError.open`, `.load` or `.iterator` where the kernel refuses.
  package init() throws(ProbeError) {
    self = try KernelSymbols.castingFirst { casts throws(ProbeError) in try TaskIterator(casts: casts) }
  }

  private init(casts: Bool) throws(ProbeError) {
    libbpf_set_print(nil)
    var options = bpf_object_open_opts()
    options.sz = MemoryLayout<bpf_object_open_opts>.size
    let skeleton = OpenProbe.kernelTypesPath.withCString { path in
      options.btf_custom_path = path
      return tasks__open_opts(&options)
    }
    guard let skeleton else { throw .open(errno: errno) }
    skeleton.pointee.rodata.pointee.page_shift = UInt32(getpagesize().trailingZeroBitCount)
    skeleton.pointee.rodata.pointee.cpu_count = UInt32(max(1, libbpf_num_possible_cpus()))
    skeleton.pointee.rodata.pointee.reads_exactly = TaskIterator.kernelScoresExactly
    skeleton.pointee.rodata.pointee.may_cast = casts
    let status = tasks__load(skeleton)
    guard status == 0 else {
      tasks__destroy(skeleton)
      throw .iterator(errno: -status)
    }
    guard let link = bpf_program__attach_iter(skeleton.pointee.progs.snapshot, nil) else {
      let number = errno
      tasks__destroy(skeleton)
      throw .iterator(errno: number)
    }
    self.skeleton = skeleton
    self.link = link
    buffer = .allocate(byteCount: TaskIterator.bufferBytes, alignment: 8)
  }

  /// Whether oom_badness() takes exact sums. No type of the kernel's tells it, so its version has to: who is wrong is wrong
  /// by what each CPU keeps of a counter for itself.
  ///
  /// Kernel: mm/oom_kill.c, get_mm_rss_sum() since 7.0. Source: uname(2).
  private static var kernelScoresExactly: Bool {
    var names = utsname()
    guard uname(&names) == 0 else { return false }
    return withUnsafeBytes(of: names.release) { release in
      (Int(String(decoding: release.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)) ?? 0) >= 7
    }
  }

  deinit {
    bpf_link__destroy(link)
    tasks__destroy(skeleton)
    buffer.deallocate()
  }

  /// Calls `body` for each user process.
  ///
  /// - Throws: `ProbeError.iterator` where the kernel will not read any more.
  package func forEach(_ body: (ProcessSnapshot) -> Void) throws(ProbeError) {
    let descriptor = bpf_iter_create(bpf_link__fd(link))
    guard descriptor >= 0 else { throw .iterator(errno: -descriptor) }
    defer { close(descriptor) }
    let stride = MemoryLayout<ow_task>.stride
    var held = 0
    while true {
      let count = read(descriptor, buffer.baseAddress! + held, buffer.count - held)
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count >= 0 else { throw .iterator(errno: errno) }
      guard count > 0 else { return }
      held += count
      var offset = 0
      while held - offset >= stride {
        body(ProcessSnapshot(buffer.loadUnaligned(fromByteOffset: offset, as: ow_task.self)))
        offset += stride
      }
      held -= offset
      if held > 0 { memmove(buffer.baseAddress!, buffer.baseAddress! + offset, held) }
    }
  }
}

extension ProcessSnapshot {
  fileprivate init(_ task: ow_task) {
    self.init(
      pid: task.pid, tid: task.tid, uid: task.uid, oomScoreAdj: Int(task.oom_score_adj),
      startBootNanoseconds: Int64(bitPattern: task.start_boottime_ns),
      cgroup: task.cgroup == 0 ? nil : CgroupRef(id: task.cgroup), parts: BadnessParts(task.memory),
      comm: Comm(tuple: task.comm), skipped: SkipReason(flags: task.flags, oomScoreAdj: task.oom_score_adj))
    memoryID = task.mm == 0 ? nil : task.mm
  }
}
