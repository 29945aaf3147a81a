// SPDX-License-Identifier: Apache-2.0

/// Sizes as people write them: the step grows with the size, from 8 MiB to 4 GiB.
enum RoundSize {
  private static let mebibyte: Int64 = 1 << 20
  /// Up to so many bytes, in steps of so many.
  private static let steps: [(upTo: Int64, step: Int64)] = [
    (128 * mebibyte, 8 * mebibyte), (512 * mebibyte, 32 * mebibyte), (2048 * mebibyte, 128 * mebibyte),
    (8192 * mebibyte, 512 * mebibyte), (65_536 * mebibyte, 1024 * mebibyte),
  ]

  private static func step(_ bytes: Int64) -> Int64 {
    steps.first { bytes <= $0.upTo }?.step ?? 4096 * mebibyte
  }

  /// The next one that is no lower; as it is where there is none that an Int64 holds.
  static func up(_ bytes: Int64) -> Int64 {
    let step = step(bytes)
    let (sum, overflow) = max(1, bytes).addingReportingOverflow(step - 1)
    return overflow ? bytes : sum / step * step
  }

  /// The next one that is no higher.
  static func down(_ bytes: Int64) -> Int64 { bytes / step(bytes) * step(bytes) }

  /// So many hundredths, the most that there is where that is more.
  static func percent(_ percent: Int64, of bytes: Int64) -> Int64 {
    let (whole, overflow) = (bytes / 100).multipliedReportingOverflow(by: percent)
    let (sum, sumOverflow) = whole.addingReportingOverflow(bytes % 100 * percent / 100)
    return overflow || sumOverflow ? .max : sum
  }
}
