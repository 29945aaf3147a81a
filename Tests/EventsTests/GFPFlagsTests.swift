// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import TestSupport
import Testing

@Suite struct GFPFlagsTests {
  /// As the kernel named them itself, in Tests/KernelLogTests/Fixtures.
  static let printedMasks: [(UInt32, String)] = [
    (UInt32(0xcc0), "GFP_KERNEL"),  // 6.18-v1.kmsg
    (0x10_0cca, "GFP_HIGHUSER_MOVABLE"),  // 6.18-storm.kmsg
    (0x10_0dca, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO"),  // 5.10-system.kmsg
    (0x14_0dca, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"),  // 6.12-system.kmsg
  ]

  @Test("a mask has the names that the kernel printed for it", arguments: printedMasks)
  func kernelsOwnNames(mask: UInt32, printed: String) {
    #expect(GFPFlags.names(mask).joined(separator: "|") == printed)
  }

  /// Bits as in include/linux/gfp_types.h of 6.12.
  static let masks: [(UInt32, [String])] = [
    (UInt32(0), [String]()),
    (0x3d_24ca, ["GFP_TRANSHUGE", "__GFP_NORETRY", "__GFP_THISNODE"]),
    (0x1c_20ca, ["GFP_TRANSHUGE_LIGHT"]),
    (0x10_0cc2, ["GFP_HIGHUSER"]),
    (0x10_0cc0, ["GFP_USER"]),
    (0x40_0cc0, ["GFP_KERNEL_ACCOUNT"]),
    (0xc40, ["GFP_NOFS"]),
    (0x820, ["GFP_ATOMIC"]),
    (0xc00, ["GFP_NOIO"]),
    (0x2800, ["GFP_NOWAIT"]),
    (0x800, ["__GFP_KSWAPD_RECLAIM"]),
    (0x400, ["__GFP_DIRECT_RECLAIM"]),
    (0xcc1, ["GFP_KERNEL", "GFP_DMA"]),
    (0xcc4, ["GFP_KERNEL", "GFP_DMA32"]),
    (0x1_5cc0, ["GFP_KERNEL", "__GFP_RETRY_MAYFAIL", "__GFP_NORETRY", "__GFP_WRITE"]),
    (0x200, ["0x200"]),
    // GFP_ATOMIC of kernels before 6.4.
    (0xa20, ["GFP_ATOMIC", "0x200"]),
    (0x8000_0cc0, ["GFP_KERNEL", "0x80000000"]),
  ]

  @Test("the widest name that fits comes first, and bits without a name are one number", arguments: masks)
  func otherMasks(mask: UInt32, names: [String]) {
    #expect(GFPFlags.names(mask) == names)
  }

  /// `gfp_mask=0xcc0(GFP_KERNEL)` of each report. Only the order of names differs between kernels.
  @Test("every mask of the real logs has the names that stand beside it")
  func realLogs() throws {
    let folder = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/KernelLogTests/Fixtures/"
    let texts = ["5.10-system", "6.1-system", "6.12-system", "6.18-storm", "7.2-system", "7.2-sysrq"].map {
      Files.text(folder + $0 + ".kmsg")
    }
    var seen: Set<UInt32> = []
    for text in texts {
      let masks = try #require(text).pieces(after: "gfp_mask=0x")
      #expect(!masks.isEmpty)
      for piece in masks {
        let words = piece.split(separator: ")")[0].split(separator: "(")
        let mask = try #require(UInt32(words[0], radix: 16))
        #expect(Set(GFPFlags.names(mask)) == Set(words[1].split(separator: "|").map(String.init)), "\(words)")
        seen.insert(mask)
      }
    }
    #expect(seen == [0xcc0, 0x10_0cca, 0x10_0dca, 0x14_0dca])
  }
}

extension String {
  /// What follows each place of `marker`, up to the next.
  fileprivate func pieces(after marker: String) -> [Substring] {
    var pieces: [Substring] = []
    var rest = self[...]
    while let range = rest.firstRange(of: marker) {
      rest = rest[range.upperBound...]
      pieces.append(rest[..<(rest.firstRange(of: marker)?.lowerBound ?? rest.endIndex)])
    }
    return pieces
  }
}
