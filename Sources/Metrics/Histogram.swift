// SPDX-License-Identifier: Apache-2.0

/// Times, counted by how long they were.
struct Histogram: Hashable, Sendable {
  /// Upper bounds in microseconds, each within its bucket; above the last there is one more.
  let bounds: [Int64]
  /// Of each bucket alone.
  private(set) var counts: [Int64]
  private(set) var total: Int64 = 0
  private(set) var sumMicroseconds: Int64 = 0

  /// 1 ms to 60 s: an exit may take as long as its memory takes to be given back.
  static let exit: [Int64] = [
    1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000, 60_000_000,
  ]
  /// 50 µs to 1 s: from the kernel's decision to our line.
  static let event: [Int64] = [
    50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
  ]

  init(bounds: [Int64]) {
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count)
  }

  /// Nil was not observed; a clock that went back is a time of nothing.
  mutating func add(_ microseconds: Int64?) {
    guard let microseconds else { return }
    let time = max(0, microseconds)
    total += 1
    sumMicroseconds = sumMicroseconds.addingReportingOverflow(time).overflow ? .max : sumMicroseconds + time
    if let bucket = bounds.firstIndex(where: { time <= $0 }) { counts[bucket] += 1 }
  }
}
