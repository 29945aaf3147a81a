// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Glibc

/// The programs of bpf/tasks.bpf.c in the kernel, by one of two loaders; unloaded when this goes.
///
/// The light one runs in the kernel (BPF_PROG_TYPE_SYSCALL, and CO-RE there: since 5.17) and takes 5 ms. libbpf's reads
/// the 5 MB of the kernel's types twice and takes 30 ms; it is for kernels that refuse the other.
struct TaskPrograms: ~Copyable {
  private let light: UnsafeMutablePointer<tasks_light>?
  private let full: UnsafeMutablePointer<tasks>?
  /// Of the program that the iterator runs for each task.
  let snapshotDescriptor: Int32

  /// - Throws: `ProbeError.open` or `.iterator` where the kernel refuses both.
  init(casts: Bool) throws(ProbeError) {
    let offsetsDescriptor: Int32
    if let light = TaskPrograms.light(casts: casts) {
      (self.light, full) = (light, nil)
      snapshotDescriptor = light.pointee.progs.snapshot.prog_fd
      offsetsDescriptor = light.pointee.progs.find_offsets.prog_fd
    } else {
      let full = try TaskPrograms.full(casts: casts)
      (light, self.full) = (nil, full)
      snapshotDescriptor = bpf_program__fd(full.pointee.progs.snapshot)
      offsetsDescriptor = bpf_program__fd(full.pointee.progs.find_offsets)
    }
    // Where the kernel does not tell them, the sums lack what the CPUs keep for themselves.
    if TaskConstants.kernelScoresExactly { _ = TaskConstants.run(offsetsDescriptor) }
  }

  deinit {
    if let light { tasks_light__destroy(light) }
    if let full { tasks__destroy(full) }
  }

  private static func light(casts: Bool) -> UnsafeMutablePointer<tasks_light>? {
    guard let skeleton = tasks_light__open() else { return nil }
    skeleton.pointee.rodata.pointee.page_shift = TaskConstants.pageShift
    skeleton.pointee.rodata.pointee.cpu_count = TaskConstants.cpuCount
    skeleton.pointee.rodata.pointee.reads_exactly = TaskConstants.kernelScoresExactly
    skeleton.pointee.rodata.pointee.may_cast = casts
    guard tasks_light__load(skeleton) == 0 else {
      tasks_light__destroy(skeleton)
      return nil
    }
    return skeleton
  }

  private static func full(casts: Bool) throws(ProbeError) -> UnsafeMutablePointer<tasks> {
    libbpf_set_print(nil)
    var options = bpf_object_open_opts()
    options.sz = MemoryLayout<bpf_object_open_opts>.size
    let opened = OpenProbe.kernelTypesPath.withCString { path in
      options.btf_custom_path = path
      return tasks__open_opts(&options)
    }
    guard let skeleton = opened else { throw .open(errno: errno) }
    if !casts { OpenProbe.lookInModules(for: skeleton.pointee.progs.snapshot) }
    skeleton.pointee.rodata.pointee.page_shift = TaskConstants.pageShift
    skeleton.pointee.rodata.pointee.cpu_count = TaskConstants.cpuCount
    skeleton.pointee.rodata.pointee.reads_exactly = TaskConstants.kernelScoresExactly
    skeleton.pointee.rodata.pointee.may_cast = casts
    // Kernels before 5.14 know no such program, and do not need it.
    bpf_program__set_autoload(skeleton.pointee.progs.find_offsets, TaskConstants.kernelScoresExactly)
    let status = tasks__load(skeleton)
    guard status == 0 else {
      tasks__destroy(skeleton)
      throw .iterator(errno: -status)
    }
    return skeleton
  }
}

/// What the programs that read all processes are told of this host.
enum TaskConstants {
  static var pageShift: UInt32 { UInt32(getpagesize().trailingZeroBitCount) }
  static var cpuCount: UInt32 { UInt32(max(1, libbpf_num_possible_cpus())) }

  /// Whether oom_badness() takes exact sums. No type of the kernel's tells it, so its version has to: who is wrong is wrong
  /// by what each CPU keeps of a counter for itself.
  ///
  /// Kernel: mm/oom_kill.c, get_mm_rss_sum() since 7.0. Source: uname(2).
  static let kernelScoresExactly: Bool = {
    var names = utsname()
    guard uname(&names) == 0 else { return false }
    return withUnsafeBytes(of: names.release) { release in
      (Int(String(decoding: release.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)) ?? 0) >= 7
    }
  }()

  /// Runs a program once, in our own context.
  ///
  /// - Returns: 0, or a negative errno.
  static func run(_ program: Int32) -> Int32 {
    var run = bpf_test_run_opts()
    run.sz = MemoryLayout<bpf_test_run_opts>.size
    return bpf_prog_test_run_opts(program, &run)
  }
}
