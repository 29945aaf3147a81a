// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

@testable import KernelLog

/// What a report says of each zone: whether single pages could be had while several in a row could not.
@Suite struct ZoneTests {
  private static func zones(_ lines: [String]) -> [MemoryZone] {
    var memory = MemInfo()
    memory.take(Array("free:1 free_pcp:0".utf8))
    for line in lines { memory.take(Array(line.utf8)) }
    return memory.state(LogUnits(pageSizeBytes: 4096))?.zones ?? []
  }

  private static let normal =
    "Node 0 Normal free:40000kB boost:0kB min:8000kB low:9000kB high:10000kB present:99999kB managed:90000kB"

  @Test("free pages, the minimum and the most of lowmem_reserve[], with boost and without")
  func zone() {
    let older = "Node 1 DMA free:15360kB min:56kB low:68kB high:80kB present:15992kB managed:15360kB"
    let zones = ZoneTests.zones([
      ZoneTests.normal, "lowmem_reserve[]: 0 0 0", older, "lowmem_reserve[]: 0 2946 7843 7843 ",
    ])
    #expect(
      zones == [
        MemoryZone(node: 0, name: "Normal", freePages: 10_000, minPages: 2000, reservePages: 0),
        MemoryZone(node: 1, name: "DMA", freePages: 3840, minPages: 14, reservePages: 7843),
      ])
    #expect(zones.map(\.hasFreePages) == [true, false])
  }

  @Test(
    "what is not said is not known, and then nobody says that pages were free",
    arguments: [
      [], ["lowmem_reserve[]:"], ["lowmem_reserve[]: 0 -1"], ["lowmem_reserve[]: 0 x"],
      ["Node 0 DMA32 free:1kB", "lowmem_reserve[]: 0 0"],
    ])
  func unknown(lines: [String]) {
    let zones = ZoneTests.zones([ZoneTests.normal] + lines)
    #expect(zones.count == 1 && zones[0].reservePages == nil && !zones[0].hasFreePages)
  }

  @Test("the first of a zone stays: another context prints such lines too")
  func twice() {
    let other = ZoneTests.normal.replacing("free:40000kB", with: "free:4kB")
    let zones = ZoneTests.zones([ZoneTests.normal, "lowmem_reserve[]: 0", other, "lowmem_reserve[]: 77"])
    #expect(zones.map(\.freePages) == [10_000] && zones[0].reservePages == 0)
  }

  @Test("a zone's numbers without sense are none")
  func junk() {
    for line in [
      ZoneTests.normal.replacing("free:40000kB", with: "free:-1kB"),
      ZoneTests.normal.replacing("min:8000kB", with: "min:99999999999999999kB"),
      ZoneTests.normal.replacing(" min:8000kB", with: ""),
    ] { #expect(ZoneTests.zones([line]) == [], "\(line)") }
    let many = (0..<100).map { ZoneTests.normal.replacing("Node 0", with: "Node \($0)") }
    #expect(ZoneTests.zones(many).count == 64)
  }
}
