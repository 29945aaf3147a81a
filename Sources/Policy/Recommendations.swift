// SPDX-License-Identifier: Apache-2.0
import Events

/// What the kills of a log advise: each rule is a function, and says nothing without its evidence.
///
/// A pure function of the sums: nothing of this host is read, since the log may be another's.
package struct Recommendations: Hashable, Sendable {
  /// More are not told.
  package static let listedMax = 64
  /// Decisions at one limit, or sizes of one victim, without which nothing is said of it.
  static let repeatedMin = 3
  /// Decisions without which nothing is said of a host: one may be anything.
  static let conditionMin = 2

  /// Those with the most kills first.
  package let list: [Recommendation]
  /// How many more there were.
  package let omitted: Int

  package init(of statistics: KillStatistics, pageSizeBytes: Int) {
    let sizes = Sizes(pageSizeBytes: pageSizeBytes)
    let limits = LimitRules(statistics, sizes)
    let victims = VictimRules(statistics, sizes)
    let hosts = HostRules(statistics, sizes)
    let all = limits.all + victims.all + hosts.all
    let sorted = all.enumerated().sorted {
      ($1.element.evidence.tally.kills, $0.offset) < ($0.element.evidence.tally.kills, $1.offset)
    }
    list = sorted.prefix(Recommendations.listedMax).map(\.element)
    omitted = all.count - list.count
  }
}

/// Pages as people and programs write them.
struct Sizes {
  let pageSizeBytes: Int
  private let explanation: Explanation

  init(pageSizeBytes: Int) {
    self.pageSizeBytes = pageSizeBytes
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
  }

  /// `31.8 MiB`.
  func text(_ pages: Pages) -> String { explanation.size(pages) }

  /// Whole mebibytes, rounded up, 1 at least.
  func mebibytes(_ pages: Pages) -> Int64 {
    max(1, (pages &* Int64(pageSizeBytes) &+ 1_048_575) / 1_048_576)
  }

  /// Half as much again: a first try, since a report does not tell how much more was wanted.
  func raisedMebibytes(_ pages: Pages) -> Int64 { mebibytes(pages + pages / 2) }
}

/// Names in sentences: safe for a terminal, and with the word before them that says what they are.
enum Naming {
  static func safe(_ name: KernelName) -> String { name.bytes.isEmpty ? "(no name)" : TerminalText.safe(name) }

  /// `unit db.service`, `pod shop/cart-0`, `container web`, by id `container 0123456789ab`, `cgroup /a`.
  static func place(_ place: KillPlace) -> String {
    guard let name = place.shownName else { return "a cgroup that the log does not name" }
    if case .container(let container) = place, container.name == nil { return "container \(container.id.prefix(12))" }
    return "\(place.kindText) \(safe(name))"
  }

  static func host(_ host: KernelName?) -> String { host.map { "host \(safe($0))" } ?? "the host" }

  static func onHost(_ host: KernelName?) -> String { host.map { " on host \(safe($0))" } ?? "" }

  static func times(_ count: Int) -> String { count == 1 ? "once" : count == 2 ? "twice" : "\(count) times" }

  /// As a sentence begins.
  static func atStart(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  /// Names, the most often first, three at most.
  static func list(_ names: [KernelName: Int]) -> String {
    let sorted = names.sorted { ($1.value, $0.key.text) < ($0.value, $1.key.text) }.map { safe($0.key) }
    return sorted.prefix(3).joined(separator: ", ") + (sorted.count > 3 ? " and others" : "")
  }
}
