// SPDX-License-Identifier: Apache-2.0
import Events

/// What a guard did, and what it would do now, for people; safe for a terminal.
package struct GuardText: Sendable {
  private let explanation: Explanation
  private let style: Style
  private let pageSizeBytes: Int

  package init(pageSizeBytes: Int, style: Style) {
    explanation = Explanation(pageSizeBytes: pageSizeBytes)
    self.pageSizeBytes = pageSizeBytes
    self.style = style
  }

  /// One event, in a line or two.
  package func text(_ action: GuardAction) -> String {
    let who = action.victim.map { "\(TerminalText.safe($0.comm)) pid \($0.pid)" } ?? "nobody"
    let by = TerminalText.safe(action.by)
    let signal = action.signal?.rawValue ?? "a signal"
    switch action.outcome {
    case .sent:
      let speed = action.thresholdToSignalMicroseconds.map { ", \(milliseconds($0)) ms after it was seen" } ?? ""
      return style.alarm("GUARD") + " \(by) sent \(signal) to \(style.strong(who))\(held(action))\(speed)\n"
        + reasonLine(action)
    case .wouldSend:
      return style.warning("GUARD") + " dry run: \(signal) would go to \(style.strong(who))\(held(action))\n"
        + reasonLine(action)
    case .failed:
      return style.warning("GUARD FAILED")
        + " \(signal) to \(who): \(action.error.map(TerminalText.safe) ?? "refused")\n"
    case .exited:
      let time = action.signalToExitMicroseconds.map { " \(milliseconds($0)) ms after the signal" } ?? ""
      let freed = action.freedBytes.map { ", gave back \(explanation.size(bytes: $0))" } ?? ""
      return style.dim("gone") + " \(who)\(time)\(freed)\n"
    case .spared: return style.dim("spared") + " \(who): memory came back before it ended\n"
    case .survived: return style.warning("NOT GONE") + " \(who) was killed and has not ended\n"
    case .nobody:
      return style.warning("GUARD") + " memory is short, and there is nobody who may be taken\n" + reasonLine(action)
    }
  }

  private func held(_ action: GuardAction) -> String {
    action.badness.map { ", which holds \(explanation.size($0.parts.residentPages + $0.parts.swapPages))" } ?? ""
  }

  private func reasonLine(_ action: GuardAction) -> String {
    guard let reading = action.reading, let threshold = action.threshold else { return "" }
    let whose = action.cgroup?.path.map { " of cgroup \(TerminalText.safe($0))" } ?? ""
    switch threshold.cause {
    case .memory:
      let memory = amount(reading.availablePages, reading.totalPages, threshold.availablePages, "available\(whose)")
      guard reading.swapTotalPages > 0 else { return "  \(memory); no swap\n" }
      return
        "  \(memory); \(amount(reading.swapFreePages, reading.swapTotalPages, threshold.swapFreePages, "of swap free"))\n"
    case .stallFull, .stallSome:
      let value = threshold.cause == .stallFull ? reading.fullHundredths : reading.someHundredths
      let tasks = threshold.cause == .stallFull ? "all tasks" : "some tasks"
      return "  \(tasks)\(whose) stood still for memory \(value.map(percent) ?? "?") of the time"
        + "\(threshold.stallHundredths.map { ", the limit is \(percent($0))" } ?? "")\n"
    }
  }

  private func amount(_ pages: Pages, _ total: Pages, _ threshold: Pages?, _ what: String) -> String {
    let limit = threshold.map { ", the threshold is \(explanation.size($0))" } ?? ""
    return "\(explanation.size(pages)) of \(explanation.size(total)) \(what)\(limit)"
  }

  /// 1234 as `12.34 %`.
  package func percent(_ hundredths: Int64) -> String {
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) %"
  }

  /// A size, as sentences have it.
  package func size(_ pages: Pages) -> String { explanation.size(pages) }

  private func milliseconds(_ microseconds: Int64) -> String {
    "\(microseconds / 1000).\(microseconds % 1000 / 100)"
  }
}
