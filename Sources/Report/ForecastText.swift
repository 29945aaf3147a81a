// SPDX-License-Identifier: Apache-2.0
import Events

/// A prediction in one sentence.
package struct ForecastSentence: Sendable {
  private let pageSizeBytes: Int

  package init(pageSizeBytes: Int) { self.pageSizeBytes = pageSizeBytes }

  package func sentence(_ forecast: Forecast) -> String {
    let where_: String =
      if let path = forecast.limit.cgroup?.path {
        "cgroup \(TerminalText.safe(path)) were at its limit of \(size(forecast.limit.limit?.pages ?? 0))"
      } else {
        "the whole system ran out of memory"
      }
    return "If \(where_) now, \(consequence(forecast))."
  }

  /// What the kernel would do, as the end of a sentence.
  func consequence(_ forecast: Forecast) -> String {
    switch forecast.outcome {
    case .panic: "the kernel would panic"
    case .wait:
      "the kernel would kill nobody: it would wait for process \(forecast.waitsForPID ?? 0), which is dying already"
    case .nobody: "the kernel would find nobody that it may kill"
    case .kill: "the kernel would kill \(victim(forecast))"
    }
  }

  private func victim(_ forecast: Forecast) -> String {
    guard let first = forecast.deaths.first else { return "nobody" }
    var text = "\(TerminalText.safe(first.victim.comm)) (pid \(first.victim.pid)), which holds "
    text += size(first.badness.parts.residentPages)
    if forecast.path == .allocatingTask {
      text += ", because it asks for memory and vm.oom_kill_allocating_task is set"
    } else if let points = first.badness.points {
      text += " and has \(points) points"
      if let adj = first.victim.oomScoreAdj, adj != 0 { text += " with an oom_score_adj of \(adj)" }
    }
    let others = forecast.deaths.count - 1
    if others > 0 { text += "; \(others) other\(others == 1 ? "" : "s") would die with it" }
    return text
  }

  func size(_ pages: Pages) -> String { ScoreTable.size(bytes: pages * Int64(pageSizeBytes)) + "iB" }
}

/// A prediction for people: the sentence, then who is next to it and what would change it.
package struct ForecastText: Sendable {
  private let style: Style
  private let words: ForecastSentence

  package init(style: Style, pageSizeBytes: Int) {
    self.style = style
    words = ForecastSentence(pageSizeBytes: pageSizeBytes)
  }

  package func text(_ forecast: Forecast) -> String {
    var lines = [style.strong(forecast.explanation)]
    for death in forecast.deaths.dropFirst() {
      let why = death.victim.role == .sharesMemory ? "shares its memory" : "in the same memory.oom.group"
      lines.append("  with it    \(name(death)): \(why)")
    }
    if let runnerUp = forecast.runnerUp, let points = runnerUp.points {
      var line = "  runner-up  \(TerminalText.safe(runnerUp.comm)) (pid \(runnerUp.pid)) with \(points) points"
      if let headroom = forecast.runnerUpHeadroomPages {
        line += ": taken instead if it grew by \(words.size(headroom)) (\(headroom) pages)"
      }
      lines.append(line)
    }
    if let adj = forecast.sparingAdj {
      lines.append(
        adj == -1000
          ? "  to spare   an oom_score_adj of -1000: less is not enough"
          : "  to spare   an oom_score_adj of \(adj) or less")
    }
    for (number, deaths) in forecast.followUps.enumerated() {
      guard let first = deaths.first else { continue }
      let others = deaths.count > 1 ? " and \(deaths.count - 1) with it" : ""
      lines.append("  then       \(number + 2). \(name(first)), \(first.badness.points ?? 0) points\(others)")
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private func name(_ death: Forecast.Death) -> String {
    "\(TerminalText.safe(death.victim.comm)) (pid \(death.victim.pid))"
  }
}
