// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import History

/// Which events of a history are wanted.
struct HistoryFilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Only from this moment on: 2026-11-24, 2026-11-24T21:13:57Z, or so long ago, as 90s, 15m, 2h, 7d or 4w.",
      valueName: "time"))
  var since: HistoryMoment?
  @Option(help: ArgumentHelp("Only before this moment.", valueName: "time"))
  var until: HistoryMoment?
  @Option(help: ArgumentHelp("Only victims whose comm matches, as 'java*'.", valueName: "glob"))
  var victim: String?
  @Option(
    help: ArgumentHelp(
      "Only victims in control groups that match, as '/kubepods*', and kills at the limit of one.", valueName: "glob"))
  var cgroup: String?
  @Option(help: ArgumentHelp("Only victims in this systemd unit, as 'db*.service'.", valueName: "glob"))
  var unit: String?
  @Option(
    help: ArgumentHelp(
      "Only victims in this container: its name as 'web*', its id or twelve digits of it and more.",
      valueName: "name|id"))
  var container: String?
  @Option(help: ArgumentHelp("Only victims in this pod, as shop/cart-0 or 'shop/*', or by its uid.", valueName: "pod"))
  var pod: String?
  @Option(help: ArgumentHelp("Only of this host, as 'node-*'.", valueName: "glob"))
  var host: String?
  @Option(
    help: ArgumentHelp(
      "Only lines of this type, as docs/events.md has it, or any. Repeatable.", valueName: "type"))
  var type: [String] = []

  func validate() throws {
    if let since, let until, since.nanoseconds >= until.nanoseconds {
      throw ValidationError("--since is not before --until")
    }
    for type in type where type.isEmpty || !type.utf8.allSatisfy({ (0x61...0x7a).contains($0) || $0 == 0x5f }) {
      throw ValidationError("--type takes a type as oom_kill, or any, not '\(type)'")
    }
  }

  /// - Parameter defaultType: where none is named; nil: all.
  func filter(defaultType: String?) -> HistoryFilter {
    var filter = HistoryFilter()
    (filter.sinceNanoseconds, filter.untilNanoseconds) = (since?.nanoseconds, until?.nanoseconds)
    (filter.victim, filter.cgroup, filter.unit) = (victim, cgroup, unit)
    (filter.container, filter.pod, filter.host) = (container, pod, host)
    filter.types = type.isEmpty ? [defaultType].compactMap { $0 } : type.contains("any") ? [] : type
    return filter
  }
}

/// A moment as people write it.
struct HistoryMoment: ExpressibleByArgument {
  private static let unitSeconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
  private static let second: Int64 = 1_000_000_000

  /// Since 1970.
  var nanoseconds: Int64

  init?(argument: String) { self.init(argument, nowSeconds: Int64(time(nil))) }

  /// A day begins in UTC.
  init?(_ text: String, nowSeconds: Int64) {
    if let unit = text.last.flatMap({ HistoryMoment.unitSeconds[$0] }), let count = Int64(text.dropLast()), count >= 0 {
      let (seconds, isOver) = count.multipliedReportingOverflow(by: unit)
      nanoseconds = isOver || seconds >= nowSeconds ? 0 : (nowSeconds - seconds) * HistoryMoment.second
    } else if let moment = RFC3339.nanoseconds(text) ?? RFC3339.nanoseconds(text + "T00:00:00Z") {
      nanoseconds = moment
    } else {
      return nil
    }
  }
}
