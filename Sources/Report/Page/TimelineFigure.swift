// SPDX-License-Identifier: Apache-2.0
import Events

/// The kills over time as SVG: a row for each host where there are several, else for each kind of kill.
///
/// Places are shares of the width, so that text keeps its size on a narrow screen.
struct TimelineFigure {
  /// What the times count from.
  enum Clock { case wall, boot }

  /// Rows of bars, the busiest first; the rest is one row.
  private static let rowsMax = 12
  /// A kill among few is drawn no wider than the span by this.
  private static let binsMin: Int64 = 90
  private static let rowHeight = 64
  private static let barHeight = 40
  private static let second: Int64 = 1_000_000_000

  private struct Row {
    var label: String
    var kills = 0
    /// By bin, then by kind.
    var bins: [Int64: [Int]] = [:]
  }

  private let bins: TimeBins
  private let clock: Clock
  private let rows: [Row]
  private let axis: ClosedRange<Int64>
  private let most: Int
  private let words: StatisticsText

  /// Nil where no kill has such a time.
  init?(_ bins: TimeBins, clock: Clock, words: StatisticsText) {
    guard let span = bins.span else { return nil }
    self.bins = bins
    self.clock = clock
    self.words = words
    let lacking = max(0, TimelineFigure.binsMin - (span.upperBound - span.lowerBound + 1))
    axis = span.lowerBound - lacking / 2...span.upperBound + (lacking - lacking / 2)
    rows = TimelineFigure.rows(bins)
    most = rows.flatMap { $0.bins.values.map { $0.reduce(0, +) } }.max() ?? 1
  }

  private static func rows(_ bins: TimeBins) -> [Row] {
    let isByHost = bins.hosts.count > 1
    var byLabel: [String: Row] = [:]
    func label(_ bin: TimeBins.Bin) -> String {
      isByHost ? bin.host.map(\.text) ?? "host not told" : bin.kind.words
    }
    for (bin, count) in bins.counts {
      byLabel[label(bin), default: Row(label: label(bin))].kills += count
    }
    let ranked = byLabel.values.sorted { ($1.kills, $0.label) < ($0.kills, $1.label) }
    let apart = Set(ranked.prefix(ranked.count > rowsMax ? rowsMax - 1 : rowsMax).map(\.label))
    var rows: [String: Row] = [:]
    for (bin, count) in bins.counts {
      let name = apart.contains(label(bin)) ? label(bin) : "all others"
      rows[name, default: Row(label: name)].bins[bin.number, default: [0, 0, 0, 0]][bin.kind.rawValue] += count
      rows[name]!.kills += count
    }
    return rows.values.sorted { ($1.kills, $0.label) < ($0.kills, $1.label) }
  }

  /// The figure with its legend, and with a caption that says it in words.
  func write(to html: inout HTMLWriter) {
    let kills = rows.map(\.kills).reduce(0, +)
    let what = "\(Plural.kills(kills)) from \(text(bins.span!.lowerBound)) to \(text(bins.span!.upperBound + 1))"
    html.open("figure", [("class", "timeline"), ("data-kills", "\(kills)")])
    legend(&html)
    let height = rows.count * TimelineFigure.rowHeight + 24
    html.open("svg", [("role", "img"), ("width", "100%"), ("height", "\(height)"), ("aria-label", spoken(what))])
    grid(&html, height: height)
    for (place, row) in rows.enumerated() { draw(row, top: place * TimelineFigure.rowHeight, &html) }
    html.close("svg")
    html.element(
      "figcaption", "\(what). A bar is \(words.duration(bins.widthNanoseconds)); the highest has \(most).")
    html.close("figure")
  }

  private func spoken(_ what: String) -> String {
    what + ": " + rows.map { "\($0.label) \($0.kills)" }.joined(separator: ", ")
  }

  private func legend(_ html: inout HTMLWriter) {
    let kinds = TimeBins.Kind.allCases.filter { kind in bins.counts.keys.contains { $0.kind == kind } }
    html.open("ul", [("class", "legend")])
    for kind in kinds {
      html.markup("<li>")
      html.element("i", [("class", "kind\(kind.rawValue)")], "")
      html.text(kind.words)
      html.markup("</li>")
    }
    html.close("ul")
  }

  private func grid(_ html: inout HTMLWriter, height: Int) {
    for quarter in 0...4 {
      let x = "\(quarter * 25)%"
      html.element(
        "line",
        [("class", "grid"), ("x1", x), ("x2", x), ("y1", "0"), ("y2", "\(height - 20)")], "")
      let number = axis.lowerBound + (axis.upperBound + 1 - axis.lowerBound) * Int64(quarter) / 4
      let anchor = quarter == 0 ? "start" : quarter == 4 ? "end" : "middle"
      html.element(
        "text",
        [
          ("class", quarter % 2 == 0 ? "tick" : "tick odd"), ("x", x), ("y", "\(height - 4)"), ("text-anchor", anchor),
        ], text(number))
    }
  }

  private func draw(_ row: Row, top: Int, _ html: inout HTMLWriter) {
    let floor = top + TimelineFigure.rowHeight - 4
    html.element("text", [("class", "label"), ("x", "4"), ("y", "\(top + 13)")], "\(row.label): \(row.kills)")
    html.element(
      "line", [("class", "floor"), ("x1", "0"), ("x2", "100%"), ("y1", "\(floor)"), ("y2", "\(floor)")], "")
    for (number, kinds) in row.bins.sorted(by: { $0.key < $1.key }) {
      html.open("g")
      let parts = TimeBins.Kind.allCases.filter { kinds[$0.rawValue] > 0 }
      let said = parts.map { "\(kinds[$0.rawValue]) \($0.words)" }.joined(separator: ", ")
      html.element("title", "\(text(number)): \(said)")
      var bottom = floor
      for kind in parts {
        let bar = max(3, kinds[kind.rawValue] * TimelineFigure.barHeight / most)
        bottom -= bar
        html.element(
          "rect",
          [
            ("class", "kind\(kind.rawValue)"), ("x", share(number - axis.lowerBound)), ("width", share(1)),
            ("y", "\(bottom)"), ("height", "\(bar)"),
          ], "")
      }
      html.close("g")
    }
  }

  /// So many bins as a share of the width.
  private func share(_ count: Int64) -> String {
    let thousandths = count * 100_000 / (axis.upperBound + 1 - axis.lowerBound)
    let fraction = String(thousandths % 1000 + 1000).dropFirst()
    return "\(thousandths / 1000).\(fraction)%"
  }

  /// Where a bin begins: `2026-11-24 13:00Z`, or the time since boot.
  private func text(_ number: Int64) -> String {
    let nanoseconds = number * bins.widthNanoseconds
    let isShort = bins.widthNanoseconds < 60 * TimelineFigure.second
    switch clock {
    case .wall:
      let digits = isShort ? 19 : bins.widthNanoseconds < 86_400 * TimelineFigure.second ? 16 : 10
      let text = String(RFC3339.text(wallNanoseconds: nanoseconds).prefix(digits)).replacing("T", with: " ")
      return digits == 10 ? text : text + "Z"
    case .boot:
      return "boot \(nanoseconds < 0 ? "-" : "+") \(words.duration(abs(nanoseconds)))"
    }
  }
}
