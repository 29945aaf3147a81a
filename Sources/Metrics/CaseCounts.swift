// SPDX-License-Identifier: Apache-2.0

/// One count for each case of an enumeration, and one for where it is not known.
struct CaseCounts<Case: CaseIterable & Equatable & Sendable>: Sendable where Case.AllCases == [Case] {
  private var counts = [Int64](repeating: 0, count: Case.allCases.count + 1)

  mutating func add(_ which: Case?, _ count: Int64 = 1) { counts[CaseCounts.place(which)] += count }

  subscript(_ which: Case?) -> Int64 { counts[CaseCounts.place(which)] }

  private static func place(_ which: Case?) -> Int {
    which.flatMap { Case.allCases.firstIndex(of: $0) } ?? Case.allCases.count
  }
}
