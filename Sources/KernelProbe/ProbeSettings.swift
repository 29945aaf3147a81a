// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import CProbe
import Glibc

/// What the programs have to know before they are loaded.
package struct ProbeSettings: Sendable {
  /// Size of the ring; rounded up to a power of two of at least a page.
  package var ringBytes: Int = 1 << 16
  /// How many candidates an event lists; nil: all. Of the others no more than their count crosses the ring.
  package let candidatesListed: Int?
  /// RAM and swap of the host in pages, and swap alone: the domain is theirs to say where the kernel's is not seen.
  package var systemPages: Int64 = 0
  package var swapPages: Int64 = 0
  /// More than one NUMA node has memory.
  package var hasManyMemoryNodes = false

  package init(candidatesListed: Int? = nil) { self.candidatesListed = candidatesListed }

  package var keepsAll: Bool { kept == nil }

  /// The next power of two of at least one page: what the kernel takes as size of a ring.
  package static func ringEntries(_ bytes: Int) -> UInt32 {
    let wanted = UInt32(clamping: max(bytes, Int(getpagesize())))
    return wanted >= 1 << 31 ? 1 << 31 : wanted.nextPowerOfTwo
  }

  /// How many candidates the programs keep; nil: all, since none are left out or more are listed than they can rank.
  ///
  /// Of those that could be taken the first of the list, the chosen one and the best of the others.
  var kept: (eligible: UInt32, skipped: UInt32)? {
    guard let listed = candidatesListed, listed + 2 <= Int(OW_KEPT_MAX) else { return nil }
    return (UInt32(listed + 2), UInt32(listed))
  }

  func apply(to skeleton: UnsafeMutablePointer<CProbe.oomwitness>) {
    bpf_map__set_max_entries(skeleton.pointee.maps.events, ProbeSettings.ringEntries(ringBytes))
    skeleton.pointee.rodata.pointee.system_pages = UInt64(clamping: systemPages)
    skeleton.pointee.rodata.pointee.swap_pages = UInt64(clamping: swapPages)
    skeleton.pointee.rodata.pointee.has_many_nodes = hasManyMemoryNodes
    guard let kept else { return }
    skeleton.pointee.rodata.pointee.eligible_kept = kept.eligible
    skeleton.pointee.rodata.pointee.skipped_kept = kept.skipped
    // One slot more: for the candidate that is looked at.
    let slots = kept.eligible + kept.skipped + 1
    let perChunk = UInt32(OW_CANDIDATES_PER_CHUNK)
    bpf_map__set_max_entries(skeleton.pointee.maps.chunks, (slots + perChunk - 1) / perChunk)
  }
}

extension UInt32 {
  fileprivate var nextPowerOfTwo: UInt32 { self <= 1 ? 1 : 1 << (32 - UInt32((self - 1).leadingZeroBitCount)) }
}
