// SPDX-License-Identifier: Apache-2.0
import Events
import TestSupport
import Testing

@testable import Metrics

/// The names of metrics, where others rely on them: alert rules, the dashboard and the page for users.
@Suite struct MetricContractTests {
  /// Families of a page that has all of them, and the names of their samples.
  static let exposed: (families: Set<String>, samples: Set<String>) = {
    let book = MetricBook()
    for row in MetricCountTests.rows { book.take(row.event, at: MetricPageTests.time()) }
    let page = MetricPageTests.page(book)
    let types = page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
    let samples = MetricJudge.samples(page).keys.map { String($0.prefix { $0 != "{" }) }
    return (Set(types.map { String($0.split(separator: " ")[2]) }), Set(samples))
  }()

  /// Names of ours in a text; what a scraper itself adds is none of them.
  static func names(in path: String) -> Set<String> {
    let text = Files.text(Repository.root + "/" + path) ?? ""
    #expect(text.count > 1000, "\(path)")
    let words = text.utf8.split { !(0x61...0x7a).contains($0) && !(0x30...0x39).contains($0) && $0 != 0x5f }
    return Set(
      words.map { String(decoding: $0, as: UTF8.self) }.filter {
        $0.hasPrefix("oomwitness_") || $0.hasPrefix("process_")
      })
  }

  @Test(
    "each metric that a rule or the dashboard names is exposed",
    arguments: ["deploy/prometheus/alerts.yaml", "deploy/grafana/oomwitness.json", "Tests/Metrics/alerts.test.yaml"])
  func namesAreExposed(path: String) {
    let names = MetricContractTests.names(in: path)
    #expect(names.count > 8)
    #expect(names.subtracting(MetricContractTests.exposed.samples) == [])
  }

  @Test("docs/metrics.md has each family, and no other")
  func documented() {
    let named = MetricContractTests.names(in: "docs/metrics.md")
    let (families, samples) = MetricContractTests.exposed
    #expect(families.subtracting(named) == [])
    #expect(named.subtracting(families).subtracting(samples) == [])
  }

  @Test(
    "promtool takes the rules, and each fires when it is to and not before",
    .enabled(if: MetricJudge.mayRun, Comment(rawValue: MetricJudge.refusal ?? "")))
  func rules() {
    let root = Repository.root
    let checked = Program.run("/usr/bin/promtool", ["check", "rules", root + "/deploy/prometheus/alerts.yaml"])
    #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
    let tested = Program.run("/usr/bin/promtool", ["test", "rules", root + "/Tests/Metrics/alerts.test.yaml"])
    #expect(tested.status == 0, "\(tested.output)\(tested.errors)")
    func alerts(_ path: String, _ mark: String) -> Set<String> {
      let lines = (Files.text(root + "/" + path) ?? "").split(separator: "\n")
      return Set(
        lines.compactMap { line in
          line.firstRange(of: mark).map { String(line[$0.upperBound...].prefix { $0.isLetter }) }
        })
    }
    let declared = alerts("deploy/prometheus/alerts.yaml", "- alert: ")
    #expect(declared.count == 17)
    // Each is held twice at least: where it is to be quiet, and where it is not.
    #expect(alerts("Tests/Metrics/alerts.test.yaml", " alertname: ") == declared)
  }
}
