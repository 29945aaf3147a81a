// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// Which kernel functions can be traced: by BTF for fentry, by name for kprobes.
///
/// GCC may inline or split a function, so its presence is asked and never concluded from a version.
/// File: /sys/kernel/btf/vmlinux, /proc/kallsyms.
package struct KernelSymbols: Sendable {
  /// Functions of interest that kallsyms lists, `oom_badness.part.0` among them.
  package let listed: Set<String>
  /// Where the code of those lies, for return addresses; absent where the kernel hides addresses (kptr_restrict).
  package let code: [String: Range<UInt64>]
  /// Functions of interest that BTF describes.
  package let described: Set<String>
  /// Whether this kernel describes its types at all: without it no program can be placed.
  package let hasBTF: Bool

  /// Makes what holds programs, with casts to kernel types where this kernel has them and takes them: its JIT may be off.
  ///
  /// - Parameter make: is told whether to cast; source: bpf/read.h, `may_cast`.
  func casting<Programs: ~Copyable>(
    _ make: (Bool) throws(ProbeError) -> Programs
  ) throws(ProbeError) -> Programs {
    described.contains(KernelSymbols.cast) ? try KernelSymbols.castingFirst(make) : try make(false)
  }

  /// With casts, and where the kernel refuses that without.
  static func castingFirst<Programs: ~Copyable>(
    _ make: (Bool) throws(ProbeError) -> Programs
  ) throws(ProbeError) -> Programs {
    do throws(ProbeError) {
      return try make(true)
    } catch {
      return try make(false)
    }
  }

  private static let cast = "bpf_rdonly_cast"

  package init(interesting: [String], kallsymsPath: String = "/proc/kallsyms") {
    var listed: Set<String> = []
    var code: [String: Range<UInt64>] = [:]
    var open: (name: String, start: UInt64)?
    let wanted = Set(interesting + [KernelSymbols.cast])
    if let file = fopen(kallsymsPath, "re") {
      defer { fclose(file) }
      var line: UnsafeMutablePointer<CChar>?
      var capacity = 0
      defer { free(line) }
      while getline(&line, &capacity, file) > 0, let line {
        // "ffffffff81000000 T name\n"; a module's symbols end in "\t[module]".
        guard let blank = strrchr(line, 0x20), let end = strpbrk(blank, "\t\n") else { continue }
        end.pointee = 0
        // The list is sorted: a function ends where the next symbol begins.
        let address = UInt64(strtoull(line, nil, 16))
        if let (name, start) = open, address > start {
          code[name] = start..<address
          open = nil
        }
        let name = String(cString: blank + 1)
        guard wanted.contains(name) else { continue }
        listed.insert(name)
        if address != 0 { open = (name, address) }
      }
    }
    self.listed = listed
    self.code = code
    guard let btf = btf__load_vmlinux_btf() else {
      described = []
      hasBTF = false
      return
    }
    defer { btf__free(btf) }
    hasBTF = true
    let functionKind: UInt32 = 12  // BTF_KIND_FUNC is both an enum and a macro, so Swift cannot choose
    described = wanted.filter { btf__find_by_name_kind(btf, $0, functionKind) > 0 }
  }
}
