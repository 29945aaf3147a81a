// SPDX-License-Identifier: Apache-2.0

/// Names the bits of a gfp mask as the kernel's own report does: the widest set that fits first, then what is left.
///
/// The bits have kept their places from 5.8 to 7.x but for 0x200, which was __GFP_ATOMIC before 6.4 and has no name since.
/// Kernel: include/trace/events/mmflags.h, __def_gfpflag_names; include/linux/gfp_types.h.
package enum GFPFlags {
  private static let reclaim: UInt32 = 0x400 | 0x800
  private static let io: UInt32 = 0x40
  private static let fs: UInt32 = 0x80
  private static let kernel = reclaim | io | fs
  private static let user = kernel | 0x10_0000
  private static let highuserMovable = user | 0x2 | 0x8
  private static let transhugeLight = (highuserMovable | 0x4_0000 | 0x8_0000 | 0x2000) & ~reclaim

  private static let names: [(UInt32, String)] = [
    (transhugeLight | 0x400, "GFP_TRANSHUGE"), (transhugeLight, "GFP_TRANSHUGE_LIGHT"),
    (highuserMovable, "GFP_HIGHUSER_MOVABLE"), (user | 0x2, "GFP_HIGHUSER"), (user, "GFP_USER"),
    (kernel | 0x40_0000, "GFP_KERNEL_ACCOUNT"), (kernel, "GFP_KERNEL"), (reclaim | io, "GFP_NOFS"),
    (0x20 | 0x800, "GFP_ATOMIC"), (reclaim, "GFP_NOIO"), (0x800 | 0x2000, "GFP_NOWAIT"), (0x1, "GFP_DMA"),
    (0x2, "__GFP_HIGHMEM"), (0x4, "GFP_DMA32"), (0x20, "__GFP_HIGH"), (io, "__GFP_IO"), (fs, "__GFP_FS"),
    (0x2000, "__GFP_NOWARN"), (0x4000, "__GFP_RETRY_MAYFAIL"), (0x8000, "__GFP_NOFAIL"), (0x1_0000, "__GFP_NORETRY"),
    (0x4_0000, "__GFP_COMP"), (0x100, "__GFP_ZERO"), (0x8_0000, "__GFP_NOMEMALLOC"), (0x2_0000, "__GFP_MEMALLOC"),
    (0x10_0000, "__GFP_HARDWALL"), (0x20_0000, "__GFP_THISNODE"), (0x10, "__GFP_RECLAIMABLE"), (0x8, "__GFP_MOVABLE"),
    (0x40_0000, "__GFP_ACCOUNT"), (0x1000, "__GFP_WRITE"), (reclaim, "__GFP_RECLAIM"),
    (0x400, "__GFP_DIRECT_RECLAIM"), (0x800, "__GFP_KSWAPD_RECLAIM"),
  ]

  /// The names; what has none is left as one hexadecimal number, as the kernel prints it.
  package static func names(_ mask: UInt32) -> [String] {
    var rest = mask
    var result: [String] = []
    for (bits, name) in names where rest & bits == bits {
      result.append(name)
      rest &= ~bits
    }
    if rest != 0 { result.append("0x" + String(rest, radix: 16)) }
    return result
  }
}
