// SPDX-License-Identifier: Apache-2.0
import Events

/// What a report says of the whole host's memory; only reports without a memory cgroup have it.
///
/// The first value of each kind stays, since another context may print such lines of its own among the report's.
/// Kernel: mm/show_mem.c, show_free_areas() and __show_mem(); mm/page_alloc.c before 6.5.
struct MemInfo: Hashable {
  /// Nodes that are kept. Kernel: MAX_NUMNODES.
  private static let nodesMax = 1024
  /// Zones that are kept with what is free in them.
  private static let zonesMax = 64

  /// A number of the whole host.
  private enum Count: Int, CaseIterable {
    case ram, reserved, swapTotalKilobytes, swapFreeKilobytes, free, shmem, slabReclaimable, slabUnreclaimable,
      pageTables
  }

  private var counts = [Int64?](repeating: nil, count: Count.allCases.count)
  private var presentKilobytes: [Int: Int64] = [:]
  private var zonesSeen: Set<String> = []
  private var zones: [Zone] = []
  /// Whose lowmem_reserve[] comes next.
  private var openZone: Int?

  /// What is free in a zone, and what is kept back there.
  private struct Zone: Hashable {
    var node: Int
    var name: String
    var freeKilobytes: Int64
    var minKilobytes: Int64
    var reservePages: Pages?
  }

  private static let words: [(StaticString, Count)] = [
    ("free:", .free), ("shmem:", .shmem), ("slab_reclaimable:", .slabReclaimable),
    ("slab_unreclaimable:", .slabUnreclaimable), ("pagetables:", .pageTables),
  ]
  private static let labels: [(StaticString, StaticString, Count)] = [
    ("", " pages RAM", .ram), ("", " pages reserved", .reserved), ("Total swap = ", "kB", .swapTotalKilobytes),
    ("Free swap  = ", "kB", .swapFreeKilobytes),
  ]

  /// Takes a line of the report; those that tell nothing of memory change nothing.
  mutating func take(_ text: [UInt8]) {
    if text[...].begins(with: "Node ") { return takeZone(text) }
    if text[...].begins(with: "lowmem_reserve[]:") { return takeReserve(text) }
    for (label, unit, count) in MemInfo.labels where MemInfo.mayBe(text, label) {
      var scanner = ByteScanner(text)
      guard let value: Int64 = scanner.number(after: label, unit: unit), value >= 0, scanner.isAtEnd else { continue }
      return keep(count, value)
    }
    // The counters of the host are one record of several lines; a log of text lines has them one by one.
    var scanner = ByteScanner(text)
    while !scanner.isAtEnd {
      takeCounters(&scanner)
      _ = scanner.take { $0 != UInt8(ascii: "\n") }
      _ = scanner.skip("\n")
    }
  }

  /// By the first byte: a number, or the label's.
  private static func mayBe(_ text: [UInt8], _ label: StaticString) -> Bool {
    guard let first = text.first else { return false }
    return label.utf8CodeUnitCount == 0 ? first.isDigit : first == label.utf8Start.pointee
  }

  /// `slab_reclaimable:1 slab_unreclaimable:2`: all words of the line must be of this form.
  private mutating func takeCounters(_ scanner: inout ByteScanner) {
    var found: [(Count, Int64)] = []
    while true {
      scanner.skipSpaces()
      if scanner.isAtEnd || scanner.isAt(UInt8(ascii: "\n")) { break }
      let count = MemInfo.words.first { scanner.skip($0.0) }?.1
      if count == nil {
        _ = scanner.take { $0 != UInt8(ascii: ":") && $0 > 0x20 }
        guard scanner.skip(":") else { return }
      }
      guard let value: Int64 = scanner.number(), value >= 0,
        scanner.isAtEnd || scanner.isAt(0x20) || scanner.isAt(UInt8(ascii: "\n"))
      else { return }
      if let count { found.append((count, value)) }
    }
    for (count, value) in found { keep(count, value) }
  }

  /// `Node 0 DMA free:1kB ... present:15992kB managed:15360kB ...`: what a zone has.
  private mutating func takeZone(_ text: [UInt8]) {
    openZone = nil
    var scanner = ByteScanner(text)
    guard let node: UInt16 = scanner.number(after: "Node ", unit: " ") else { return }
    let zone = scanner.take { $0 != 0x20 }
    let watermarks = scanner
    guard scanner.skip(" free:"), let place = text[...].places(of: " present:").first else { return }
    var tail = ByteScanner(text[place...])
    guard let present: Int64 = tail.number(after: " present:", unit: "kB "), present >= 0,
      node < MemInfo.nodesMax, present < 1 << 50,
      zonesSeen.insert("\(node) \(String(decoding: zone, as: UTF8.self))").inserted
    else { return }
    presentKilobytes[Int(node), default: 0] += present
    takeWatermarks(watermarks.rest, node: Int(node), name: String(decoding: zone, as: UTF8.self))
  }

  /// ` free:1kB boost:0kB min:1kB low:1kB high:1kB `; boost is in the minimum, and before 5.14 not printed.
  private mutating func takeWatermarks(_ text: ArraySlice<UInt8>, node: Int, name: String) {
    var scanner = ByteScanner(text)
    guard zones.count < MemInfo.zonesMax, let free: Int64 = scanner.number(after: " free:", unit: "kB "), free >= 0
    else { return }
    let _: Int64? = scanner.number(after: "boost:", unit: "kB ")
    guard let least: Int64 = scanner.number(after: "min:", unit: "kB "), least >= 0, max(free, least) < 1 << 50
    else { return }
    openZone = zones.count
    zones.append(Zone(node: node, name: name, freeKilobytes: free, minKilobytes: least, reservePages: nil))
  }

  /// `lowmem_reserve[]: 0 255 255 255`: pages kept from allocations that higher zones could serve; the most of them counts.
  private mutating func takeReserve(_ text: [UInt8]) {
    guard let place = openZone else { return }
    openZone = nil
    var scanner = ByteScanner(text)
    _ = scanner.skip("lowmem_reserve[]:")
    var most: Int64?
    while let pages: Int64 = scanner.number(after: " ") {
      guard pages >= 0 else { return }
      most = max(most ?? pages, pages)
    }
    if scanner.isAtEnd || Array(scanner.rest) == [0x20] { zones[place].reservePages = most }
  }

  private mutating func keep(_ count: Count, _ value: Int64) {
    if self[count] == nil, value < 1 << 50 { counts[count.rawValue] = value }
  }

  private subscript(count: Count) -> Int64? { counts[count.rawValue] }

  /// The state for the event; nil where no line told anything.
  func state(_ units: LogUnits) -> MemoryState? {
    guard counts.contains(where: { $0 != nil }) else { return nil }
    var state = MemoryState()
    state.totalPages = ramPages
    state.freePages = self[.free]
    state.shmemPages = self[.shmem]
    state.slabReclaimablePages = self[.slabReclaimable]
    state.slabUnreclaimablePages = self[.slabUnreclaimable]
    state.pageTablesPages = self[.pageTables]
    state.swapTotalPages = swapPages(units)
    state.swapFreePages = self[.swapFreeKilobytes].map(units.pages(kilobytes:))
    state.zones = zones.map { zone in
      MemoryZone(
        node: zone.node, name: zone.name, freePages: units.pages(kilobytes: zone.freeKilobytes),
        minPages: units.pages(kilobytes: zone.minKilobytes), reservePages: zone.reservePages)
    }
    return state
  }

  /// oc->totalpages without a limit: totalram_pages() + total_swap_pages. Kernel: mm/oom_kill.c, constrained_alloc().
  func systemPages(_ units: LogUnits) -> Pages? {
    guard let ramPages, let swap = swapPages(units) else { return nil }
    return ramPages + swap
  }

  /// oc->totalpages of some nodes: what they have present, and all swap. Kernel: mm/oom_kill.c, constrained_alloc().
  func pages(ofNodes nodes: [Int], _ units: LogUnits) -> Pages? {
    guard let swap = swapPages(units), !nodes.isEmpty, nodes.contains(where: { presentKilobytes[$0] != nil }) else {
      return nil
    }
    return nodes.reduce(swap) { $0 + units.pages(kilobytes: presentKilobytes[$1] ?? 0) }
  }

  private var ramPages: Pages? {
    guard let all = self[.ram], let reserved = self[.reserved], all >= reserved else { return nil }
    return all - reserved
  }

  private func swapPages(_ units: LogUnits) -> Pages? { self[.swapTotalKilobytes].map(units.pages(kilobytes:)) }
}
