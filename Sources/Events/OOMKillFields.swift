// SPDX-License-Identifier: Apache-2.0

extension OOMKill {
  /// The fields of an `oom_kill` line after the envelope.
  func encode(into json: inout JSONWriter, explanation: [UInt8]) {
    json.field("decision") { decision.encode(into: &$0) }
    json.field("source", source.rawValue)
    if !unavailable.isEmpty { json.field("unavailable") { $0.strings(unavailable) } }
    json.field("scope", scope?.rawValue)
    if let trigger { json.field("trigger") { trigger.encode(into: &$0) } }
    if let limit { json.field("limit") { limit.encode(into: &$0) } }
    json.field("victim") { victim.encode(into: &$0) }
    if let badness { json.field("badness") { badness.encode(into: &$0) } }
    if let candidates { json.field("candidates") { candidates.encode(into: &$0) } }
    if let memory { json.field("memory") { memory.encode(into: &$0) } }
    if let pressureStall { json.field("pressure_stall") { pressureStall.encode(into: &$0) } }
    if let afterGuardAction { json.field("after_guard_action") { afterGuardAction.encode(into: &$0) } }
    json.field("explanation", utf8: explanation)
    if let decisionToEventMicroseconds {
      json.objectField("latency") { $0.field("decision_to_event_us", decisionToEventMicroseconds) }
    }
  }
}

extension JSONWriter {
  mutating func strings(_ texts: [String]) {
    array { json in
      for text in texts { json.value(text) }
    }
  }

  /// A limit as `key`, or as `unlimitedKey: true` where there is none.
  mutating func field(_ key: StaticString, unlimitedKey: StaticString, _ limit: Limit?) {
    switch limit {
    case .pages(let pages): field(key, pages)
    case .unlimited: field(unlimitedKey, true)
    case nil: break
    }
  }

  /// A group as `cgroup`, and beside it whom it belongs to.
  mutating func fields(_ cgroup: CgroupRef?) {
    guard let cgroup else { return }
    if cgroup.path != nil || cgroup.id != nil {
      objectField("cgroup") {
        $0.field("path", hexKey: "path_hex", cgroup.path)
        $0.field("id", cgroup.id)
        $0.field("version", cgroup.version)
      }
    }
    guard let owner = cgroup.owner else { return }
    field("systemd_unit", owner.unit)
    if let container = owner.container { field("container") { container.encode(into: &$0) } }
    if let pod = owner.pod { field("kubernetes") { pod.encode(into: &$0) } }
  }
}

extension Decision {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("id", id)
      $0.field("path", path?.rawValue)
      $0.field("message", message)
      $0.field("kills", kills)
      $0.field("index", index)
    }
  }
}

extension Trigger {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("pid", pid)
      $0.field("tid", tid)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("uid", uid)
      $0.field("oom_score_adj", oomScoreAdj)
      $0.field("gfp_mask", gfpMask)
      if !gfpFlags.isEmpty { $0.field("gfp_flags") { $0.strings(gfpFlags) } }
      $0.field("order", order)
      $0.fields(cgroup)
      $0.field("is_victim", isVictim)
    }
  }
}

extension BindingLimit {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.fields(cgroup)
      $0.field("limit_pages", unlimitedKey: "unlimited", limit)
      $0.field("usage_pages", usagePages)
      $0.field("swap_limit_pages", unlimitedKey: "swap_unlimited", swapLimit)
      $0.field("swap_usage_pages", swapUsagePages)
      $0.field("total_pages", totalPages)
      $0.field("inferred", inferred)
      guard !ancestors.isEmpty else { return }
      $0.field("ancestors") { json in
        json.array { json in
          for ancestor in ancestors { ancestor.encode(into: &json) }
        }
      }
    }
  }
}

extension BindingLimit.Ancestor {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("path", hexKey: "path_hex", path)
      $0.field("limit_pages", unlimitedKey: "unlimited", limit)
      $0.field("usage_pages", usagePages)
    }
  }
}

extension Victim {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("pid", pid)
      $0.field("tid", tid)
      $0.field("ppid", ppid)
      $0.field("role", role?.rawValue)
      $0.field("kernel_count", kernelCount)
      $0.field("comm", hexKey: "comm_hex", comm)
      $0.field("uid", uid)
      $0.field("user", user)
      $0.field("oom_score_adj", oomScoreAdj)
      $0.field("start_time", wallNanoseconds: startWallNanoseconds)
      $0.field("age_seconds", ageSeconds)
      if let cmdline {
        $0.field("cmdline") { $0.strings(cmdline.map(\.text)) }
        if !cmdline.allSatisfy(\.isValidUTF8) { $0.field("cmdline_hex") { $0.strings(cmdline.map(\.hex)) } }
      }
      $0.field("exe", hexKey: "exe_hex", exe)
      $0.field("parent_comm", hexKey: "parent_comm_hex", parentComm)
      $0.fields(cgroup)
      $0.field("total_vm_pages", totalVMPages)
      $0.field("threads", threads)
    }
  }
}

extension VictimBadness {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("points", points)
      $0.field("points_source", points == nil ? nil : pointsSource?.rawValue)
      $0.field("total_pages", domainPages)
      $0.field("proc_oom_score", procOOMScore)
      $0.field("reconciled", residuePages.map { $0 == 0 })
      $0.field("residue_pages", residuePages.flatMap { $0 == 0 ? nil : $0 })
      $0.field("breakdown") { parts.encode(into: &$0, adjPoints: adjPoints) }
    }
  }
}

extension BadnessParts {
  func encode(into json: inout JSONWriter, adjPoints: Pages?) {
    json.object {
      $0.field("anon_pages", anonPages)
      $0.field("file_pages", filePages)
      $0.field("shmem_pages", shmemPages)
      $0.field("swap_pages", swapPages)
      $0.field("pgtable_pages", pgtablePages)
      $0.field("adj_points", adjPoints)
    }
  }
}

extension Candidates {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("considered", considered)
      $0.field("listed", list.count)
      $0.field("omitted", considered - list.count)
      $0.field("runner_up_margin", runnerUpMarginPages)
      $0.field("list") { json in
        json.array { json in
          for candidate in list { candidate.encode(into: &json) }
        }
      }
    }
  }
}

extension Candidate {
  func encode(into json: inout JSONWriter) { json.object { encodeFields(into: &$0) } }

  func encodeFields(into json: inout JSONWriter) {
    json.field("pid", pid)
    json.field("tid", tid)
    json.field("comm", hexKey: "comm_hex", comm)
    json.field("uid", uid)
    json.field("oom_score_adj", oomScoreAdj)
    json.fields(cgroup)
    json.field("points", points)
    json.field("points_source", points == nil ? nil : pointsSource?.rawValue)
    json.field("residue_pages", residuePages.flatMap { $0 == 0 ? nil : $0 })
    json.field("rank", rank)
    if let parts { json.field("breakdown") { parts.encode(into: &$0, adjPoints: adjPoints) } }
    json.field("eligible", skipped == nil)
    json.field("skipped", skipped?.rawValue)
  }
}

extension MemoryState {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("total_pages", totalPages)
      $0.field("free_pages", freePages)
      $0.field("available_pages", availablePages)
      $0.field("buffers_pages", buffersPages)
      $0.field("cached_pages", cachedPages)
      $0.field("shmem_pages", shmemPages)
      $0.field("slab_reclaimable_pages", slabReclaimablePages)
      $0.field("slab_unreclaimable_pages", slabUnreclaimablePages)
      $0.field("page_tables_pages", pageTablesPages)
      $0.field("swap_total_pages", swapTotalPages)
      $0.field("swap_free_pages", swapFreePages)
      guard !zones.isEmpty else { return }
      $0.field("zones") { json in
        json.array { json in
          for zone in zones { zone.encode(into: &json) }
        }
      }
    }
  }
}

extension MemoryZone {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("node", node)
      $0.field("name", name)
      $0.field("free_pages", freePages)
      $0.field("min_pages", minPages)
      $0.field("reserve_pages", reservePages)
    }
  }
}

extension PressureStall {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("some") { some.encode(into: &$0) }
      if let full { $0.field("full") { full.encode(into: &$0) } }
    }
  }
}

extension PressureStall.Line {
  func encode(into json: inout JSONWriter) {
    json.object {
      $0.field("avg10", hundredths: average10Hundredths)
      $0.field("avg60", hundredths: average60Hundredths)
      $0.field("avg300", hundredths: average300Hundredths)
      $0.field("total_us", totalMicroseconds)
    }
  }
}
