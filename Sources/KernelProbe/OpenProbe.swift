// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Events
import Glibc

/// The embedded BPF object, opened and not yet in the kernel: the phase in which its constants and sizes are set.
///
/// Source: libbpf, bpf_object__open_skeleton(); bpf/oomwitness.bpf.c.
package struct OpenProbe: ~Copyable {
  private let object: SkeletonOwner
  private let rung: ProbeRung
  private let log = VerifierLog()
  private let symbols: KernelSymbols

  /// Opens the object for one rung.
  ///
  /// - Throws: `ProbeError.open`.
  package init(
    rung: ProbeRung, settings: ProbeSettings, symbols: KernelSymbols, casts: Bool
  ) throws(ProbeError) {
    libbpf_set_print(nil)
    var options = bpf_object_open_opts()
    options.sz = MemoryLayout<bpf_object_open_opts>.size
    options.kernel_log_buf = log.buffer.baseAddress
    options.kernel_log_size = log.buffer.count
    options.kernel_log_level = 0
    let skeleton = OpenProbe.kernelTypesPath.withCString { path in
      options.btf_custom_path = path
      return oomwitness__open_opts(&options)
    }
    guard let skeleton else { throw .open(errno: errno) }
    object = SkeletonOwner(skeleton)
    if !casts { OpenProbe.lookInModules(for: skeleton.pointee.progs.on_mark_victim) }
    self.rung = rung
    self.symbols = symbols
    skeleton.pointee.rodata.pointee.page_shift = UInt32(getpagesize().trailingZeroBitCount)
    skeleton.pointee.rodata.pointee.cpu_count = UInt32(max(1, libbpf_num_possible_cpus()))
    skeleton.pointee.rodata.pointee.may_cast = casts
    skeleton.pointee.rodata.pointee.tracepoint_alone = rung == .tracepoint
    settings.apply(to: skeleton)
    func code(_ function: String) -> (UInt64, UInt64) {
      symbols.code[function].map { ($0.lowerBound, $0.upperBound) } ?? (0, 0)
    }
    skeleton.pointee.rodata.pointee.out_of_memory_code = code("out_of_memory")
    skeleton.pointee.rodata.pointee.memcg_oom_code = code("mem_cgroup_out_of_memory")
    skeleton.pointee.rodata.pointee.sysrq_oom_code = code("moom_callback")
  }

  /// Named, so that libbpf before 1.3 does not look for our types in modules too, which takes CAP_SYS_ADMIN.
  static let kernelTypesPath = "/sys/kernel/btf/vmlinux"

  /// Makes libbpf look now where it else would during the load, and fail.
  ///
  /// A function that an object names and the kernel lacks, as bpf_rdonly_cast() before 6.2, is looked for in all modules,
  /// which takes CAP_SYS_ADMIN; without, libbpf before 1.3 gives up the load. It looks once for an object, so it is sent for
  /// a target that nothing has. Source: libbpf, load_module_btfs(), bpf_program__set_attach_target().
  static func lookInModules(for program: OpaquePointer?) { bpf_program__set_attach_target(program, 0, " ") }

  /// Loads the rung's programs, attaches them, and hands the skeleton over.
  ///
  /// - Throws: `ProbeError.load` where the kernel refuses them, `.attach` where a program that must be there is not,
  ///   `.ring`.
  package consuming func attach() throws(ProbeError) -> AttachedProbe {
    let programs = RungPrograms(rung: rung, skeleton: object.skeleton, symbols: symbols)
    programs.selectForLoading()
    let status = oomwitness__load(object.skeleton)
    guard status == 0 else { throw .load(rung: rung, errno: -status, log: log.lastLines(3)) }
    return try AttachedProbe(object: object, rung: rung, programs: programs)
  }
}

/// Owns the object in both phases; unloads it when the last phase goes.
final class SkeletonOwner {
  let skeleton: UnsafeMutablePointer<CProbe.oomwitness>

  init(_ skeleton: UnsafeMutablePointer<CProbe.oomwitness>) { self.skeleton = skeleton }
  deinit { oomwitness__destroy(skeleton) }
}

/// Where the kernel writes why it refused a program.
///
/// The kernel refuses with ENOSPC where its whole reasoning does not fit; the pages are touched only by a refusal.
final class VerifierLog {
  private static let bytes = 64 * 1024 * 1024
  let buffer: UnsafeMutableBufferPointer<CChar>

  init() {
    let memory = calloc(1, VerifierLog.bytes)
    buffer = UnsafeMutableBufferPointer(
      start: memory?.assumingMemoryBound(to: CChar.self), count: memory == nil ? 0 : VerifierLog.bytes)
  }
  deinit { free(buffer.baseAddress) }

  /// The last lines with anything in them, without the verifier's counts of its own work.
  func lastLines(_ count: Int) -> [String] {
    guard let start = buffer.baseAddress else { return [] }
    let length = strnlen(start, buffer.count)
    let tail = UnsafeRawBufferPointer(start: start + max(0, length - 4096), count: min(length, 4096))
    let text = String(decoding: tail, as: UTF8.self)
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("processed ") && !$0.hasPrefix("verification time") }
    return lines.suffix(count).map(String.init)
  }
}
