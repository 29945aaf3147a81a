// SPDX-License-Identifier: Apache-2.0
import Events

extension LimitEvidence.JVMHeap {
  /// What the last of its options says of the heap; nil where none does. What -Xmx says wins, wherever it stands.
  ///
  /// Source: java(1), -Xmx, -XX:MaxHeapSize, -XX:MaxRAMPercentage: k, m, g and t, in either case.
  package init?(commandLine: [String]) {
    var (heap, percent): (Int64?, Int?) = (nil, nil)
    for word in commandLine.dropFirst() {
      // From here on it is the program's own.
      if word == "-jar" || !word.hasPrefix("-") && !word.hasPrefix("@") { break }
      if word.hasPrefix("-Xmx") { heap = Self.bytes(word.dropFirst(4)) ?? heap }
      if word.hasPrefix("-XX:MaxHeapSize=") { heap = Self.bytes(word.dropFirst(16)) ?? heap }
      if word.hasPrefix("-XX:MaxRAMPercentage=") { percent = Self.hundredths(word.dropFirst(21)) ?? percent }
    }
    if let heap {
      self = .bytes(heap)
    } else if let percent {
      self = .hundredthsOfPercent(percent)
    } else {
      return nil
    }
  }

  private static func bytes(_ text: Substring) -> Int64? {
    let units: [Character: Int64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
    let unit = text.last.flatMap { units[Character($0.lowercased())] }
    guard let number = Int64(unit == nil ? text : text.dropLast()), number > 0 else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    return overflow ? nil : bytes
  }

  private static func hundredths(_ text: Substring) -> Int? {
    guard let percent = Double(text), percent > 0, percent <= 100 else { return nil }
    return Int(percent * 100)
  }
}
