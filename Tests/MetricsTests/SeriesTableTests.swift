// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Metrics

/// Series whose labels others choose: bounded, and each there once.
@Suite struct SeriesTableTests {
  private static let day = SeriesTable.idleNanoseconds

  private static func counts(_ table: SeriesTable) -> [String: Int64] {
    Dictionary(table.sorted.map { ($0.key.values.filter { !$0.isEmpty }.joined(separator: "|"), $0.count) }) { _, _ in
      Issue.record("a series is there twice")
      return -1
    }
  }

  @Test("beyond the limit all is counted under other, and no kill is lost")
  func limit() {
    var table = SeriesTable(labels: ["unit"], limit: 3)
    for number in 0..<10 { table.add(.init(first: "u\(number)"), at: Int64(number)) }
    table.add(.init(first: "u1"), at: 11)
    #expect(SeriesTableTests.counts(table) == ["u0": 1, "u1": 2, "u2": 1, "other": 7])
  }

  @Test("a series stays for a day after what it counts was seen last, and then gives way to another")
  func idle() {
    var table = SeriesTable(labels: ["unit"], limit: 2)
    table.add(.init(first: "a"), at: 0)
    table.add(.init(first: "b"), at: 5)
    table.add(.init(first: "a"), at: 10)
    table.add(.init(first: "c"), at: 4 + SeriesTableTests.day)
    #expect(SeriesTableTests.counts(table) == ["a": 2, "b": 1, "other": 1])
    table.add(.init(first: "c"), at: 5 + SeriesTableTests.day)
    #expect(SeriesTableTests.counts(table) == ["a": 2, "c": 1, "other": 1])
    table.add(.init(first: "b"), at: 20 + SeriesTableTests.day)
    table.add(.init(first: "b"), at: 21 + SeriesTableTests.day)
    #expect(SeriesTableTests.counts(table) == ["b": 2, "c": 1, "other": 1])
  }

  @Test("series that are there from the start never give way, and have room of their own")
  func present() {
    var table = SeriesTable(labels: ["by"], limit: 1, present: [.init(first: "oomwitness")])
    for (place, name) in ["x", "y", "z"].enumerated() {
      table.add(.init(first: name), at: Int64(place) * 2 * SeriesTableTests.day)
    }
    #expect(SeriesTableTests.counts(table) == ["oomwitness": 0, "z": 1, "other": 0])
  }

  @Test("who is called other is counted there, and names that begin alike for 500 bytes share a series")
  func names() {
    var table = SeriesTable(labels: ["namespace", "pod"], limit: 9, other: 1)
    table.add(.init(first: "", second: "other"), at: 1)
    let long = String(repeating: "é", count: 400)
    for end in ["1", "2"] { table.add(.init(first: "n", second: long + end), at: 1) }
    let cut = String(repeating: "é", count: 254) + "…"
    #expect(SeriesTableTests.counts(table) == ["other": 1, "n|" + cut: 2])
    #expect(cut.utf8.count <= SeriesTable.valueBytesMax)
  }

  @Test("paths of other bytes and the same text are one series")
  func sameText() {
    let book = MetricBook()
    for byte: UInt8 in [0xfe, 0xff] {
      book.take(MetricPageTests.victim(KernelName(bytes: [0x2f, byte])), at: MetricPageTests.time())
    }
    let samples = MetricJudge.samples(MetricPageTests.page(book))
    #expect(samples["oomwitness_cgroup_kills_total{cgroup=\"/\u{fffd}\"}"] == "2")
  }

  @Test("ten thousand pods make a page of bounded size, and all kills are in it")
  func churn() {
    let book = MetricBook(seriesMax: 50)
    for number in 0..<10_000 {
      var pod = PodRef()
      (pod.namespace, pod.pod) = ("batch", "job-\(number)")
      let container = ContainerRef(runtime: "containerd", id: String(repeating: "0", count: 60) + "\(number)")
      let owner = CgroupOwner(unit: "u\(number).service", container: container, pod: pod)
      book.take(MetricPageTests.victim(KernelName("/p/\(number)"), owner), at: MetricPageTests.time())
    }
    let samples = MetricJudge.samples(MetricPageTests.page(book))
    for family in ["cgroup", "pod", "container", "unit"] {
      let series = samples.filter { $0.key.hasPrefix("oomwitness_\(family)_kills_total{") }
      #expect(series.count == 51)
      #expect(series.values.compactMap { Int($0) }.reduce(0, +) == 10_000)
    }
  }
}
