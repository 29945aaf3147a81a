// SPDX-License-Identifier: Apache-2.0

/// Says a change of pressure in a few English sentences, with the numbers in them.
extension Explanation {
  /// What a person on call wants first: whose memory, how short, how long it lasts, and who takes it.
  package func sentence(_ event: PressureEvent) -> String {
    if let cleanup = event.cleanup { return sentence(cleanup, of: event.reading) }
    var text = "Memory pressure on \(Explanation.place(event.reading)) is \(event.level.name)"
    text += event.previous == event.level ? ": " : " (was \(event.previous.name)): "
    text += facts(event.reading) + "."
    if let left = event.secondsLeft, let rate = event.availablePagesPerSecond {
      text += " At \(size(-rate)) a second it is gone in \(Explanation.duration(seconds: left))."
    }
    if let first = event.biggest.first, let parts = first.row.candidate.parts {
      text += " The biggest is \(name(first)) with \(size(parts.totalPages))"
      if let grower = event.growing.first, let rate = grower.pagesPerSecond {
        text += grower.row.candidate.pid == first.row.candidate.pid ? ", and it takes" : "; \(name(grower)) takes"
        text += " \(size(rate)) more each second"
      }
      text += "."
    }
    if let suggestion = event.suggestions.first {
      text += " To stop \(TerminalText.safe(suggestion.comm)) (pid \(suggestion.pid)) gives back "
      text += "\(size(suggestion.freesPages)) and leaves it \(suggestion.levelAfter.name)."
    }
    return text
  }

  /// `the whole system`, `container web of pod shop/cart-0`, `db.service`, `cgroup /a/b`.
  package static func place(_ reading: PressureReading) -> String {
    guard let cgroup = reading.cgroup else { return "the whole system" }
    if let phrase = cgroup.owner?.phrase { return TerminalText.safe(phrase) }
    return "cgroup \(cgroup.path.map { TerminalText.safe($0) } ?? "of id \(cgroup.id ?? 0)")"
  }

  /// `91.2 % of 23.5 GiB is used, 2.0 GiB can still be had, swap 40.0 % used, all tasks stood still 5.00 % of the last 10 s`.
  package func facts(_ reading: PressureReading) -> String {
    var parts: [String] = []
    if let used = reading.usedHundredths {
      parts.append("\(Explanation.percent(used)) of \(size(reading.totalPages)) is used")
    }
    parts.append("\(size(max(0, reading.availablePages))) can still be had")
    if let swap = reading.swapUsedHundredths { parts.append("\(Explanation.percent(swap)) of swap is used") }
    if let stall = reading.stall, stall.some.average10Hundredths > 0 {
      var words =
        "tasks stood still for memory in \(Explanation.percent(stall.some.average10Hundredths)) of the last 10 s"
      if let full = stall.full, full.average10Hundredths > 0 {
        words += ", all at once in \(Explanation.percent(full.average10Hundredths))"
      }
      parts.append(words)
    }
    return parts.joined(separator: ", ")
  }

  private func sentence(_ cleanup: PressureEvent.Cleanup, of reading: PressureReading) -> String {
    let what =
      switch cleanup.action {
      case .dropCaches: "Dropping the clean page cache"
      case .reclaim:
        "Asking the kernel to take back "
          + (cleanup.wantedPages.map { size($0) + " " } ?? "")
          + "from cgroup \(cleanup.cgroup?.path.map { TerminalText.safe($0) } ?? "/")"
      }
    let gained = cleanup.availableAfterPages - cleanup.availableBeforePages
    let change = gained < 0 ? "\(size(-gained)) less" : "\(size(gained)) more"
    let time = "in \(cleanup.milliseconds) ms"
    if let error = cleanup.error {
      return "\(what) failed \(time): \(TerminalText.safe(error)) (\(change) can be had)."
    }
    return "\(what) took \(cleanup.milliseconds) ms: \(change) can be had on \(Explanation.place(reading))."
  }

  private func name(_ process: PressureEvent.Process) -> String {
    "\(TerminalText.safe(process.row.candidate.comm)) (pid \(process.row.candidate.pid))"
  }

  /// Hundredths of a percent as `91.2 %`.
  package static func percent(_ hundredths: Int64) -> String { "\(hundredths / 100).\(hundredths % 100 / 10) %" }

  /// `less than 1 s`, `45 s`, `12 min`, `3 h`, `2 d`: no more than a guess allows.
  package static func duration(seconds: Int64) -> String {
    if seconds < 1 { return "less than 1 s" }
    if seconds < 120 { return "\(seconds) s" }
    if seconds < 120 * 60 { return "\(seconds / 60) min" }
    return seconds < 48 * 3600 ? "\(seconds / 3600) h" : "\(seconds / 86_400) d"
  }
}
