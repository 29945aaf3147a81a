// SPDX-License-Identifier: Apache-2.0
import Events

/// A ranking as a table for people.
package struct ScoreTable: Sendable {
  private let style: Style
  private let pageSizeBytes: Int

  package init(style: Style, pageSizeBytes: Int) {
    self.style = style
    self.pageSizeBytes = pageSizeBytes
  }

  private static let head = [
    "RANK", "PID", "USER", "POINTS", "SCORE", "ADJ", "ANON", "FILE", "SHMEM", "SWAP", "PGTBL", "COMM", "WHERE",
  ]
  /// Names are to the left, numbers to the right.
  private static let leftColumns: Set<Int> = [2, 11, 12]

  /// A line for each row below a head, each ending in a newline.
  package func text(_ rows: [ScoreRow]) -> String {
    let lines = TextTable.lines(head: ScoreTable.head, leftColumns: ScoreTable.leftColumns, rows: rows.map(cells))
    return (style.dim(lines[0]) + "\n") + zip(lines.dropFirst(), rows).map { coloured($0, $1) + "\n" }.joined()
  }

  private func cells(_ row: ScoreRow) -> [String] {
    let candidate = row.candidate
    func size(_ pages: Pages?) -> String { pages.map { ScoreTable.size(bytes: $0 * Int64(pageSizeBytes)) } ?? "-" }
    let parts = candidate.parts
    return [
      candidate.rank.map(String.init) ?? "-", "\(candidate.pid)",
      TerminalText.safe(row.user ?? candidate.uid.map(String.init) ?? "-"),
      candidate.points.map(String.init) ?? "-", row.procOOMScore.map(String.init) ?? "-", "\(candidate.oomScoreAdj)",
      size(parts?.anonPages), size(parts?.filePages), size(parts?.shmemPages), size(parts?.swapPages),
      size(parts?.pgtablePages), TerminalText.safe(candidate.comm), ScoreTable.place(row),
    ]
  }

  /// Why it is safe, else whose it is.
  static func place(_ row: ScoreRow) -> String {
    var place: String
    let owner = row.candidate.cgroup?.owner
    if let pod = owner?.pod?.displayName {
      place = TerminalText.safe("pod " + (owner?.pod?.container.map { "\(pod)/\($0)" } ?? pod))
    } else if let container = owner?.container {
      place = TerminalText.safe("\(container.runtime ?? "container") \(container.shownName)")
    } else {
      place = owner?.unit ?? row.candidate.cgroup?.path.map(TerminalText.safe) ?? "-"
    }
    if let skipped = row.candidate.skipped { place += " [unkillable: \(ScoreTable.words(skipped))]" }
    return place
  }

  /// Above 500 and 800 of the kernel's 1000 of memory: oom_score 1000 and 1200.
  private func coloured(_ line: String, _ row: ScoreRow) -> String {
    if row.candidate.skipped != nil { return style.dim(line) }
    switch ScoreTable.risk(row) {
    case .high: return style.alarm(line)
    case .raised: return style.warning(line)
    case .low: return line
    }
  }

  package enum Risk: Sendable { case low, raised, high }

  /// How near to the top of the scale: thousandths of the domain that its points are.
  package static func risk(_ row: ScoreRow) -> Risk {
    guard let score = row.procOOMScore else { return .low }
    // proc_oom_score() shows (1000 + thousandths) * 2 / 3.
    let thousandths = score * 3 / 2 - 1000
    return thousandths > 800 ? .high : thousandths > 500 ? .raised : .low
  }

  /// Why a process would be passed over, in words.
  package static func words(_ reason: SkipReason) -> String {
    switch reason {
    case .globalInit: "init"
    case .kernelThread: "kernel thread"
    case .outsideCpuset: "outside of the cpuset"
    case .alreadyVictim: "being killed already"
    case .noMemory: "has no memory"
    case .oomScoreAdjMin: "oom_score_adj is -1000"
    case .oomSkip: "reaped already"
    case .inVfork: "in vfork(2)"
    }
  }

  /// `0`, `12K`, `3.4M`, `1.2G`: three digits or four.
  package static func size(bytes: Int64) -> String {
    let units: [(Int64, String)] = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")]
    guard let (unit, letter) = units.first(where: { bytes >= $0.0 }) else { return "\(bytes)" }
    let tenths = bytes * 10 / unit
    return tenths < 100 && letter != "K" ? "\(tenths / 10).\(tenths % 10)\(letter)" : "\(tenths / 10)\(letter)"
  }
}
