// SPDX-License-Identifier: Apache-2.0
import Events

/// All kills of a log as one HTML page that needs nothing else: no script, font or style from elsewhere.
///
/// It is written as the log is read, in bounded memory: first the head, then each kill, then the sums, which only the end
/// can tell. The reader sees the sums first: the kills and the sums are children of an element whose shadow tree has a slot
/// for the sums above that for all others, which needs no script. Source: HTML, 4.12.3 "shadowrootmode" and 4.12.4 "slot".
package struct ReportPage {
  private let pageSizeBytes: Int
  private let version: String
  private let origin: String
  private let row: KillRow
  private var wallTimes = TimeBins()
  /// Of the kills without a wall clock.
  private var bootTimes = TimeBins()
  private var kills = 0
  private var hasHosts = false

  /// - Parameters:
  ///   - pageSizeBytes: of a page where the log is from.
  ///   - version: of this program; the page names it at its end.
  ///   - origin: the command that wrote it, as its user typed it.
  package init(pageSizeBytes: Int, version: String, origin: String = "analyze --output html") {
    self.pageSizeBytes = pageSizeBytes
    self.version = version
    self.origin = origin
    row = KillRow(pageSizeBytes: pageSizeBytes)
  }

  /// All that comes before the first kill.
  package func head() -> [UInt8] {
    var html = HTMLWriter()
    html.markup("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
    // Even if something of a log became markup, the browser would run none of it and ask nobody for anything.
    html.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ")
    html.markup("style-src 'unsafe-inline'; img-src data:; script-src 'sha256-")
    html.markup(PageScript.digest)
    html.markup("'; base-uri 'none'; form-action 'none'\">")
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
    html.markup(
      "<meta name=\"color-scheme\" content=\"light dark\"><title>OOM kills</title><link rel=\"icon\" href=\"data:,\"><style>\n"
    )
    html.markup(PageStyle.text)
    html.markup("\n</style></head>\n<body>")
    html.open("main", [("data-page-bytes", "\(pageSizeBytes)")])
    html.markup("<template shadowrootmode=\"open\"><slot name=\"sums\"></slot><slot></slot></template>\n")
    html.markup("<section aria-labelledby=\"kills\"><h2 id=\"kills\">Each kill</h2>")
    html.markup("<noscript><p>Without its script the page shows no candidates.</p></noscript>")
    html.markup("<div class=\"tools\"></div><table class=\"kills\"><thead><tr>")
    for (place, name) in KillRow.columns.enumerated() {
      html.element("th", [("scope", "col"), ("class", KillRow.classes[place])], name)
    }
    html.markup("</tr></thead>\n")
    return html.bytes
  }

  /// One kill; its candidates are no more than those that the page shall list.
  package mutating func kill(_ kill: OOMKill, at time: EventTime, host: KernelName?) -> [UInt8] {
    kills += 1
    if host != nil { hasHosts = true }
    let kind = TimeBins.Kind(kill.scope)
    if let wall = time.wallNanoseconds {
      wallTimes.add(nanoseconds: wall, kind: kind, host: host)
    } else if let monotonic = time.monotonicNanoseconds {
      bootTimes.add(nanoseconds: monotonic, kind: kind, host: host)
    }
    var html = HTMLWriter()
    row.write(kill, number: kills, at: time, host: host, to: &html)
    return html.bytes
  }

  /// The sums of all kills, and the end of the page.
  ///
  /// - Parameters:
  ///   - omitted: recommendations beside those that are listed.
  ///   - isWhole: false where a log could not be read, or not to its end.
  package func end(
    _ statistics: KillStatistics, _ recommendations: [Recommendation], omitted: Int, isWhole: Bool
  ) -> [UInt8] {
    let words = StatisticsText(pageSizeBytes: pageSizeBytes, coloured: false)
    var html = HTMLWriter()
    html.markup("</table></section>\n<div slot=\"sums\"><header>")
    SumSection(statistics, words: words, isWhole: isWhole).write(to: &html)
    html.markup("</header>\n")
    if statistics.kills > 0 {
      timeline(words, &html)
      AdviceSection(recommendations, omitted: omitted).write(to: &html)
      HistorySection(statistics, words: words, pageSizeBytes: pageSizeBytes).write(to: &html)
      TableSection(statistics, words: words, pageSizeBytes: pageSizeBytes).write(to: &html)
    }
    html.markup("</div></main>\n<footer><p>")
    html.text("Written by oomwitness \(version), \(origin). Times are UTC.")
    html.markup("</p></footer>")
    if !hasHosts { html.markup("<style>.kills .host { display: none; }</style>") }
    html.markup("<script>")
    html.markup(PageScript.text)
    html.markup("</script></body></html>\n")
    return html.bytes
  }

  private func timeline(_ words: StatisticsText, _ html: inout HTMLWriter) {
    html.markup("<section aria-labelledby=\"times\"><h2 id=\"times\">Kills over time</h2>")
    let wall = TimelineFigure(wallTimes, clock: .wall, words: words)
    let boot = TimelineFigure(bootTimes, clock: .boot, words: words)
    wall?.write(to: &html)
    if boot != nil {
      html.markup(
        "<p class=\"quiet\">The log has no wall-clock time of these kills: they are drawn by the time since boot, ")
      html.markup("and those of several boots lie over each other.</p>")
    }
    boot?.write(to: &html)
    if wall == nil, boot == nil { html.markup("<p class=\"quiet\">The log has no times.</p>") }
    html.markup("</section>\n")
  }
}
