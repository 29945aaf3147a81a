// SPDX-License-Identifier: Apache-2.0

/// Cells in columns: names to the left, numbers to the right, two blanks between.
enum TextTable {
  /// The head's line, then one for each row; none ends in a newline.
  static func lines(head: [String], leftColumns: Set<Int>, rows: [[String]]) -> [String] {
    let cells = [head] + rows
    let widths = head.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        let isLast = column == row.count - 1
        line += leftColumns.contains(column) ? cell + (isLast ? "" : padding) : padding + cell
        if !isLast { line += "  " }
      }
      return line
    }
  }
}
