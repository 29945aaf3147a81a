// SPDX-License-Identifier: Apache-2.0
import Events

/// One frame of the live ranking: a header on memory, then as many processes as there is room for.
///
/// Pure: what is shown is a function of the moment and of what the user chose.
package struct ScoreScreen: Sendable {
  /// What is known at one moment.
  package struct Moment: Sendable {
    package var clock: String
    package var rows: [ScoreRow]
    /// Eligible processes and all.
    package var eligible: Int
    package var considered: Int
    package var domain: String
    package var memory: MemoryState?
    package var pressure: PressureStall?
    /// Points of the frame before, by pid.
    package var before: [Int32: Pages]

    package init(
      clock: String, rows: [ScoreRow], eligible: Int, considered: Int, domain: String,
      memory: MemoryState?, pressure: PressureStall?, before: [Int32: Pages]
    ) {
      self.clock = clock
      self.rows = rows
      self.eligible = eligible
      self.considered = considered
      self.domain = domain
      self.memory = memory
      self.pressure = pressure
      self.before = before
    }
  }

  /// Rows that are read for one frame: more than any screen has, and few enough to be read at once.
  package static let rowsMax = 256

  private let style: Style
  private let pageSizeBytes: Int

  package init(style: Style, pageSizeBytes: Int) {
    self.style = style
    self.pageSizeBytes = pageSizeBytes
  }

  /// What the keys do, and the letters of the parts; both fit into 80 columns.
  package static func keys(columns: Int, order: String, filter: String?) -> String {
    columns >= wideColumns
      ? "q quit   s sort: \(order)   / filter: \(filter ?? "none")   j k scroll   "
        + "parts: a anon f file s shmem w swap t tables + adj"
      : "q quit  s by \(order)  / \(filter ?? "all")  jk scroll  a anon f file s shm w swap t tbl + adj"
  }

  /// At most `rows` lines of at most `columns` characters. `prompt` is the last of them.
  package func lines(_ moment: Moment, rows: Int, columns: Int, prompt: String, scroll: Int) -> [String] {
    var lines = header(moment, columns)
    lines.append(style.dim(ScoreScreen.fit(heading(columns), columns)))
    let most = moment.rows.compactMap(\.candidate.points).max() ?? 1
    for row in moment.rows.dropFirst(scroll).prefix(max(0, rows - lines.count - 1)) {
      lines.append(line(row, moment, most: max(1, most), columns))
    }
    lines.append(style.dim(ScoreScreen.fit(prompt, columns)))
    return Array(lines.prefix(rows))
  }

  // MARK: Header

  private func header(_ moment: Moment, _ columns: Int) -> [String] {
    let counts = "\(moment.eligible) of \(moment.considered) processes may be killed"
    var lines = [style.strong(ScoreScreen.fit("\(moment.domain), \(counts)  \(moment.clock)", columns))]
    if let memory = moment.memory, let total = memory.totalPages, let available = memory.availablePages {
      lines.append(gauge("memory", used: total - available, of: total, columns))
      if let swap = memory.swapTotalPages, swap > 0 {
        lines.append(gauge("swap", used: swap - (memory.swapFreePages ?? swap), of: swap, columns))
      }
    }
    if let pressure = moment.pressure {
      var text = "stalled  some \(ScoreScreen.averages(pressure.some))"
      if let full = pressure.full { text += "   full \(ScoreScreen.averages(full))" }
      lines.append(ScoreScreen.fit(text + "   (10, 60, 300 s)", columns))
    }
    return lines
  }

  private func gauge(_ name: String, used: Pages, of total: Pages, _ columns: Int) -> String {
    let share = Double(max(0, used)) / Double(max(1, total))
    let label = name + String(repeating: " ", count: max(0, 8 - name.count))
    let numbers = " \(Int((share * 100).rounded()))% of \(size(total)), \(size(total - used)) left"
    let width = max(10, min(40, columns - label.count - numbers.count - 3))
    let filled = min(width, Int((share * Double(width)).rounded()))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let painted = share > 0.95 ? style.alarm(bar) : share > 0.85 ? style.warning(bar) : bar
    return label + painted + ScoreScreen.fit(numbers, columns - label.count - width)
  }

  private static func averages(_ line: PressureStall.Line) -> String {
    [line.average10Hundredths, line.average60Hundredths, line.average300Hundredths]
      .map { "\($0 / 100).\($0 % 100 < 10 ? "0" : "")\($0 % 100)%" }.joined(separator: " ")
  }

  // MARK: Rows

  /// The more room there is beside the place, the finer are the parts.
  private static func barWidth(_ columns: Int) -> Int { max(14, min(40, columns - 150)) }
  /// From this width on the place is shown too.
  private static let wideColumns = 100

  private func heading(_ columns: Int) -> String {
    let bar = ScoreScreen.left("PARTS", ScoreScreen.barWidth(columns))
    return "RANK     PID     POINTS    CHANGE SCORE   ADJ \(bar) COMM            "
      + (columns >= ScoreScreen.wideColumns ? " USER       WHERE" : "")
  }

  private func line(_ row: ScoreRow, _ moment: Moment, most: Pages, _ columns: Int) -> String {
    let candidate = row.candidate
    let change = candidate.points.flatMap { points in moment.before[candidate.pid].map { points - $0 } } ?? 0
    let head = [
      ScoreScreen.right(candidate.rank.map(String.init) ?? "-", 4), ScoreScreen.right("\(candidate.pid)", 7),
      ScoreScreen.right(candidate.points.map(String.init) ?? "-", 10),
      ScoreScreen.right(change == 0 ? "" : change > 0 ? "+\(change)" : "\(change)", 9),
      ScoreScreen.right(row.procOOMScore.map(String.init) ?? "-", 5), ScoreScreen.right("\(candidate.oomScoreAdj)", 5),
    ].joined(separator: " ")
    var tail = ScoreScreen.left(TerminalText.safe(candidate.comm), 16)
    if columns >= ScoreScreen.wideColumns {
      tail += " " + ScoreScreen.left(TerminalText.safe(row.user ?? "-"), 10) + " " + ScoreTable.place(row)
    } else if let skipped = candidate.skipped {
      tail += " " + ScoreTable.words(skipped)
    }
    let width = ScoreScreen.barWidth(columns)
    let room = columns - head.count - width - 2
    let text = paint(head, row) + " " + bar(candidate, most: most, width)
    return text + " " + paint(ScoreScreen.fit(tail, max(0, room)), row)
  }

  private func paint(_ text: String, _ row: ScoreRow) -> String {
    if row.candidate.skipped != nil { return style.dim(text) }
    switch ScoreTable.risk(row) {
    case .high: return style.alarm(text)
    case .raised: return style.warning(text)
    case .low: return text
    }
  }

  /// The parts of the points, as long as they are beside the most: a anonymous, f file, s shared, w swap, t tables, + adj.
  private func bar(_ candidate: Candidate, most: Pages, _ width: Int) -> String {
    guard let parts = candidate.parts, candidate.points != nil else {
      return String(repeating: " ", count: width)
    }
    let pieces: [(Pages, Character)] = [
      (parts.anonPages, "a"), (parts.filePages, "f"), (parts.shmemPages, "s"), (parts.swapPages, "w"),
      (parts.pgtablePages, "t"), (max(0, candidate.adjPoints ?? 0), "+"),
    ]
    var bar = ""
    var sum: Pages = 0
    for (pages, letter) in pieces {
      sum += pages
      let end = min(width, Int(Double(sum) / Double(most) * Double(width) + 0.5))
      while bar.count < end { bar.append(letter) }
    }
    return bar + String(repeating: "·", count: width - bar.count)
  }

  private func size(_ pages: Pages) -> String { ScoreTable.size(bytes: pages * Int64(pageSizeBytes)) + "iB" }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func fit(_ text: String, _ columns: Int) -> String {
    text.count <= columns ? text : String(text.prefix(max(0, columns)))
  }
}
