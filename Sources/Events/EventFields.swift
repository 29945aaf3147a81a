// SPDX-License-Identifier: Apache-2.0

extension StreamStart {
  func encode(into json: inout JSONWriter) {
    json.field("version", version)
    json.field("kernel_release", kernelRelease)
    json.field("architecture", architecture)
    json.field("page_size", pageSizeBytes)
    json.field("source", source.rawValue)
    json.field("probes") { json in
      json.array { json in
        for probe in probes {
          json.object {
            $0.field("name", probe.name)
            $0.field("attached", probe.refusal == nil)
            $0.field("refusal", probe.refusal)
          }
        }
      }
    }
    if !unavailable.isEmpty { json.field("unavailable") { $0.strings(unavailable) } }
  }
}

extension OOMOutcome {
  func encode(into json: inout JSONWriter) {
    json.objectField("decision") { $0.field("id", decisionID) }
    json.objectField("victim") {
      $0.field("pid", pid)
      $0.field("comm", hexKey: "comm_hex", comm)
    }
    json.field("reaper", reaper?.rawValue)
    json.field("reaper_start_us", reaperStartMicroseconds)
    json.field("reaper_end_us", reaperEndMicroseconds)
    json.field("exited", exited)
    json.field("exit_us", exitMicroseconds)
    json.field("memory_freed_us", memoryFreedMicroseconds)
    json.field("freed_bytes", freedBytes)
  }
}

extension OOMNoKill {
  func encode(into json: inout JSONWriter) {
    json.field("reason", reason.rawValue)
    json.field("source", source.rawValue)
    json.field("scope", scope?.rawValue)
    if let trigger { json.field("trigger") { trigger.encode(into: &$0) } }
    if let limit { json.field("limit") { limit.encode(into: &$0) } }
    if pid != nil || tid != nil || comm != nil {
      json.objectField("task") {
        $0.field("pid", pid)
        $0.field("tid", tid)
        $0.field("comm", hexKey: "comm_hex", comm)
      }
    }
    json.field("considered", considered)
    json.field("repeated", repeated)
  }
}

extension Loss {
  func encode(into json: inout JSONWriter) {
    json.field("reason", reason.rawValue)
    json.field("kernel_count", kernelCount)
    json.field("records", records)
    json.field("detail", detail)
  }
}

extension StreamEnd {
  func encode(into json: inout JSONWriter) {
    json.field("kills", kills)
    json.field("kernel_count_told", kernelCountTold)
    json.field("kernel_count_lost", kernelCountLost)
    json.field("vmstat_oom_kill_growth", vmstatGrowth)
    json.field("outcomes", outcomes)
    json.field("no_kills", noKills)
    json.field("lines_dropped", linesDropped)
    json.field("kills_filtered", killsFiltered)
    json.field("kills_from_log", killsFromLog)
    json.field("kills_backfilled", backfill?.kills)
    json.field("kernel_count_backfilled", backfill?.kernelCount)
    json.field("kills_told_before", backfill.flatMap { $0.killsToldBefore > 0 ? $0.killsToldBefore : nil })
    json.field("kernel_count_forgotten", backfill?.kernelCountForgotten)
  }
}
