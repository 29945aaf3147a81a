// SPDX-License-Identifier: Apache-2.0
import Events

/// The memory before a kill, drawn: the victim as a picture, and a line for each other process and for the host.
///
/// Each picture and each line begins at 0 and has a height of its own; the sizes beside it say which.
package struct MemoryChart: Sendable {
  /// Columns of time.
  private static let columns = 60
  private static let rows = 8
  private static let labelWidth = 26
  /// Eighths of a cell, from below. Source: Unicode, Block Elements.
  private static let blocks = Array(" ▁▂▃▄▅▆▇█")

  private let explanation: Explanation
  private let style: Style

  package init(pageSizeBytes: Int, style: Style) {
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
    self.style = style
  }

  /// Lines, each ending in `\n`.
  package func text(_ memory: MemoryBefore) -> String {
    guard let begin = memory.millisecondsBefore.first, begin > 0 else { return "" }
    var lines = [style.strong("the last \(MemoryChart.duration(begin)) before the kill")]
    if let victim = memory.processes.first(where: \.isVictim) { lines += picture(victim, memory) }
    for process in memory.processes where !process.isVictim {
      lines.append(line(MemoryChart.name(process), points(process, memory), memory) { explanation.size($0) })
    }
    let looks = Array(memory.millisecondsBefore.dropLast())
    func host(_ label: String, _ values: [Int64], most: Int64?, _ words: (Int64) -> String) {
      guard values.count == looks.count else { return }
      lines.append(line(label, Array(zip(looks, values)), memory, most: most, words))
    }
    host("memory available", memory.availablePages, most: memory.totalPages) { explanation.size($0) }
    host("swap free", memory.swapFreePages, most: memory.swapTotalPages) { explanation.size($0) }
    host("stalled, some (PSI)", memory.someHundredths, most: 10_000, MemoryChart.percent)
    host("stalled, all (PSI)", memory.fullHundredths, most: 10_000, MemoryChart.percent)
    return lines.map { "  " + $0 + "\n" }.joined()
  }

  private typealias Point = (before: Int64, value: Int64)

  private func points(_ process: MemoryBefore.Series, _ memory: MemoryBefore) -> [Point] {
    process.moments.enumerated().map { place, moment in
      (memory.millisecondsBefore[moment], process.residentPages[place] &+ process.swapPages[place])
    }
  }

  /// What was known last in each column of time; nil before anything was.
  private func columns(_ points: [Point], _ memory: MemoryBefore) -> [Int64?] {
    let begin = memory.millisecondsBefore.first ?? 1
    var next = 0
    var known: Int64?
    return (0..<MemoryChart.columns).map { column in
      let end = begin - begin * Int64(column + 1) / Int64(MemoryChart.columns)
      var most: Int64?
      while next < points.count, points[next].before >= end {
        known = points[next].value
        most = max(most ?? points[next].value, points[next].value)
        next += 1
      }
      // The last column has the kill itself, however much more was seen before.
      return column == MemoryChart.columns - 1 ? known : most ?? known
    }
  }

  private func picture(_ victim: MemoryBefore.Series, _ memory: MemoryBefore) -> [String] {
    let points = points(victim, memory)
    let columns = columns(points, memory)
    let most = max(1, columns.compactMap { $0 }.max() ?? 1)
    let eighths = columns.map { $0.map { MemoryChart.share($0, of: most, in: MemoryChart.rows * 8) } }
    var lines = [MemoryChart.name(victim) + " (victim)" + sizes(points) { explanation.size($0) }]
    for row in (0..<MemoryChart.rows).reversed() {
      let cells = String(eighths.map { MemoryChart.blocks[min(8, max(0, ($0 ?? 0) - row * 8))] })
      let label = row == MemoryChart.rows - 1 ? explanation.size(most) : row == 0 ? "0" : ""
      lines.append(padded(label, left: true) + " │" + style.alarm(cells) + "│")
    }
    let axis = MemoryChart.duration(memory.millisecondsBefore.first ?? 0) + " before"
    let gap = String(repeating: " ", count: max(1, MemoryChart.columns - axis.count - 4))
    return lines + [padded("", left: true) + "  " + style.dim(axis + gap + "kill")]
  }

  private func line(
    _ label: String, _ points: [Point], _ memory: MemoryBefore, most: Int64? = nil, _ words: (Int64) -> String
  ) -> String {
    let columns = columns(points, memory)
    let most = max(1, most ?? columns.compactMap { $0 }.max() ?? 1)
    let cells = columns.map { value in
      // What is there and next to nothing is seen to be there.
      value.map { MemoryChart.blocks[max(1, MemoryChart.share($0, of: most, in: 8))] } ?? " "
    }
    return padded(label, left: false) + "  " + String(cells) + sizes(points, words)
  }

  private func sizes(_ points: [Point], _ words: (Int64) -> String) -> String {
    guard let first = points.first, let last = points.last else { return "" }
    return points.count == 1 ? "  \(words(last.value))" : "  \(words(first.value)) -> \(words(last.value))"
  }

  private func padded(_ text: String, left: Bool) -> String {
    let blanks = String(repeating: " ", count: max(0, MemoryChart.labelWidth - text.count))
    return left ? blanks + text : text + blanks
  }

  private static func share(_ value: Int64, of most: Int64, in parts: Int) -> Int {
    Int((Double(min(max(0, value), most)) / Double(most) * Double(parts)).rounded())
  }

  private static func name(_ process: MemoryBefore.Series) -> String {
    "\(TerminalText.safe(process.comm)) pid \(process.pid)"
  }

  private static func duration(_ milliseconds: Int64) -> String {
    let seconds = (milliseconds + 500) / 1000
    return seconds < 120 ? "\(seconds) s" : "\(seconds / 60) min" + (seconds % 60 == 0 ? "" : " \(seconds % 60) s")
  }

  private static func percent(_ hundredths: Int64) -> String { "\(hundredths / 100) %" }
}
