// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// Tells each program that is started, as it starts.
///
/// Detaches and unloads when it goes. Kernel: fs/exec.c, trace_sched_process_exec(). Source: bpf/exec.bpf.c.
package final class ExecProbe {
  /// One execve(2) that came to its end.
  package struct Exec: Hashable, Sendable {
    package var pid: Int32
    /// When the process was forked, not when it ran the program.
    package var startBootNanoseconds: UInt64
    package var comm: Comm
  }

  private let skeleton: UnsafeMutablePointer<CProbe.exec>
  private let link: OpaquePointer
  private let ring: OpaquePointer
  private let receiver = RingReceiver()

  /// - Throws: `ProbeError.open`, `.load`, `.attach` or `.ring` where the kernel refuses.
  package init() throws(ProbeError) {
    libbpf_set_print(nil)
    var options = bpf_object_open_opts()
    options.sz = MemoryLayout<bpf_object_open_opts>.size
    let opened = OpenProbe.kernelTypesPath.withCString { path in
      options.btf_custom_path = path
      return exec__open_opts(&options)
    }
    guard let opened else { throw .open(errno: errno) }
    let status = exec__load(opened)
    guard status == 0 else {
      exec__destroy(opened)
      throw .load(rung: .tracepoint, errno: -status, log: [])
    }
    guard let link = bpf_program__attach(opened.pointee.progs.on_sched_process_exec) else {
      let number = errno
      exec__destroy(opened)
      throw .attach(program: "raw_tp:sched_process_exec", errno: number)
    }
    let descriptor = bpf_map__fd(opened.pointee.maps.execs)
    guard let ring = ring_buffer__new(descriptor, RingReceiver.callback, receiver.context, nil) else {
      let number = errno
      bpf_link__destroy(link)
      exec__destroy(opened)
      throw .ring(errno: number)
    }
    skeleton = opened
    self.link = link
    self.ring = ring
  }

  deinit {
    ring_buffer__free(ring)
    bpf_link__destroy(link)
    exec__destroy(skeleton)
  }

  /// Readable when records wait. Source: libbpf, ring_buffer__epoll_fd().
  package var descriptor: Int32 { ring_buffer__epoll_fd(ring) }

  /// How many found no room since the start.
  package var lost: UInt64 { skeleton.pointee.bss.pointee.lost_execs }

  /// Takes all that wait now, oldest first.
  package func consume(_ body: (Exec) -> Void) {
    withoutActuallyEscaping(body) { body in
      receiver.body = { bytes in
        guard bytes.count >= MemoryLayout<ow_exec>.size else { return }
        let record = bytes.loadUnaligned(as: ow_exec.self)
        body(Exec(pid: record.pid, startBootNanoseconds: record.start_boottime_ns, comm: Comm(tuple: record.comm)))
      }
      _ = ring_buffer__consume(ring)
      receiver.body = nil
    }
  }
}
