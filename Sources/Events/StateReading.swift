// SPDX-License-Identifier: Apache-2.0

extension MemoryState {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "total_pages": totalPages = try json.whole()
      case "free_pages": freePages = try json.whole()
      case "available_pages": availablePages = try json.whole()
      case "buffers_pages": buffersPages = try json.whole()
      case "cached_pages": cachedPages = try json.whole()
      case "shmem_pages": shmemPages = try json.whole()
      case "slab_reclaimable_pages": slabReclaimablePages = try json.whole()
      case "slab_unreclaimable_pages": slabUnreclaimablePages = try json.whole()
      case "page_tables_pages": pageTablesPages = try json.whole()
      case "swap_total_pages": swapTotalPages = try json.whole()
      case "swap_free_pages": swapFreePages = try json.whole()
      case "zones":
        try json.array { (json) throws(JSONReader.Fault) in
          if let zone = try MemoryZone(&json) { zones.append(zone) }
        }
      default: return false
      }
      return true
    }
  }
}

extension MemoryZone {
  fileprivate init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var (node, name): (Int?, String?)
    var (free, min, reserve): (Pages?, Pages?, Pages?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "node": node = try json.whole()
      case "name": name = try json.text()
      case "free_pages": free = try json.whole()
      case "min_pages": min = try json.whole()
      case "reserve_pages": reserve = try json.whole()
      default: return false
      }
      return true
    }
    guard let node, let name, let free, let min else { return nil }
    self.init(node: node, name: name, freePages: free, minPages: min, reservePages: reserve)
  }
}

extension PressureStall {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var (some, full): (Line?, Line?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "some": some = try Line(&json)
      case "full": full = try Line(&json)
      default: return false
      }
      return true
    }
    guard let some else { return nil }
    self.init(some: some, full: full)
  }
}

extension PressureStall.Line {
  fileprivate init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var line = PressureStall.Line(
      average10Hundredths: 0, average60Hundredths: 0, average300Hundredths: 0, totalMicroseconds: 0)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "avg10": line.average10Hundredths = try json.hundredths() ?? 0
      case "avg60": line.average60Hundredths = try json.hundredths() ?? 0
      case "avg300": line.average300Hundredths = try json.hundredths() ?? 0
      case "total_us": line.totalMicroseconds = try json.integer() ?? 0
      default: return false
      }
      return true
    }
    self = line
  }
}

extension AfterGuardAction {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var (by, signal): (String?, GuardAction.Signal?)
    var (pid, milliseconds): (Int32?, Int64?)
    var name = NameFields()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "by": by = try json.text()
      case "signal": signal = try json.value(of: GuardAction.Signal.self)
      case "pid": pid = try json.whole()
      case "comm": name.text = try json.text()
      case "comm_hex": name.hex = try json.text()
      case "milliseconds": milliseconds = try json.whole()
      default: return false
      }
      return true
    }
    guard let by, let signal, let pid, let milliseconds, let comm = name.name else { return nil }
    self.init(by: by, signal: signal, pid: pid, comm: comm, milliseconds: milliseconds)
  }
}

extension GuardAction.Threshold {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var threshold = GuardAction.Threshold(cause: .memory)
    var cause: Cause?
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "cause": cause = try json.value(of: Cause.self)
      case "available_pages": threshold.availablePages = try json.whole()
      case "swap_free_pages": threshold.swapFreePages = try json.whole()
      case "stall_percent": threshold.stallHundredths = try json.hundredths()
      default: return false
      }
      return true
    }
    guard let cause else { return nil }
    self = threshold
    self.cause = cause
  }
}

extension GuardReading {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var reading = GuardReading(totalPages: 0, availablePages: 0)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "total_pages": reading.totalPages = try json.whole() ?? 0
      case "available_pages": reading.availablePages = try json.whole() ?? 0
      case "swap_total_pages": reading.swapTotalPages = try json.whole() ?? 0
      case "swap_free_pages": reading.swapFreePages = try json.whole() ?? 0
      case "stall_some_percent": reading.someHundredths = try json.hundredths()
      case "stall_full_percent": reading.fullHundredths = try json.hundredths()
      default: return false
      }
      return true
    }
    self = reading
  }
}

extension PressureEvent.Process {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var rate: Int64?
    let row = try ScoreRow(&json) { (json, key) throws(JSONReader.Fault) in
      if key == "pages_per_second" { rate = try json.whole() }
      return key == "pages_per_second"
    }
    guard var row else { return nil }
    // Of the kernel's decision, which there was none.
    (row.candidate.tid, row.candidate.rank) = (row.candidate.pid, nil)
    (row.candidate.pointsSource, row.candidate.skipped) = (nil, nil)
    self.init(row: row, pagesPerSecond: rate)
  }
}

extension PressureEvent.Suggestion {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var (pid, pages): (Int32?, Pages?)
    var level: PressureLevel?
    var name = NameFields()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": pid = try json.whole()
      case "comm": name.text = try json.text()
      case "comm_hex": name.hex = try json.text()
      case "frees_pages": pages = try json.whole()
      case "level_after": level = try json.text().flatMap { PressureLevel(name: $0) }
      default: return false
      }
      return true
    }
    guard let pid, let pages, let level, let comm = name.name else { return nil }
    self.init(pid: pid, comm: comm, freesPages: pages, levelAfter: level)
  }
}

extension PressureEvent.Cleanup {
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var action: Action?
    var (wanted, before, after, milliseconds): (Pages?, Pages?, Pages?, Int64?)
    var (group, error): (CgroupFields, String?) = (CgroupFields(), nil)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "action": action = try json.value(of: Action.self)
      case "wanted_pages": wanted = try json.whole()
      case "available_before_pages": before = try json.whole()
      case "available_after_pages": after = try json.whole()
      case "duration_ms": milliseconds = try json.whole()
      case "error": error = try json.text()
      default: return try group.take(key, &json)
      }
      return true
    }
    guard let action, let before, let after, let milliseconds else { return nil }
    self.init(action: action, availableBeforePages: before, availableAfterPages: after, milliseconds: milliseconds)
    (cgroup, wantedPages, self.error) = (group.reference, wanted, error)
  }
}
