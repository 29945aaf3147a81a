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
  private let programs: TaskPrograms
  private let link: Int32
  private let buffer: UnsafeMutableRawBufferPointer

  /// - Throws: `ProbeError.open` or `.iterator` where the kernel refuses.
  package init() throws(ProbeError) {
    self = try KernelSymbols.castingFirst { casts throws(ProbeError) in try TaskIterator(casts: casts) }
  }

  private init(casts: Bool) throws(ProbeError) {
    let programs = try TaskPrograms(casts: casts)
    let link = bpf_link_create(programs.snapshotDescriptor, 0, BPF_TRACE_ITER, nil)
    guard link >= 0 else { throw .iterator(errno: -link) }
    self.programs = programs
    self.link = link
    buffer = .allocate(byteCount: TaskIterator.bufferBytes, alignment: 8)
  }

  deinit {
    close(link)
    buffer.deallocate()
  }

  /// Calls `body` for each process; kernel threads are `skipped` as such.
  ///
  /// - Throws: `ProbeError.iterator` where the kernel will not read any more.
  package func forEach(_ body: (ProcessSnapshot) -> Void) throws(ProbeError) {
    let descriptor = bpf_iter_create(link)
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
  init(_ task: ow_task) {
    self.init(
      pid: task.pid, tid: task.tid, uid: task.uid, oomScoreAdj: Int(task.oom_score_adj),
      startBootNanoseconds: Int64(bitPattern: task.start_boottime_ns),
      cgroup: task.cgroup == 0 ? nil : CgroupRef(id: task.cgroup), parts: BadnessParts(task.memory),
      comm: Comm(tuple: task.comm), skipped: SkipReason(flags: task.flags, oomScoreAdj: task.oom_score_adj))
    memoryID = task.mm == 0 ? nil : task.mm
  }
}
