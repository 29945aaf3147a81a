// SPDX-License-Identifier: Apache-2.0

extension Decision {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init(id: 0)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "id": id = try json.whole() ?? 0
      case "path": path = try json.value(of: Path.self)
      case "message": message = try json.text()
      case "kills": kills = try json.whole()
      case "index": index = try json.whole()
      default: return false
      }
      return true
    }
  }
}

extension Trigger {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init()
    var (name, group) = (NameFields(), CgroupFields())
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": pid = try json.whole()
      case "tid": tid = try json.whole()
      case "comm": name.text = try json.text()
      case "comm_hex": name.hex = try json.text()
      case "uid": uid = try json.whole()
      case "oom_score_adj": oomScoreAdj = try json.whole()
      case "gfp_mask": gfpMask = try json.whole()
      case "gfp_flags": gfpFlags = try json.texts()
      case "order": order = try json.whole()
      case "is_victim": isVictim = try json.flag()
      default: return try group.take(key, &json)
      }
      return true
    }
    (comm, cgroup) = (name.name, group.reference)
  }
}

extension BindingLimit {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init()
    var group = CgroupFields()
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "limit_pages": limit = try json.whole().map { .pages($0) }
      case "unlimited": limit = try json.flag() == true ? .unlimited : limit
      case "usage_pages": usagePages = try json.whole()
      case "swap_limit_pages": swapLimit = try json.whole().map { .pages($0) }
      case "swap_unlimited": swapLimit = try json.flag() == true ? .unlimited : swapLimit
      case "swap_usage_pages": swapUsagePages = try json.whole()
      case "total_pages": totalPages = try json.whole()
      case "inferred": inferred = try json.flag()
      case "ancestors":
        try json.array { (json) throws(JSONReader.Fault) in
          if let ancestor = try Ancestor(&json) { ancestors.append(ancestor) }
        }
      default: return try group.take(key, &json)
      }
      return true
    }
    cgroup = group.reference
  }
}

extension BindingLimit.Ancestor {
  fileprivate init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var name = NameFields()
    var (limit, usage): (Limit?, Pages?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "path": name.text = try json.text()
      case "path_hex": name.hex = try json.text()
      case "limit_pages": limit = try json.whole().map { .pages($0) }
      case "unlimited": limit = try json.flag() == true ? .unlimited : limit
      case "usage_pages": usage = try json.whole()
      default: return false
      }
      return true
    }
    guard let path = name.name else { return nil }
    self.init(path: path, limit: limit, usagePages: usage)
  }
}

extension Victim {
  /// Nil where it has neither number nor name.
  init?(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var victim = Victim(pid: 0, comm: KernelName(""), kernelCount: 0)
    var number: Int32?
    var (name, exe, parent, group) = (NameFields(), NameFields(), NameFields(), CgroupFields())
    var (words, wordsHex): ([String]?, [String]?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": number = try json.whole()
      case "tid": victim.tid = try json.whole()
      case "ppid": victim.ppid = try json.whole()
      case "role": victim.role = try json.value(of: Role.self)
      case "kernel_count": victim.kernelCount = try json.whole() ?? 0
      case "comm": name.text = try json.text()
      case "comm_hex": name.hex = try json.text()
      case "uid": victim.uid = try json.whole()
      case "user": victim.user = try json.text()
      case "oom_score_adj": victim.oomScoreAdj = try json.whole()
      case "start_time": victim.startWallNanoseconds = try json.text().flatMap(RFC3339.nanoseconds)
      case "age_seconds": victim.ageSeconds = try json.whole()
      case "cmdline": words = try json.texts()
      case "cmdline_hex": wordsHex = try json.texts()
      case "exe": exe.text = try json.text()
      case "exe_hex": exe.hex = try json.text()
      case "parent_comm": parent.text = try json.text()
      case "parent_comm_hex": parent.hex = try json.text()
      case "total_vm_pages": victim.totalVMPages = try json.whole()
      case "threads": victim.threads = try json.whole()
      default: return try group.take(key, &json)
      }
      return true
    }
    guard let number, let comm = name.name else { return nil }
    self = victim
    (pid, self.comm, self.exe, parentComm, cgroup) = (number, comm, exe.name, parent.name, group.reference)
    cmdline = words?.enumerated().map { place, word in
      let hex = wordsHex.flatMap { place < $0.count && !$0[place].isEmpty ? $0[place] : nil }
      return hex.flatMap { KernelName(hex: $0) } ?? KernelName(word)
    }
  }
}

extension VictimBadness {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    var badness = VictimBadness(parts: BadnessParts())
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "points": badness.points = try json.whole()
      case "points_source": badness.pointsSource = try json.value(of: PointsSource.self)
      case "total_pages": badness.domainPages = try json.whole()
      case "proc_oom_score": badness.procOOMScore = try json.whole()
      case "breakdown": (badness.parts, badness.adjPoints) = try BadnessParts.withAdjPoints(&json)
      default: return false
      }
      return true
    }
    self = badness
    if points == nil { pointsSource = nil }
  }
}

extension BadnessParts {
  init() { self.init(anonPages: 0, filePages: 0, shmemPages: 0, swapPages: 0, pgtablePages: 0) }

  static func withAdjPoints(_ json: inout JSONReader) throws(JSONReader.Fault) -> (BadnessParts, Pages?) {
    var parts = BadnessParts()
    var adjPoints: Pages?
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "anon_pages": parts.anonPages = try json.whole() ?? 0
      case "file_pages": parts.filePages = try json.whole() ?? 0
      case "shmem_pages": parts.shmemPages = try json.whole() ?? 0
      case "swap_pages": parts.swapPages = try json.whole() ?? 0
      case "pgtable_pages": parts.pgtablePages = try json.whole() ?? 0
      case "adj_points": adjPoints = try json.whole()
      default: return false
      }
      return true
    }
    return (parts, adjPoints)
  }
}

extension Candidates {
  init(_ json: inout JSONReader) throws(JSONReader.Fault) {
    self.init(considered: 0, list: [])
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "considered": considered = try json.whole() ?? 0
      case "runner_up_margin": runnerUpMarginPages = try json.whole()
      case "list":
        try json.array { (json) throws(JSONReader.Fault) in
          if let row = try ScoreRow(&json) { list.append(row.candidate) }
        }
      default: return false
      }
      return true
    }
  }
}

extension ScoreRow {
  /// A candidate, with what a `pressure` line's processes have beside it; nil where it has neither number nor name.
  init?(
    _ json: inout JSONReader,
    beside other: (inout JSONReader, String) throws(JSONReader.Fault) -> Bool = { _, _ in false }
  )
    throws(JSONReader.Fault)
  {
    var candidate = Candidate(pid: 0, tid: 0, comm: KernelName(""), oomScoreAdj: 0)
    var (number, tid): (Int32?, Int32?)
    var (name, group) = (NameFields(), CgroupFields())
    var (score, user): (Int?, String?)
    try json.object { (json, key) throws(JSONReader.Fault) in
      switch key {
      case "pid": number = try json.whole()
      case "tid": tid = try json.whole()
      case "comm": name.text = try json.text()
      case "comm_hex": name.hex = try json.text()
      case "uid": candidate.uid = try json.whole()
      case "oom_score_adj": candidate.oomScoreAdj = try json.whole() ?? 0
      case "points": candidate.points = try json.whole()
      case "points_source": candidate.pointsSource = try json.value(of: PointsSource.self)
      case "rank": candidate.rank = try json.whole()
      case "breakdown": (candidate.parts, candidate.adjPoints) = try BadnessParts.withAdjPoints(&json)
      case "skipped": candidate.skipped = try json.value(of: SkipReason.self)
      case "proc_oom_score": score = try json.whole()
      case "user": user = try json.text()
      default:
        if try group.take(key, &json) { return true }
        return try other(&json, key)
      }
      return true
    }
    guard let number, let comm = name.name else { return nil }
    (candidate.pid, candidate.tid, candidate.comm, candidate.cgroup) = (number, tid ?? number, comm, group.reference)
    if candidate.points == nil { candidate.pointsSource = nil }
    self.init(candidate: candidate)
    (procOOMScore, self.user) = (score, user)
  }
}
