// SPDX-License-Identifier: Apache-2.0

extension PressureEvent {
  /// The fields of a `pressure` line after the envelope.
  func encode(into json: inout JSONWriter, explanation: Explanation) {
    json.field("level", level.name)
    json.field("previous_level", previous.name)
    json.field("causes") { $0.strings(causes.map(\.rawValue)) }
    // A line goes to handlers one by one, where no stream_start says it.
    json.field("page_size", explanation.pageSizeBytes)
    reading.encodeFields(into: &json)
    if availablePagesPerSecond != nil || secondsLeft != nil {
      json.objectField("trend") {
        $0.field("available_pages_per_second", availablePagesPerSecond)
        $0.field("seconds_left", secondsLeft)
      }
    }
    if !biggest.isEmpty { json.field("biggest") { PressureEvent.encode(biggest, into: &$0) } }
    if !growing.isEmpty { json.field("growing") { PressureEvent.encode(growing, into: &$0) } }
    if !suggestions.isEmpty {
      json.field("suggestions") { json in
        json.array { json in
          for suggestion in suggestions { suggestion.encode(into: &json) }
        }
      }
    }
    if let cleanup { json.field("cleanup") { cleanup.encode(into: &$0) } }
    json.field("explanation", explanation.sentence(self))
  }

  private static func encode(_ processes: [Process], into json: inout JSONWriter) {
    json.array { json in
      for process in processes { process.encode(into: &json) }
    }
  }
}

extension PressureReading {
  /// Whose memory it is, what of it is used, and how long tasks stood still for it.
  package func encodeFields(into json: inout JSONWriter) {
    json.field("scope", (cgroup == nil ? Scope.system : .memcg).rawValue)
    json.fields(cgroup)
    json.field("total_pages", totalPages)
    json.field("available_pages", availablePages)
    json.field("used_percent", hundredths: usedHundredths)
    json.field("swap_total_pages", swapTotalPages)
    json.field("swap_free_pages", swapFreePages)
    json.field("swap_used_percent", hundredths: swapUsedHundredths)
    if let stall { json.field("pressure_stall") { stall.encode(into: &$0) } }
  }
}

extension PressureEvent.Process {
  fileprivate func encode(into json: inout JSONWriter) {
    let candidate = row.candidate
    json.object {
      $0.field("pid", candidate.pid)
      $0.field("comm", hexKey: "comm_hex", candidate.comm)
      $0.field("uid", candidate.uid)
      $0.field("user", row.user)
      $0.field("oom_score_adj", candidate.oomScoreAdj)
      $0.fields(candidate.cgroup)
      $0.field("points", candidate.points)
      if let parts = candidate.parts {
        $0.field("breakdown") { parts.encode(into: &$0, adjPoints: candidate.adjPoints) }
      }
      $0.field("proc_oom_score", row.procOOMScore)
      $0.field("pages_per_second", pagesPerSecond)
    }
  }
}

extension PressureEvent.Suggestion {
  fileprivate func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("pid", pid)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("frees_pages", freesPages)
      $0.field("level_after", levelAfter.name)
    }
  }
}

extension PressureEvent.Cleanup {
  fileprivate func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("action", action.rawValue)
      $0.fields(cgroup)
      $0.field("wanted_pages", wantedPages)
      $0.field("available_before_pages", availableBeforePages)
      $0.field("available_after_pages", availableAfterPages)
      $0.field("duration_ms", milliseconds)
      $0.field("error", error)
    }
  }
}
