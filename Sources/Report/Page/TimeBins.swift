// SPDX-License-Identifier: Apache-2.0
import Events

/// How many kills fell when: counts in bins of time that grow with the span, so that memory does not grow with the log.
struct TimeBins {
  /// Whose memory ran out, as the page tells it apart.
  enum Kind: Int, CaseIterable {
    case system, memcg, numa, unknown

    init(_ scope: Scope?) {
      switch scope {
      case .system: self = .system
      case .memcg: self = .memcg
      case .cpuset, .mempolicy: self = .numa
      case nil: self = .unknown
      }
    }

    var words: String {
      switch self {
      case .system: "whole system"
      case .memcg: "limit of a cgroup"
      case .numa: "cpuset or NUMA policy"
      case .unknown: "scope not told"
      }
    }
  }

  /// One host's kills of one kind in one bin.
  struct Bin: Hashable {
    var host: KernelName?
    var kind: Kind
    /// Time divided by the width of a bin, rounded down.
    var number: Int64
  }

  /// Bins between the first and the last kill.
  static let binsMax: Int64 = 600
  /// Hosts that are kept apart; those that come later are one.
  static let hostsMax = 24
  static let otherHosts = KernelName("other hosts")
  private static let second: Int64 = 1_000_000_000
  /// Seconds, each a multiple of the one before it.
  private static let widths: [Int64] = [
    1, 2, 10, 30, 60, 120, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800, 2_419_200, 29_030_400,
  ]

  private var step = 0
  private(set) var counts: [Bin: Int] = [:]
  private(set) var hosts: Set<KernelName> = []
  /// Numbers of the first and of the last bin.
  private(set) var span: ClosedRange<Int64>?

  /// Of one bin.
  var widthNanoseconds: Int64 { TimeBins.widths[step] * TimeBins.second }

  mutating func add(nanoseconds: Int64, kind: Kind, host: KernelName?) {
    var host = host
    if let name = host, !hosts.contains(name) {
      if hosts.count < TimeBins.hostsMax { hosts.insert(name) } else { host = TimeBins.otherHosts }
    }
    var number = TimeBins.floor(nanoseconds, by: widthNanoseconds)
    while let span, max(span.upperBound, number) - min(span.lowerBound, number) >= TimeBins.binsMax,
      step + 1 < TimeBins.widths.count
    {
      let ratio = TimeBins.widths[step + 1] / TimeBins.widths[step]
      step += 1
      coarsen(by: ratio)
      number = TimeBins.floor(nanoseconds, by: widthNanoseconds)
    }
    span = min(span?.lowerBound ?? number, number)...max(span?.upperBound ?? number, number)
    counts[Bin(host: host, kind: kind, number: number), default: 0] += 1
  }

  private mutating func coarsen(by ratio: Int64) {
    var wider: [Bin: Int] = [:]
    for (bin, count) in counts {
      var bin = bin
      bin.number = TimeBins.floor(bin.number, by: ratio)
      wider[bin, default: 0] += count
    }
    counts = wider
    span = span.map { TimeBins.floor($0.lowerBound, by: ratio)...TimeBins.floor($0.upperBound, by: ratio) }
  }

  private static func floor(_ number: Int64, by divisor: Int64) -> Int64 {
    let quotient = number / divisor
    return number % divisor < 0 ? quotient - 1 : quotient
  }
}
